// The brush with which the visitor erases parts of a picture. A pointer or the keyboard paints cells of a grid over the
// picture; the model must fill in these hidden cells.
import { context2d } from "../../drawing/canvas.js";
import { el } from "../../drawing/dom.js";
import { ARROWS, onDrag } from "../../drawing/hands.js";
import { REPAIR } from "../../words/rows.js";

const GRID = 32; // cells on each side of the grid, as in ui/parts/repair.py
const RADIUS = 2.3; // the radius of the brush, in cells

/** For each name in `REPAIR.presets`, a function that returns whether the preset hides the cell at (x, y). @type {Record<string, (x: number, y: number) => boolean>} */
export const PRESETS = {
  right: (x) => x >= GRID / 2,
  left: (x) => x < GRID / 2,
  upper: (_, y) => y < GRID / 2,
  lower: (_, y) => y >= GRID / 2,
  middle: (x, y) => Math.max(Math.abs(x - 15.5), Math.abs(y - 15.5)) < GRID / 4,
  random: () => Math.random() < 0.5,
  nothing: () => false,
};

/** Decode the text that `toText` has made. Returns for each cell, row by row, whether it is hidden; no cell is hidden if the text is invalid. @param {string} text */
export function fromText(text) {
  const code = text.replace(/=+$/, "");
  const isOurs = /^[\w-]*$/.test(code) && code.length % 4 !== 1; // for other texts, `atob` would throw an error
  const bytes = isOurs ? atob(code.replaceAll("-", "+").replaceAll("_", "/")) : "";
  return Array.from({ length: GRID ** 2 }, (_, i) => ((bytes.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1) === 1);
}

/** Encode the cells as base64url, with a bit for each cell; "" if no cell is hidden. @param {boolean[]} cells whether each cell is hidden, row by row */
export function toText(cells) {
  if (!cells.includes(true)) return "";
  const bytes = Array.from({ length: cells.length / 8 }, (_, i) =>
    cells.slice(8 * i, 8 * i + 8).reduce((byte, hidden) => 2 * byte + Number(hidden), 0),
  );
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

/** The form's control for the hidden cells: a canvas over the picture. */
export class Brush {
  /** Whether each cell is hidden, row by row. @type {boolean[]} */
  cells = [];
  /** Whether the brush hides cells; if false, the brush brings hidden cells back. */
  hides = true;
  input = null;
  #at = [GRID / 2, GRID / 2]; // the cell that the arrow keys move and the space bar paints

  /** @param {string} text the hidden cells: see `toText` @param {() => void} changed is called after a stroke or a painting key */
  constructor(text, changed) {
    this.changed = changed;
    this.element = el("canvas", {
      width: GRID,
      height: GRID,
      tabindex: 0,
      role: "application",
      "aria-label": REPAIR.brush,
    });
    const canvas = this.element;
    /** The last cell of the stroke. @type {number[]} */
    let last = [];
    /** Continue the stroke to a place; x and y go from 0 to 1 across the canvas. @param {number} x @param {number} y @param {boolean} first whether a new stroke begins here */
    const paint = (x, y, first) => {
      const to = [x * GRID - 0.5, y * GRID - 0.5];
      if (first) last = to;
      const parts = Math.ceil(Math.hypot(to[0] - last[0], to[1] - last[1])) || 1;
      for (let i = 1; i <= parts; i++) this.#paint(last.map((v, axis) => v + ((to[axis] - v) * i) / parts));
      last = to;
    };
    onDrag(canvas, paint, () => this.changed());
    canvas.addEventListener("keydown", (event) => {
      const by = ARROWS[event.key];
      if (!by && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      if (by) this.#at = this.#at.map((v, axis) => Math.min(GRID - 1, Math.max(0, v + 2 * by[axis])));
      else {
        this.#paint(this.#at);
        this.changed();
      }
      this.render(true);
    });
    canvas.addEventListener("blur", () => this.render());
    this.set(text);
  }

  /** Return the hidden cells as text. */
  get() {
    return toText(this.cells);
  }

  /** Hide exactly the cells that a text encodes. @param {string} text see `toText` */
  set(text) {
    this.cells = fromText(text);
    this.render();
  }

  /** Hide exactly the cells of a preset. @param {string} name a key of `PRESETS` */
  preset(name) {
    this.cells = this.cells.map((_, i) => PRESETS[name](i % GRID, Math.floor(i / GRID)));
    this.render();
    this.changed();
  }

  /** Hide the cells under the brush, or bring them back. @param {number[]} centre of the brush, in cells */
  #paint([x, y]) {
    this.cells = this.cells.map((hidden, i) =>
      Math.hypot((i % GRID) - x, Math.floor(i / GRID) - y) <= RADIUS ? this.hides : hidden,
    );
    this.render();
  }

  /** Draw the hidden cells. @param {boolean} [byKeys] whether to outline the place where the space bar paints */
  render(byKeys = false) {
    const context = context2d(this.element);
    context.clearRect(0, 0, GRID, GRID);
    context.fillStyle = getComputedStyle(this.element).color;
    this.cells.forEach((hidden, i) => {
      if (hidden) context.fillRect(i % GRID, Math.floor(i / GRID), 1, 1);
    });
    if (!byKeys) return;
    context.strokeStyle = getComputedStyle(this.element).outlineColor;
    context.strokeRect(this.#at[0] - 1.5, this.#at[1] - 1.5, 4, 4);
  }
}
