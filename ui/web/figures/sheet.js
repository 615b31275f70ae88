// The hands of a drawing sheet: strokes by finger, mouse, pen or keys. Numbers are tenths of a pixel, as in learning/drawings.js.

import { SHEET } from "../learning/drawings.js";

/** @import { Line } from "../learning/drawings.js" */

const { side: SIDE, units: UNITS, points: LONGEST } = SHEET;
const APART = 0.5; // pixels between two points of a stroke, at least
/** The direction of each arrow key. @type {Record<string, [right: number, down: number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Sheet {
  /** @type {Line[]} */
  strokes = [];
  /** Where keys draw, in pixels. */
  pen = [SIDE / 2, SIDE / 4];
  isDown = false;
  #held = false;

  /** @param {(over: boolean) => void} changed over: whether the stroke has ended @param {() => void} moved the pen of the keys */
  constructor(changed, moved) {
    this.changed = changed;
    this.moved = moved;
  }

  /** Take what happens on an element. @param {HTMLElement} area */
  listen(area) {
    const at = (/** @type {PointerEvent} */ { clientX, clientY }) => {
      const { left, top, width, height } = area.getBoundingClientRect();
      return [((clientX - left) / width) * SIDE, ((clientY - top) / height) * SIDE];
    };
    area.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button) return;
      area.setPointerCapture(event.pointerId);
      this.#held = true;
      this.begin(at(event));
    });
    area.addEventListener("pointermove", (event) => {
      if (this.#held && event.isPrimary && event.buttons) this.to(at(event));
    });
    for (const end of ["pointerup", "pointercancel"])
      area.addEventListener(end, (event) => {
        if (!(/** @type {PointerEvent} */ (event).isPrimary) || !this.#held) return;
        this.#held = false;
        this.changed(true);
      });
    area.addEventListener("keydown", (event) => {
      if (this.key(event.key, event.shiftKey)) event.preventDefault();
    });
  }

  /** @param {number[]} place in pixels */
  begin(place) {
    this.strokes.push([]);
    this.to(place);
  }

  /** The stroke goes on to here. @param {number[]} place in pixels */
  to(place) {
    const stroke = this.strokes[this.strokes.length - 1];
    if (!stroke || this.strokes.flat().length >= 2 * LONGEST) return;
    const to = place.map((v) => Math.round(Math.min(SIDE, Math.max(0, v)) * UNITS));
    const last = stroke.slice(-2);
    if (last.length && Math.hypot(to[0] - last[0], to[1] - last[1]) < APART * UNITS) return;
    stroke.push(...to);
    this.changed(false);
  }

  undo() {
    this.strokes.pop();
    this.changed(true);
  }

  clear() {
    this.strokes = [];
    this.isDown = false;
    this.changed(true);
  }

  /** Draw by keys: arrows move the pen, Space or Enter puts it down and lifts it. @param {string} key @param {boolean} fast @returns {boolean} whether the key means something */
  key(key, fast) {
    const by = ARROWS[key];
    if (by) {
      this.pen = this.pen.map((v, axis) => Math.min(SIDE, Math.max(0, v + (fast ? 3 : 1) * by[axis])));
      if (this.isDown) this.to(this.pen);
    } else if (key === " " || key === "Enter") {
      this.isDown = !this.isDown;
      if (this.isDown) this.begin(this.pen);
      else this.changed(true);
    } else if (key === "z") this.undo();
    else if (key === "Delete" || key === "Backspace") this.clear();
    else return false;
    this.moved();
    return true;
  }
}
