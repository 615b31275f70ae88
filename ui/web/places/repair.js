// What the model knows: a part of a picture is erased, and it is completed in several ways.
import { button, el, find } from "../shared/dom.js";
import { Panel } from "../shared/panel.js";
import { Rows } from "../shared/rows.js";
import { Source } from "../shared/source.js";
import { Brush, PRESETS } from "./repair/brush.js";

/** @import { Lab, Part } from "../app.js" */
/** @import { Result } from "../shared/rows.js" */

const STAGE = `
<p class="lead">A part of the picture is taken away, and the model completes what is left, each time with other noise. Where all agree, it knows what belongs there; where they differ, it can only guess.</p>
<div class="sources" hidden></div>
<div class="tools">
  <p class="info">Paint over the picture with a finger or the mouse, or take one of these:</p>
  <div class="masks" role="group" aria-label="What is erased"></div>
  <label class="row"><input type="checkbox" class="back"><span>The brush brings back</span></label>
</div>
<div class="rows"></div>
<div class="transport" hidden>
  <span class="at"></span>
  <label class="row"><input type="checkbox" class="state"><span>x<sub>t</sub> instead of x̂<sub>0</sub></span></label>
</div>
<p class="info">Left of the pictures: where they differ, brighter for more.</p>
`;

/** Its element has data-task, and data-rows: how many are finished. @param {Lab} lab @param {string} part @returns {Part} */
export function mount(lab, part) {
  const body = el("div", { class: "repair chains" });
  body.innerHTML = STAGE;
  const rows = new Rows(body);
  /** @type {Panel<Result>} */
  const panel = new Panel(lab, part, {
    take,
    renew: () => rows.clear(),
    render,
    offer: (about) => source.offer(about),
    extra: () => ({ picture: source.text, hidden: brush.text }),
    missing: () => source.missing || undefined,
  });
  const { form } = panel;
  const ref = () => String(form.value("checkpoint"));
  const source = new Source(lab, "The picture", "Sample of the seed", ref, () => panel.changed("picture", true));
  const usual = form.fields.find(({ name }) => name === "hidden")?.default;
  const brush = new Brush(usual, () => panel.changed("hidden", true));
  for (const name of Object.keys(PRESETS))
    find(body, ".masks", HTMLElement).append(button({ class: "preset" }, () => brush.preset(name), name));
  const back = find(body, ".back", HTMLInputElement);
  back.addEventListener("change", () => {
    brush.hides = !back.checked;
  });
  const state = find(body, ".state", HTMLInputElement);
  state.addEventListener("change", () => {
    rows.state = state.checked;
    rows.render();
  });
  form.place("seed").before(source.root);
  panel.stage.append(body);

  /** @param {Result} result */
  function take(result) {
    rows.take(result);
    if (result.kind === "plan") find(body, ".sources figure", HTMLElement).append(brush.canvas);
  }

  function render() {
    rows.render();
    const erased = form.value("task") === "mask";
    brush.canvas.hidden = !erased;
    find(body, ".tools", HTMLElement).hidden = !erased;
    panel.element.dataset.task = form.value("task");
    panel.element.dataset.rows = String(rows.done);
    brush.render();
  }

  render();
  panel.showExample((results) => {
    for (const result of results) take(result);
  });
  return {
    element: panel.element,
    async set(values, eager) {
      if (values.hidden !== undefined) brush.text = String(values.hidden);
      await panel.set(values, eager);
      if (values.picture) await source.restore(String(values.picture));
    },
    items: () => panel.items(lab.given.initial.repair.kinds, rows.done > 0),
  };
}
