// Draw numbers from −1 to 1 as pictures: the picture in ink, the network's guess in orange, in a light or a dark theme.

import { el } from "../drawing/dom.js";
import { attribute } from "../words/symbols.js";

/** @typedef {"ink" | "guess"} Ink */
/** @typedef {"light" | "dark"} Theme */
/** @typedef {[red: number, green: number, blue: number]} Colour */

/** For each theme and ink, the colours of the numbers −1 and 1. @type {Record<Theme, Record<Ink, [Colour, Colour]>>} */
const INKS = {
  light: {
    ink: [
      [242, 240, 236],
      [24, 24, 27],
    ],
    guess: [
      [252, 238, 229],
      [194, 65, 12],
    ],
  },
  dark: {
    ink: [
      [36, 36, 41],
      [241, 241, 244],
    ],
    guess: [
      [48, 31, 22],
      [251, 146, 60],
    ],
  },
};

/** Return the colour of a number. Numbers outside [−1, 1] have the colour of the nearer end. @param {number} value @param {Ink} ink @param {Theme} theme @returns {Colour} */
export function colour(value, ink, theme) {
  const [low, high] = INKS[theme][ink];
  const share = Math.min(1, Math.max(0, (value + 1) / 2));
  return /** @type {Colour} */ (low.map((from, i) => Math.round(from + (high[i] - from) * share)));
}

/** For each theme and ink, 256 colours from −1 to 1, as RGBA. @type {Map<string, Uint8ClampedArray>} */
const tables = new Map();

/** Return the 256 colours of an ink in a theme, as RGBA. The first call computes them. @param {Ink} ink @param {Theme} theme */
function table(ink, theme) {
  const key = `${theme} ${ink}`;
  let found = tables.get(key);
  if (!found) {
    found = new Uint8ClampedArray(1024);
    for (let i = 0; i < 256; i++) found.set([...colour(i / 127.5 - 1, ink, theme), 255], 4 * i);
    tables.set(key, found);
  }
  return found;
}

/** Convert numbers to RGBA pixels. @param {ArrayLike<number>} x @param {Ink} ink @param {Theme} theme */
export function pixels(x, ink, theme) {
  const colours = table(ink, theme);
  const out = new Uint8ClampedArray(4 * x.length);
  for (let i = 0; i < x.length; i++) {
    const level = 4 * Math.max(0, Math.min(255, Math.round(127.5 * (x[i] + 1))));
    for (let k = 0; k < 4; k++) out[4 * i + k] = colours[level + k];
  }
  return out;
}

/** A canvas for a square picture of numbers. */
export class Tile {
  /** @type {ArrayLike<number> | null} */
  x = null;
  /** @type {Theme} */
  theme = "light";

  /** @param {Ink} ink @param {string} name for screen readers; "" if a text beside the tile describes it @param {number} [side] */
  constructor(ink, name, side = 28) {
    this.ink = ink;
    this.side = side;
    this.element = el("canvas", { width: side, height: side, class: `tile ${ink}`, role: "img" });
    this.name(name);
  }

  /** Set the name for screen readers. @param {string} name */
  name(name) {
    if (name) attribute(this.element, "aria-label", name);
    else this.element.setAttribute("aria-hidden", "true");
  }

  /** Show numbers. @param {ArrayLike<number> | null} x null for an empty tile */
  paint(x) {
    this.x = x;
    this.#draw();
  }

  /** Apply a theme. @param {Theme} theme */
  dress(theme) {
    this.theme = theme;
    this.#draw();
  }

  /** Draw the numbers in the current theme. */
  #draw() {
    const { x, side, element } = this;
    const context = element.getContext("2d");
    element.classList.toggle("empty", !x);
    if (!context) return;
    if (!x) return context.clearRect(0, 0, side, side);
    context.putImageData(new ImageData(pixels(x, this.ink, this.theme), side, side), 0, 0);
  }
}

/**
 * Draw numbers into a larger picture; each number becomes a square.
 * @param {CanvasRenderingContext2D} context @param {ArrayLike<number>} x @param {[left: number, top: number, size: number]} where in pixels @param {Ink} ink @param {Theme} theme
 */
export function drawInto(context, x, [left, top, size], ink, theme) {
  const side = Math.sqrt(x.length);
  const edge = (/** @type {number} */ i) => Math.round((i * size) / side);
  for (let i = 0; i < x.length; i++) {
    const [row, column] = [Math.floor(i / side), i % side];
    context.fillStyle = `rgb(${colour(x[i], ink, theme)})`;
    const [a, b] = [edge(column), edge(row)];
    context.fillRect(left + a, top + b, edge(column + 1) - a, edge(row + 1) - b);
  }
}
