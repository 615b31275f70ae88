// The brush with which visitors change x_t in "Watch". A change starts a second run, which continues from the changed
// x_t. The page shows the second run beside the first run.

import { context2d } from "../../drawing/canvas.js";
import { Chart, ceiling, halves, path, scale } from "../../drawing/chart.js";
import { button, el, write } from "../../drawing/dom.js";
import { ARROWS } from "../../drawing/hands.js";
import { common, fits } from "../../plans/touch.js";
import { number } from "../../words/numbers.js";
import { addStroke, colour, disc, removeStroke, sheet } from "./strokes.js";
import { TOUCH } from "./words.js";

/** @import { Player } from "../../player/player.js" */
/** @import { Panel } from "../../run/panel.js" */

const LARGEST = 4; // the largest radius of the brush, in cells
const SPREAD = 60; // pixels that two fingers must spread to add one cell to the radius

/** The control of the form's field `touch`. Its value is the strokes as text. */
export class Touch {
  input = null;
  element = el("div", { class: "touch" });
  #text = ""; // the strokes as text
  #tool = ""; // the chosen brush; "" for none
  /** The cells of the stroke that is being painted. @type {Set<string>} */
  #cells = new Set();
  #at = [7, 7]; // the cell where keys paint, as column and row
  #byKeys = false; // whether keys move the brush
  #rubbed = false; // whether the visitor has used the chosen tool
  /** The last event of each pressed pointer, by its id. @type {Map<number, PointerEvent>} */
  #held = new Map();
  #drawn = ""; // identifies the data of the drawn curve, so that the curve is drawn again only after a change
  #chart = new Chart(TOUCH.apart);

  /** @param {Panel<any>} panel @param {Player} player */
  constructor(panel, player) {
    this.panel = panel;
    this.player = player;
    this.sheet = el("canvas", {
      class: "touched",
      tabindex: 0,
      role: "application",
      "aria-label": TOUCH.keys,
    });
    this.tools = Object.entries(TOUCH.tools).map(([what, title]) =>
      button(
        { class: "preset", "aria-pressed": false, value: what },
        ({ detail }) => this.#choose(what, detail === 0),
        title,
      ),
    );
    this.colour = el("input", { type: "color", value: "#d03020", "aria-label": TOUCH.colour });
    this.colour.addEventListener("input", () => this.#choose("colour", false, true));
    this.size = el("input", { type: "range", min: 0, max: LARGEST, step: 0.5, value: 1 });
    this.strength = el("input", { type: "range", min: 10, max: 100, step: 10, value: 100 });
    this.undo = button({ class: "preset undo" }, () => this.#change(removeStroke(this.#text)), TOUCH.undo);
    this.undo.addEventListener("click", (event) => event.stopPropagation()); // otherwise the click would enlarge the lane
    this.why = el("p", { class: "info", role: "status" });
    this.hint = el("p", { class: "rub", hidden: true }, TOUCH.hint);
    const group = el("div", { class: "tools", role: "group", "aria-label": TOUCH.spoken });
    group.append(el("span", null, TOUCH.title), ...this.tools, this.colour);
    const sizes = el("div", { class: "sizes" });
    sizes.append(el("label", null, TOUCH.size, this.size), el("label", null, TOUCH.strength, this.strength));
    this.sizes = sizes;
    this.element.append(group, sizes, this.why, this.#chart.node);
    this.#addListeners();
  }

  /** Return the strokes as text. */
  get() {
    return this.#text;
  }

  /** Replace the strokes without starting a run. @param {string} text */
  set(text) {
    if (!text) this.#tool = ""; // put the brush away, for example when a lesson begins
    this.#text = text;
    this.render();
  }

  /** Start a run with these strokes. The new run continues from a state of the newest run, if this run has kept a state from before the added or removed stroke. @param {string} text */
  #change(text) {
    const [run, { lanes }] = [this.panel.runOfForm, this.player.view.coming];
    const s = text && lanes.length ? common(this.#text, text, lanes) : 0;
    this.#text = text;
    this.#rubbed = true;
    this.panel.form.changed("touch", true);
    this.panel.start(run && s ? { run, s } : null);
    this.render();
  }

  /** Choose a brush, or put the brush away if it is chosen already. @param {string} what @param {boolean} byKeys whether a key chose the brush @param {boolean} [stays] whether a chosen brush stays chosen, because only its colour changes */
  #choose(what, byKeys, stays = false) {
    this.#tool = this.#tool === what && !stays ? "" : what;
    this.#rubbed = false;
    if (this.#tool) this.#pause();
    else this.player.render();
    this.#scrollToBrush();
    if (!byKeys || this.sheet.hidden) return;
    this.#byKeys = true;
    this.sheet.focus();
    this.#draw();
  }

  /** Pause at a picture that can be changed. A final picture can't be changed: show the picture at the last change instead, or the middle of the run. */
  #pause() {
    const { view } = this.player;
    const { shown, tick } = view;
    const [, s] = this.#step ?? [];
    const { split = null, T = 0 } = shown.plan ?? {};
    const touched = split === null ? undefined : shown.tickOf.get(shown.lanes[1].steps[split][1]);
    view.go(s ? tick : (touched ?? shown.ticks.findIndex((t) => 2 * t <= T)));
    this.player.render();
  }

  /** Scroll the brushes and the picture into view. */
  #scrollToBrush() {
    if (this.sheet.hidden) return;
    this.sizes.scrollIntoView({ block: "nearest" });
    this.sheet.closest(".lane")?.scrollIntoView({ block: "nearest" });
  }

  /** The step whose result x_s is shown. */
  get #step() {
    return this.player.view.frames.at(-1)?.step;
  }

  /** The cells of the picture that is shown. */
  get #sheet() {
    const { plan } = this.player.view.shown;
    return sheet(plan?.latent || plan?.size || 1);
  }

  // --- Pointers and keys

  /** Handle pointers, the wheel and keys on the picture. */
  #addListeners() {
    const { sheet: canvas } = this;
    /** The last position of the stroke, in cells. @type {number[]} */
    let last = [];
    /** Return the position of a pointer, in cells. */
    const place = (/** @type {PointerEvent} */ { clientX, clientY }) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      const { numbers, cell } = this.#sheet;
      return [(clientX - left) / width, (clientY - top) / height].map((share) => (share * numbers) / cell - 0.5);
    };
    /** Return the distance between two fingers, in pixels. */
    const distance = () => {
      const [one, other] = [...this.#held.values()];
      return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    };
    let spread = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#held.set(event.pointerId, event);
      this.#byKeys = false;
      this.#cells.clear();
      this.#pause();
      if (this.#held.size > 1) spread = distance();
      else {
        last = place(event);
        this.#paint(last);
      }
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.#held.has(event.pointerId)) return;
      this.#held.set(event.pointerId, event);
      if (this.#held.size > 1) {
        this.#resize((distance() - spread) / SPREAD);
        spread = distance();
      } else if (this.#cells.size) {
        const to = place(event);
        const parts = Math.ceil(Math.hypot(to[0] - last[0], to[1] - last[1])) || 1;
        for (let i = 1; i <= parts; i++) this.#paint(last.map((v, axis) => v + ((to[axis] - v) * i) / parts));
        last = to;
      }
    });
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, (event) => {
        this.#held.delete(/** @type {PointerEvent} */ (event).pointerId);
        if (end === "pointerup") this.#finish();
        this.#cells.clear();
      });
    canvas.addEventListener("click", (event) => event.stopPropagation()); // otherwise the click would enlarge the lane
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#resize(event.deltaY < 0 ? 0.5 : -0.5);
    });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#draw());
  }

  /** Handle a key: move the brush, change its size, paint, or undo. @param {KeyboardEvent} event */
  #key(event) {
    const by = ARROWS[event.key];
    const more = { "+": 0.5, "=": 0.5, "-": -0.5 }[event.key];
    if (event.key === "Tab" || (!by && !more && ![" ", "Enter", "z"].includes(event.key))) return;
    event.preventDefault();
    event.stopPropagation();
    this.#byKeys = true;
    const { side } = this.#sheet;
    if (by) this.#at = this.#at.map((v, axis) => Math.min(side - 1, Math.max(0, v + by[axis])));
    else if (more) this.#resize(more);
    else if (event.key === "z") this.undo.click();
    else {
      this.#pause();
      this.#paint(this.#at);
      this.#finish();
      this.#cells.clear(); // the canvas may stay for the next run, so remove the painted cells
    }
    this.#draw();
  }

  /** Change the radius of the brush by some cells. @param {number} by */
  #resize(by) {
    this.size.valueAsNumber = this.size.valueAsNumber + by;
    this.#draw();
  }

  /** Add the cells under the brush to the stroke. @param {number[]} centre */
  #paint(centre) {
    const { side } = this.#sheet;
    const radius = this.size.valueAsNumber;
    const middle = radius < 1 ? centre.map(Math.round) : centre; // else a small brush can miss the middle of every cell
    for (const cell of disc(middle, radius, side)) this.#cells.add(cell);
    this.#draw();
  }

  /** End the stroke, and start the run that contains it. */
  #finish() {
    const [, s] = this.#step ?? [];
    if (!s || !this.#cells.size || !this.panel.canRun) return;
    const what = this.#tool === "colour" ? colour(this.colour.value) : this.#tool;
    const text = addStroke(this.#text, s, what, this.strength.valueAsNumber, this.#cells);
    if (fits(text)) this.#change(text);
    else write(this.why, TOUCH.full);
  }

  // --- Drawing

  /** Update the brushes, the canvas and the curve after a change of the player. */
  render() {
    const { view, screen } = this.player;
    const { plan } = view.shown;
    const latent = Boolean(plan?.latent);
    for (const tool of this.tools) {
      tool.setAttribute("aria-pressed", String(tool.value === this.#tool));
      tool.disabled = Boolean(plan?.untouchable);
      const [isNoise, isColour] = [["noise", "clean"].includes(tool.value), tool.value === "colour"];
      tool.hidden = (latent && !isNoise) || (isColour && !plan?.colours);
    }
    this.colour.hidden = latent || this.#tool !== "colour";
    this.sizes.hidden = !this.#tool;
    this.undo.hidden = !this.#text;
    write(this.why, plan?.untouchable ?? "");
    const active = Boolean(this.#tool && view.shown.count && !plan?.untouchable);
    this.sheet.hidden = !active;
    this.player.root.classList.toggle("touching", active);
    const frame = screen.lanes.at(-1)?.x.canvas.parentElement;
    if (frame && this.sheet.parentElement !== frame) {
      this.#cells.clear();
      frame.append(this.sheet, this.hint, this.undo);
      if (active && this.#byKeys) this.sheet.focus({ preventScroll: true });
      this.#scrollToBrush();
    }
    this.hint.hidden = !active || this.#rubbed;
    if (active) this.#draw();
    this.#renderCurve();
  }

  /** Draw the painted cells, and the brush if keys move it. */
  #draw() {
    const { numbers, cell } = this.#sheet;
    const canvas = this.sheet;
    if (canvas.width !== numbers) Object.assign(canvas, { width: numbers, height: numbers });
    const context = context2d(canvas);
    context.clearRect(0, 0, numbers, numbers);
    /** Fill a cell with a colour. */
    const fill = (/** @type {string} */ place, /** @type {string} */ style) => {
      const [column, row] = place.split(".").map(Number);
      context.fillStyle = style;
      context.fillRect(column * cell, row * cell, cell, cell);
    };
    const what = this.#tool === "colour" ? colour(this.colour.value) : this.#tool;
    const paint = what.includes(".") ? `rgb(${what.replaceAll(".", " ")})` : "#888";
    for (const place of this.#cells) fill(place, paint);
    if (this.#byKeys && canvas.matches(":focus"))
      for (const place of disc(this.#at, this.size.valueAsNumber, this.#sheet.side)) fill(place, "#f80a");
  }

  /** Draw the difference between both runs over the time t. */
  #renderCurve() {
    const { shown, image, tick, frames } = this.player.view;
    const split = shown.plan?.split ?? null;
    const lane = shown.lanes[1];
    this.#chart.node.hidden = split === null;
    if (split === null || !lane) return;
    const gaps = lane.frames
      .filter(({ k }) => k >= split)
      .map(({ step, apart }) => [step[1], apart?.[image]?.[0] ?? 0]);
    const [start, last] = [shown.tickOf.get(lane.steps[split][1]) ?? 0, shown.ticks.length - 1];
    /** Return the position of a tick on the axis, in per cent. */
    const x = (/** @type {number} */ at) => (100 * (at - start)) / Math.max(1, last - start);
    const high = ceiling(Math.max(1, ...gaps.map(([, gap]) => gap)));
    const y = scale(0, high);
    const key = [high, image, gaps.length, shown.plan?.title].join();
    if (this.#drawn !== key) {
      const points = gaps.map(([s, gap]) => /** @type {[number, number]} */ ([x(shown.tickOf.get(s) ?? 0), y(gap)]));
      const axis = /** @type {[number, string][]} */ ([
        [0, TOUCH.start(lane.steps[split][1])],
        [100, "t 0"],
      ]);
      this.#chart.draw(halves(high), [path("lane-1", points)], axis);
      this.#drawn = key;
    }
    const gap = frames[1]?.apart?.[image]?.[0];
    const at = x(tick);
    const here = gap !== undefined && at >= 0;
    this.#chart.mark(here ? at : null, here ? [["lane-1", at, y(gap)]] : [], here ? number(gap) : "");
  }
}
