// Draws the part "In the plane": two clouds of points (lanes A and B) that start from the same x_T. The true
// distribution is known exactly, and the part draws it behind the points.
import { swatch } from "../../drawing/chart.js";
import { el, find, markup } from "../../drawing/dom.js";
import { meanings } from "../../drawing/meanings.js";
import { POINTS } from "../../plans/fields.js";
import { Panel } from "../../run/panel.js";
import { WAYS } from "../../words/meanings.js";
import { Board, fromText } from "./board.js";
import { LANES } from "./charts.js";
import { networkOf } from "./plan.js";
import { Stage } from "./stage.js";
import { BOARD, WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { Form } from "../../form/form.js" */
/** @import { Plan } from "../../plans/plan.js" */
/** @import { Description } from "../../run/knowledge.js" */
/** @import { Result } from "./cloud.js" */
/** @import { Data } from "../../process/mixture.js" */

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

/** Make the part. @param {Page} page @param {string} part @returns {Promise<Part>} */
export const mount = async (page, part) => new Plane(page, part).asPart();

/**
 * The part's view. Its element has data-shape, data-t, data-frames (the number of clouds received for both lanes),
 * data-training (whether a network is being trained) and data-last (whether the end of a run is shown).
 */
class Plane {
  #body = el("div", { class: "plane" });
  #draw = el("div", { class: "draw" });

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    const body = this.#body;
    markup(body, STAGE);
    markup(this.#draw, DRAW);
    find(body, "p").after(meanings("exact ε", "q( )", "score", "spread", "marginal", "±", ...WAYS));
    /** @type {Panel<Result>} */
    this.panel = new Panel(page, part, this);
    this.stage = new Stage(body, this.panel.element);
    this.#offerDrawing();
    const { form } = this.panel;
    form.place("shape").after(this.#draw, ...LANES.map((lane) => laneOf(form, lane)));
    form.place("shape").addEventListener("change", () => {
      if (this.#shape === "drawing") form.set({ steps_b: 200 }); // after few steps a drawing can't be recognised
    });
    find(body, ".panes").before(this.panel.origin);
    this.panel.stage.append(body);
    // A canvas keeps its colours, so draw it again when the page becomes light or dark.
    const theme = new MutationObserver(() => this.stage.render());
    theme.observe(document.documentElement, { attributeFilter: ["class"] });
  }

  /** Return the element of the part, and the functions that the page calls. */
  asPart() {
    const { stage } = this;
    const title = () => WORDS.title(this.#shape);
    return this.panel.asPart(["csv"], () => stage.ended, {
      show: () => stage.soon(), // a hidden canvas has no size, so draw it when it is shown
      key: (event) => stage.scrubber.key(event),
      title,
      slide: async () => stage.slide(title()),
    });
  }

  /** The chosen shape of the data. */
  get #shape() {
    return this.panel.form.value("shape");
  }

  /** Make the board the control of the form's field `drawing`. */
  #offerDrawing() {
    const { panel } = this;
    const element = this.#draw;
    const board = new Board(element, POINTS, () => panel.changed("drawing", true));
    panel.form.adopt("drawing", {
      element,
      input: null,
      get: () => (element.hidden ? "" : board.text),
      set: (text) => {
        if (text) board.points = fromText(text, POINTS);
        board.render();
      },
      missing: () => (board.points.length ? "" : WORDS.missing),
    });
  }

  // --- Functions that the panel calls

  /** Lay out the fields that both lanes share. @param {Form} form */
  layout = (form) => form.layout(({ lane }) => !lane);

  /** Draw a result of the newest run. @param {Result} result */
  take(result) {
    this.stage.take(result);
  }

  /** Remove the clouds when another run begins. */
  renew() {
    this.stage.clear();
  }

  /** Draw the part again after the run's state or a field has changed. */
  render() {
    const { panel, stage } = this;
    panel.element.dataset.shape = this.#shape;
    if (panel.form.missing) stage.offer(null, []); // an empty drawing has no data to show
    stage.scrubber.active = panel.stream.active;
    stage.soon();
  }

  /** Remember that the network of the finished run is trained. Return the run's outcome in words. @param {unknown} _ @param {Plan | null} plan */
  finish(_, plan) {
    if (plan) this.panel.page.knowledge.catalogue.trained.add(networkOf(plan.request));
    return this.stage.summary;
  }

  /** Before a run, show the data and the lanes of the form. @param {Description} description */
  describe(description) {
    const { data, lanes } = /** @type {Description & { data: Data, lanes: string[] }} */ (description);
    this.stage.offer(data, lanes);
  }

  /** Return the elements to which the page scrolls after a press on Run. */
  sight() {
    return [find(this.#body, ".transport")];
  }
}

/** Make a group with the fields of a lane. @param {Form} form @param {string} lane */
function laneOf(form, lane) {
  const fields = form.fields.filter((field) => field.lane === lane).map(({ name }) => form.place(name));
  const title = el("legend", null, swatch(lane), lane.toUpperCase());
  return el("fieldset", { class: "lane", "data-lane": lane }, title, ...fields);
}
