// Draws the part "Fill in what was erased". The visitor erases a part of a picture; each row shows completions by one
// method.
import { button, el, find, markup } from "../../drawing/dom.js";
import { Source } from "../../form/source.js";
import { Rows } from "../../player/rows.js";
import { Panel } from "../../run/panel.js";
import { REPAIR, WORDS } from "../../words/rows.js";
import { nameSymbols } from "../../words/symbols.js";
import { Brush } from "./brush.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { Result } from "../../player/rows.js" */

const TOOLS = `
<p class="info">${REPAIR.paint}</p>
<div class="masks" role="group" aria-label="${REPAIR.erased}"></div>
<label class="row"><input type="checkbox" class="back"><span>${REPAIR.back}</span></label>
`;
const STATE = `<label class="row"><input type="checkbox" class="state"><span>${REPAIR.state}</span></label>`;

/** Build the part. Its element has the form's task in data-task and the number of finished rows in data-rows. @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  const rows = new Rows("repair");
  const body = rows.root;
  const tools = el("div", { class: "tools" });
  markup(tools, TOOLS);
  find(body, ".lead").textContent = REPAIR.lead;
  find(body, ".rows").before(tools);
  find(body, ".transport").insertAdjacentHTML("beforeend", STATE);
  nameSymbols(find(body, ".state + span"));
  /** @type {Panel<Result>} */
  const panel = new Panel(page, part, { take, render, finish: () => rows.outcome });
  const { form } = panel;
  const source = new Source(panel, "picture", WORDS.picture, WORDS.sample);
  form.adopt("picture", source);
  const usual = form.fields.find(({ name }) => name === "hidden")?.default;
  const brush = new Brush(usual, () => panel.changed("hidden", true));
  form.adopt("hidden", brush);
  for (const [name, title] of Object.entries(REPAIR.presets))
    find(body, ".masks").append(button({ class: "preset" }, () => brush.preset(name), title));
  const back = find(body, ".back", HTMLInputElement);
  back.addEventListener("change", () => {
    brush.hides = !back.checked;
  });
  const state = find(body, ".state", HTMLInputElement);
  state.addEventListener("change", () => {
    rows.state = state.checked;
    rows.render();
  });
  form.place("seed").before(source.element);
  find(body, ".rows").before(panel.origin);
  panel.stage.append(body);

  /** Draw a result of the newest run. @param {Result} result */
  function take(result) {
    rows.take(result);
    if (result.kind === "plan") find(body, ".sources figure").append(brush.element);
  }

  /** Draw the rows and the brush again, after the run's state or the form has changed. */
  function render() {
    rows.render();
    const erased = form.value("task") === "mask";
    tools.hidden = !erased;
    panel.element.dataset.task = form.value("task");
    panel.element.dataset.rows = String(rows.done);
    brush.render();
  }
  return panel.asPart(["png", "gif", "webp"], () => rows.done > 0, { slide: rows.slide });
}
