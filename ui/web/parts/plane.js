// In the plane: two clouds of points from one x_T, beside the true marginals, which are known exactly.
import { swatch } from "../drawing/chart.js";
import { el, find, markup, meanings } from "../drawing/dom.js";
import { Panel } from "../run/panel.js";
import { WAYS } from "../words/meanings.js";
import { BOARD, WORDS } from "../words/plane.js";
import { Board, fromText } from "./plane/board.js";
import { LANES } from "./plane/charts.js";
import { Stage } from "./plane/stage.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Description } from "../run/knowledge.js" */
/** @import { Result } from "./plane/cloud.js" */
/** @import { Data } from "../process/mixture.js" */

const DRAW = `
<p class="info" id="plane-draw-help">${BOARD.help}</p>
<div class="board" tabindex="0" role="application" aria-label="${BOARD.board}" aria-describedby="plane-draw-help"></div>
<div class="row"><span class="drawn grow" role="status"></span><button type="button" class="button undo">${BOARD.undo}</button><button type="button" class="button empty-board">${BOARD.clear}</button></div>
`;
const PANE = `<figcaption><span class="title"></span><span class="at"></span></figcaption><canvas width="720" height="720" role="img" aria-label="${WORDS.none}"></canvas><p class="verdict"></p>`;
const STAGE = `
<p>${WORDS.lead}</p>
<div class="panes"><figure class="pane" data-lane="a">${PANE}</figure><figure class="pane" data-lane="b">${PANE}</figure></div>
<div class="transport">
  <span class="at"></span>
</div>
<div class="shown" role="group" aria-label="${WORDS.drawn}">
  <label><input type="checkbox" class="density" checked><span>q(x<sub>t</sub>)</span></label>
  <label><input type="checkbox" class="arrows" checked>${WORDS.score}</label>
  <label><input type="checkbox" class="paths">${WORDS.paths}</label>
  <label class="small-only"><input type="checkbox" class="large">${WORDS.large}</label>
</div>
<p class="info">${WORDS.arrows}</p>
<div class="loss" hidden></div>
<div class="marginals" hidden></div>
<div class="numbers" hidden></div>
`;

/**
 * Its element has data-shape, and of the clouds data-t, data-frames (of both lanes), data-training (a network is), and
 * data-last: whether the end of a run is shown.
 * @param {Page} page @param {string} part @returns {Part}
 */
export function mount(page, part) {
  const given = page.given.initial.plane;
  const body = el("div", { class: "plane" });
  markup(body, STAGE);
  find(body, "p").after(meanings("exact ε", "q( )", "score", "spread", "marginal", "±", ...WAYS));
  const draw = el("div", { class: "draw" });
  markup(draw, DRAW);
  const shape = () => panel.form.value("shape");
  const title = () => WORDS.title(shape());
  /** @type {Panel<Result>} */
  const panel = new Panel(page, part, {
    take: (result) => stage.take(result),
    renew: () => stage.clear(),
    finish: () => stage.summary,
    render,
    describe: (about) => {
      const { data, lanes } = /** @type {Description & { data: Data, lanes: string[] }} */ (about);
      stage.offer(data, lanes);
    },
    layout: (form) => form.layout(({ lane }) => !lane),
    sight: () => [find(body, ".transport")],
  });
  const { element, form } = panel;
  const stage = new Stage(body, element, given);
  const board = new Board(draw, given.DRAWN, () => panel.changed("drawing", true));
  form.adopt("drawing", {
    element: draw,
    input: null,
    get: () => (draw.hidden ? "" : board.text),
    set: (text) => {
      if (text) board.points = fromText(text, given.DRAWN);
      board.render();
    },
    missing: () => (board.points.length ? "" : WORDS.missing),
  });
  const lanes = LANES.map((lane) => {
    const fields = form.fields.filter((field) => field.lane === lane).map(({ name }) => form.place(name));
    const title = el("legend", null, swatch(lane), lane.toUpperCase());
    return el("fieldset", { class: "lane", "data-lane": lane }, title, ...fields);
  });
  form.place("shape").after(draw, ...lanes);
  form.place("shape").addEventListener("change", () => {
    if (shape() === "drawing") form.set({ steps_b: 200 }); // in few steps none is to be recognised
  });
  find(body, ".panes").before(panel.origin);
  panel.stage.append(body);
  function render() {
    element.dataset.shape = shape();
    if (form.missing) stage.offer(null, []); // there is nothing to show any more
    const { active } = panel.stream;
    stage.scrubber.active = active;
    stage.soon();
  }
  // Its colours are drawn, so it is drawn anew where the page becomes light or dark.
  new MutationObserver(() => stage.render()).observe(document.documentElement, { attributeFilter: ["class"] });
  return panel.mounted(["csv"], () => stage.ended, {
    show: () => stage.soon(), // a canvas that is not seen has no size
    key: (event) => stage.scrubber.key(event),
    title,
    slide: async () => stage.slide(title()),
  });
}
