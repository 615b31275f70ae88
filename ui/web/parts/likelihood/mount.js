// Draws the part "How many bits does a picture need?". Tables and charts are updated while a server measures the
// pictures.
import { all, el, find, markup, write } from "../../drawing/dom.js";
import { meanings } from "../../drawing/meanings.js";
import { Source } from "../../form/source.js";
import { show } from "../../pictures/sprite.js";
import { Panel } from "../../run/panel.js";
import { rateDistortion, terms } from "./charts.js";
import { early, plusMinus, rates, totals } from "./tables.js";
import { WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { About } from "../../form/form.js" */
/** @import { Decoding, Early } from "../../messages/protocol.d.ts" */
/** @import { Bits, Plan, Result } from "./tables.js" */

const ON_SLIDE = 4; // the largest number of pictures on a slide
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

/** Build the part. @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Likelihood(page, part).asPart();

/** The part's view. Its element has the number of measured pictures in data-done. */
class Likelihood {
  /** @type {Plan | null} */
  #plan = null;
  /** The newest measured numbers. @type {Bits | null} */
  #bits = null;
  /** The bits of the first picture, measured with short chains. The page shows them until the full chain is measured. @type {Early[]} */
  #early = [];
  #decoded = /** @type {number[]} */ ([]); // the times t of the columns of decoded pictures
  #body = el("div", { class: "likelihood" });

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    markup(this.#body, STAGE);
    const words = /** @type {const} */ (["bits/dim", "rate", "RMSE", "L₀, L_T", "linspace", "±"]);
    find(this.#body, "p").after(meanings(...words, "βₜ", "β̃ₜ", "analytic"));
    /** @type {Panel<Result>} */
    this.panel = new Panel(page, part, this);
    const { form, stage, origin } = this.panel;
    this.source = new Source(this.panel, "picture", WORDS.pictures, WORDS.set);
    form.adopt("picture", this.source);
    form.place("checkpoint").after(this.source.element);
    find(this.#body, ".found").before(origin);
    stage.append(this.#body);
  }

  /** Return the functions through which the page uses this part. */
  asPart() {
    return this.panel.asPart(["csv"], () => this.#bits !== null, { slide: () => this.#slide() });
  }

  // --- Functions that the panel calls

  /** Forget the numbers, because another run begins. */
  renew() {
    this.#plan = this.#bits = null;
    this.#early = [];
    this.panel.element.dataset.done = "0";
  }

  /** Draw a result of the newest run. @param {Result} result */
  take(result) {
    if (result.kind === "plan") this.#begin(result);
    else if (result.kind === "decoding") this.#showDecoding(result);
    else if (result.kind === "early") this.#showEarly(result);
    else this.#showBits(result);
  }

  /** Return the outcome of a finished run, as a sentence for screen readers. */
  finish() {
    return `${this.#textOf(".big")}.`;
  }

  /** If no test set suits the model, select the visitor's own picture instead. @param {About} about the facts of the model */
  offer({ set }) {
    if (!set) this.source.prefer();
  }

  // --- Results of a measurement

  /** Replace the content of an element of this part. @param {string} selector @param {...(Node | string)} nodes */
  #fill(selector, ...nodes) {
    find(this.#body, selector).replaceChildren(...nodes);
  }

  /** Return the text of an element of this part. @param {string} selector */
  #textOf(selector) {
    return find(this.#body, selector).textContent ?? "";
  }

  /** Clear the tables and charts for a new measurement. @param {Plan} plan */
  #begin(plan) {
    this.#plan = plan;
    this.#body.classList.toggle("pixelated", plan.pixelated);
    find(this.#body, ".found").hidden = false;
    find(this.#body, ".decoding").hidden = true;
    this.#fill(".big", WORDS.measuring(plan.T));
    for (const place of [".looks", ".totals", ".charts", ".rates"]) this.#fill(place);
  }

  /** Show the progressive decoding: a row for each picture, with the receiver's guess x̂_0 at each time. @param {Decoding} decoding */
  #showDecoding({ times, rows }) {
    this.#decoded = times;
    this.#fill(".times", ...[...times.map(String), "x₀"].map((text) => el("span", null, text)));
    const lines = rows.map((row, i) => {
      const alt = WORDS.row(i + 1, times);
      return el("div", { style: `--columns: ${times.length + 1}` }, show(el("img", { alt }), row));
    });
    this.#fill(".guesses", ...lines);
    find(this.#body, ".decoding").hidden = false;
  }

  /** Show the bits of the first picture, measured with short chains, until the picture's full chain is measured. @param {Early} result */
  #showEarly(result) {
    this.#early = [...this.#early, result];
    if (this.#plan && !this.#bits) this.#fill(".totals", early(this.#plan, this.#early));
  }

  /** Show the newest measured numbers in the heading, tables and charts. @param {Bits} bits */
  #showBits(bits) {
    const plan = this.#plan;
    if (!plan) return;
    this.#bits = bits;
    const [[name, variance]] = plan.variances;
    const [value, error] = bits.chains[variance][plan.T];
    write(find(this.#body, ".big"), WORDS.found(plusMinus(value, error), plan.T, name));
    write(find(this.#body, ".looks"), bits.looks);
    this.#fill(".totals", totals(plan, bits));
    this.#fill(".charts", terms(plan, bits), rateDistortion(plan, bits));
    this.#fill(".rates", el("h3", null, WORDS.rates), rates(plan, bits));
    this.panel.element.dataset.done = String(bits.done);
  }

  /** Return a slide with the decoding of the first pictures and the measured numbers. */
  async #slide() {
    const rows = all(this.#body, ".guesses img", HTMLImageElement).slice(0, ON_SLIDE);
    const label = WORDS.slide(this.#decoded);
    const tiles = rows.map((picture, row) => ({ picture, label: row ? "" : label }));
    const [title, said, settings] = [".big", ".looks", ".totals caption"].map((selector) => this.#textOf(selector));
    return { title, tiles, columns: 1, said, settings };
  }
}
