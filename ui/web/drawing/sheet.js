// Input on a drawing sheet: strokes by finger, mouse, pen or keyboard.

import { ARROWS, onDrag } from "./hands.js";

/** A stroke: its points as x, y, x, y, … in units of the sheet. @typedef {number[]} Stroke */
/** The size of a sheet. side: number of pixels on each side. units: number of coordinate units in a pixel. points: the largest number of points in a drawing. @typedef {{ side: number, units: number, points: number }} Size */
/**
 * The owner of a drawing. drawn: called when a stroke has ended. moved: called when the current stroke or the
 * keyboard's pen has changed. used: returns the number of points in all finished strokes.
 * @typedef {{ drawn: (stroke: Stroke) => void, moved: () => void, used: () => number }} Owner
 */

const APART = 0.5; // shortest distance between two points of a stroke, in pixels
const FAST = 3; // an arrow key moves the pen by this many pixels with Shift, and by 1 pixel without Shift

export class Sheet {
  /** The current stroke. @type {Stroke} */
  line = [];
  /** Position of the keyboard's pen, as fractions of the sheet. */
  pen = [0.5, 0.5];
  /** Whether the keyboard is used to draw. The pen is shown only then. */
  isByKeys = false;

  /** @param {Size} size @param {Owner} owner */
  constructor(size, owner) {
    this.size = size;
    this.owner = owner;
  }

  /** Let the visitor draw on an element with a pointer. For drawing with keys, the owner calls `key`. @param {HTMLElement} area */
  listen(area) {
    const take = (/** @type {number} */ x, /** @type {number} */ y, /** @type {boolean} */ first) => {
      this.isByKeys = false;
      if (first) this.drop();
      this.to(x, y);
    };
    onDrag(area, take, () => this.lift());
    area.addEventListener("blur", () => {
      this.isByKeys = false;
      this.owner.moved();
    });
  }

  /** Extend the current stroke to a point, in fractions of the sheet. @param {number} x @param {number} y */
  to(x, y) {
    const { side, units, points } = this.size;
    if (this.owner.used() + this.line.length / 2 >= points) return;
    const to = [x, y].map((v) => Math.round(Math.min(1, Math.max(0, v)) * side * units));
    const last = this.line.slice(-2);
    if (last.length && Math.hypot(to[0] - last[0], to[1] - last[1]) < APART * units) return;
    this.line.push(...to);
    this.owner.moved();
  }

  /** End the current stroke, and pass it to the owner. */
  lift() {
    const { line } = this;
    this.drop();
    if (line.length) this.owner.drawn(line);
    this.owner.moved();
  }

  /** Discard the current stroke. */
  drop() {
    this.line = [];
  }

  /** Handle a key: arrows move the pen, Space and Enter put the pen down or lift it, Escape discards the stroke. @param {KeyboardEvent} event @returns {boolean} whether it was one of these keys */
  key({ key, shiftKey }) {
    const by = ARROWS[key];
    if (by) {
      const step = (shiftKey ? FAST : 1) / this.size.side;
      this.pen = this.pen.map((v, axis) => Math.min(1, Math.max(0, v + step * by[axis])));
    } else if (![" ", "Enter", "Escape"].includes(key)) return false;
    this.isByKeys = true;
    if (key === "Escape") this.drop();
    else if (!by && this.line.length) this.lift();
    else if (!by || this.line.length) this.to(this.pen[0], this.pen[1]);
    this.owner.moved();
    return true;
  }
}
