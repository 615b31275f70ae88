// What is erased of a picture: a grid of cells that a pointer or the keyboard paints over it.
import { context2d } from "../../drawing/canvas.js";
import { el } from "../../drawing/dom.js";
import { ARROWS, onDrag } from "../../drawing/hands.js";
import { REPAIR } from "../../words/rows.js";

const GRID = 32; // as in ui/parts/repair.py
const RADIUS = 2.3; // the radius of the brush, in cells

/** Whether each of `REPAIR.presets` hides a cell. @type {Record<string, (x: number, y: number) => boolean>} */
export const PRESETS = {
  right: (x) => x >= GRID / 2,
  left: (x) => x < GRID / 2,
  upper: (_, y) => y < GRID / 2,
  lower: (_, y) => y >= GRID / 2,
  middle: (x, y) => Math.max(Math.abs(x - 15.5), Math.abs(y - 15.5)) < GRID / 4,
  random: () => Math.random() < 0.5,
  nothing: () => false,
};

/** The cells of a text, row by row; none are hidden where it is no such text. @param {string} text */
export function fromText(text) {
  const code = text.replace(/=+$/, "");
  const isOurs = /^[\w-]*$/.test(code) && code.length % 4 !== 1; // `atob` throws for others
  const bytes = isOurs ? atob(code.replaceAll("-", "+").replaceAll("_", "/")) : "";
  return Array.from({ length: GRID ** 2 }, (_, i) => ((bytes.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1) === 1);
}

/** A bit for each cell, base64url; "" where none is hidden. @param {boolean[]} cells */
export function toText(cells) {
  if (!cells.includes(true)) return "";
  const bytes = Array.from({ length: cells.length / 8 }, (_, i) =>
    cells.slice(8 * i, 8 * i + 8).reduce((byte, hidden) => 2 * byte + Number(hidden), 0),
  );
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

/** A control of a form. */
export class Brush {
  /** @type {boolean[]} */
  cells = [];
  /** Whether it hides; else it brings back. */
  hides = true;
  input = null;
  #at = [GRID / 2, GRID / 2];

  /** @param {string} text what is hidden @param {() => void} changed by a whole stroke, or a key */
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
    /** @type {number[]} where the stroke is */
    let last = [];
    /** @param {number} x @param {number} y @param {boolean} first */
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

  get() {
    return toText(this.cells);
  }

  /** @param {string} text what is hidden */
  set(text) {
    this.cells = fromText(text);
    this.render();
  }

  /** @param {string} name of PRESETS */
  preset(name) {
    this.cells = this.cells.map((_, i) => PRESETS[name](i % GRID, Math.floor(i / GRID)));
    this.render();
    this.changed();
  }

  /** @param {number[]} centre */
  #paint([x, y]) {
    this.cells = this.cells.map((hidden, i) =>
      Math.hypot((i % GRID) - x, Math.floor(i / GRID) - y) <= RADIUS ? this.hides : hidden,
    );
    this.render();
  }

  /** @param {boolean} [byKeys] where the next key paints is shown, too */
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
