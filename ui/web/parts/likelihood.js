// What a picture costs in bits, measured live.
import { all, el, find, markup, meanings, write } from "../drawing/dom.js";
import { Source } from "../form/source.js";
import { show } from "../pictures/sprite.js";
import { Panel } from "../run/panel.js";
import { WORDS } from "../words/likelihood.js";
import { rateDistortion, terms } from "./likelihood/charts.js";
import { early, plusMinus, rates, totals } from "./likelihood/tables.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Decoding, Early } from "../messages/protocol.d.ts" */
/** @import { Bits, Plan, Result } from "./likelihood/tables.js" */

const ON_SLIDE = 4; // pictures
const STAGE = `
<p>${WORDS.lead}</p>
<div class="found" hidden>
  <section><h3 class="big"></h3><p class="looks"></p><div class="totals"></div></section>
  <section class="decoding" hidden>
    <h3>${WORDS.decoding}</h3>
    <p class="info">${WORDS.guesses}</p>
    <div class="times" aria-hidden="true"></div>
    <div class="guesses"></div>
  </section>
  <div class="charts"></div>
  <section class="rates"></section>
</div>
`;

/**
 * Its element has data-done: how many pictures are measured.
 * @param {Page} page @param {string} part @returns {Part}
 */
export function mount(page, part) {
  const body = el("div", { class: "likelihood" });
  markup(body, STAGE);
  const words = /** @type {const} */ (["bits/dim", "rate", "RMSE", "L₀, L_T", "linspace", "±"]);
  find(body, "p").after(meanings(...words, "βₜ", "β̃ₜ", "analytic"));
  /** @type {Plan | null} */
  let plan = null;
  /** @type {Bits | null} */
  let bits = null;
  /** @type {Early[]} */
  let first = [];
  let decoded = /** @type {number[]} */ ([]); // times

  /** @type {Panel<Result>} */
  const panel = new Panel(page, part, {
    take,
    renew: clear,
    finish: () => `${find(body, ".big").textContent}.`,
    offer: ({ set }) => {
      if (!set) source.prefer();
    },
  });
  const { element, form } = panel;
  const source = new Source(panel, "picture", WORDS.pictures, WORDS.set);
  form.adopt("picture", source);
  form.place("checkpoint").after(source.element);
  find(body, ".found").before(panel.origin);
  panel.stage.append(body);

  // --- What a measurement sends

  function clear() {
    plan = bits = null;
    first = [];
    element.dataset.done = "0";
  }

  /** @param {string} selector @param {...(Node | string)} nodes */
  const fill = (selector, ...nodes) => find(body, selector).replaceChildren(...nodes);

  /** @param {Result} result */
  function take(result) {
    if (result.kind === "plan") {
      plan = result;
      body.classList.toggle("pixelated", plan.pixelated);
      find(body, ".found").hidden = false;
      find(body, ".decoding").hidden = true;
      fill(".big", WORDS.measuring(plan.T));
      for (const place of [".looks", ".totals", ".charts", ".rates"]) fill(place);
    } else if (result.kind === "decoding") showDecoding(result);
    else if (result.kind === "early") {
      first = [...first, result];
      if (plan && !bits) fill(".totals", early(plan, first));
    } else showBits(result);
  }

  /** @param {Decoding} found */
  function showDecoding({ times, rows }) {
    decoded = times;
    fill(".times", ...[...times.map(String), "x₀"].map((text) => el("span", null, text)));
    const lines = rows.map((row, i) => {
      const alt = WORDS.row(i + 1, times);
      return el("div", { style: `--columns: ${times.length + 1}` }, show(el("img", { alt }), row));
    });
    fill(".guesses", ...lines);
    find(body, ".decoding").hidden = false;
  }

  /** @param {Bits} found */
  function showBits(found) {
    if (!plan) return;
    bits = found;
    const [[name, variance]] = plan.variances;
    const [value, error] = found.chains[variance][plan.T];
    write(find(body, ".big"), WORDS.found(plusMinus(value, error), plan.T, name));
    write(find(body, ".looks"), found.looks);
    fill(".totals", totals(plan, found));
    fill(".charts", terms(plan, found), rateDistortion(plan, found));
    fill(".rates", el("h3", null, WORDS.rates), rates(plan, found));
    element.dataset.done = String(found.done);
  }

  /** Some of the pictures as they are decoded, and what was measured. */
  async function slide() {
    const words = (/** @type {string} */ selector) => find(body, selector).textContent ?? "";
    const rows = all(body, ".guesses img", HTMLImageElement).slice(0, ON_SLIDE);
    const label = WORDS.slide(decoded);
    const tiles = rows.map((picture, row) => ({ picture, label: row ? "" : label }));
    return { title: words(".big"), tiles, columns: 1, said: words(".looks"), settings: words(".totals caption") };
  }

  return panel.mounted(["csv"], () => bits !== null, { slide });
}
