// A canvas to draw on by finger, mouse, pen or keys: white lines with round ends, on black.

import { context2d } from "./canvas.js";
import { el } from "./dom.js";
import { Sheet } from "./sheet.js";

/** @import { Size, Stroke } from "./sheet.js" */

const ENLARGED = 10; // number of canvas pixels per pixel of the sheet
const SMALLEST = 2; // shortest stroke that counts, in sheet pixels; shorter strokes are slips of the hand

export class Paper {
  #hands;

  /**
   * @param {Size & { pen: number }} size pen: the width of a line, in sheet pixels @param {string} name for screen readers
   * @param {{ strokes: () => Stroke[], add: (stroke: Stroke) => void }} owner of the drawing
   * @param {Record<string, () => void>} keys the functions of further keys
   */
  constructor(size, name, owner, keys) {
    this.size = size;
    this.owner = owner;
    const side = ENLARGED * size.side;
    const attributes = { class: "sheet", width: side, height: side, tabindex: 0, role: "application" };
    this.canvas = el("canvas", { ...attributes, "aria-label": name });
    this.#hands = new Sheet(size, {
      drawn: (stroke) => this.#isMeant(stroke) && owner.add(stroke),
      moved: () => this.draw(),
      used: () => owner.strokes().flat().length / 2,
    });
    this.#hands.listen(this.canvas);
    this.canvas.addEventListener("keydown", (event) => {
      const does = keys[event.key];
      if (!this.#hands.key(event) && !does) return;
      event.preventDefault();
      event.stopPropagation();
      does?.();
    });
  }

  /** Return whether a stroke is long enough to count. @param {Stroke} stroke */
  #isMeant(stroke) {
    const extent = (/** @type {number} */ axis) => {
      const values = stroke.filter((_, i) => i % 2 === axis);
      return Math.max(...values) - Math.min(...values);
    };
    return stroke.length > 2 && Math.max(extent(0), extent(1)) >= SMALLEST * this.size.units;
  }

  /** Draw all strokes, the current stroke, and the pen of the keyboard. */
  draw() {
    const { line, pen, isByKeys } = this.#hands;
    this.paint(this.canvas, [...this.owner.strokes(), line]);
    if (!isByKeys) return;
    const context = context2d(this.canvas);
    const [x, y] = pen.map((v) => v * this.canvas.width);
    context.strokeStyle = "#888";
    context.lineWidth = 3;
    context.beginPath();
    context.arc(x, y, 12, 0, 2 * Math.PI);
    context.stroke();
  }

  /** Draw strokes on an emptied canvas of any size. @param {HTMLCanvasElement} canvas @param {Stroke[]} strokes */
  paint(canvas, strokes) {
    const { side, units, pen } = this.size;
    const context = context2d(canvas);
    const pixel = canvas.width / side;
    context.fillRect(0, 0, canvas.width, canvas.height);
    Object.assign(context, { strokeStyle: "#fff", lineWidth: pen * pixel, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    for (const stroke of strokes)
      for (let i = 0; i < stroke.length; i += 2) {
        const [x, y] = [(stroke[i] * pixel) / units, (stroke[i + 1] * pixel) / units];
        if (!i) context.moveTo(x, y);
        context.lineTo(x, y); // a line from a point to itself draws a dot
      }
    context.stroke();
  }
}
