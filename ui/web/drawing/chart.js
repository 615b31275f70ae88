// Charts: curves stretched to their box by CSS, with labels, dots and markers as HTML placed in per cent, so that nothing
// is drawn again when the page changes its size.
import { power } from "../words/numbers.js";
import { attribute } from "../words/symbols.js";
import { el, svg, write } from "./dom.js";
import { onDrag } from "./hands.js";

/** @typedef {[x: number, y: number | null]} Point in per cent of the box, from its upper left; null breaks the curve */
/** @typedef {[top: number, label: string, name?: string]} Line of the grid; name: of a class of CSS */

/**
 * The `d` of a curve through the points.
 * @param {Point[]} points
 */
export function outline(points) {
  let pen = "M";
  let d = "";
  for (const [x, y] of points) {
    if (y !== null) d += `${pen}${x.toFixed(2)} ${y.toFixed(2)}`;
    pen = y === null ? "M" : "L";
  }
  return d;
}

/**
 * A curve of a class of CSS through the points.
 * @param {string} name
 * @param {Point[]} points
 */
export const path = (name, points) =>
  svg("path", { class: name, "vector-effect": "non-scaling-stroke", d: outline(points) });

/**
 * The corners of a histogram.
 * @param {number[]} edges one more than heights, in per cent @param {number[]} heights in per cent from the top
 */
export const stairs = (edges, heights) =>
  heights.flatMap((y, i) => [edges[i], edges[i + 1]].map((x) => /** @type {Point} */ ([x, y])));

/**
 * An axis from low at the bottom to high at the top: value to per cent from the top. Of a logarithmic one low and high
 * are powers of ten.
 * @param {number} low
 * @param {number} high
 * @param {boolean} log
 * @returns {(value: number) => number}
 */
export function scale(low, high, log = false) {
  return (value) => 100 - (100 * ((log ? Math.log10(value) : value) - low)) / (high - low);
}

/**
 * The powers of ten between which all values lie that are above 0.
 * @param {number[]} values
 * @returns {[low: number, high: number]}
 */
export function decades(values) {
  const above = values.filter((value) => value > 0);
  if (!above.length) return [-2, 0];
  const low = Math.floor(Math.log10(Math.min(...above)));
  return [low, Math.max(low + 1, Math.ceil(Math.log10(Math.max(...above))))];
}

/** Return the grid lines of a logarithmic axis, five at most. @param {number} low @param {number} high @returns {Line[]} */
export function powers(low, high) {
  const every = Math.ceil((high - low) / 4);
  const count = Math.floor((high - low) / every) + 1;
  return Array.from({ length: count }, (_, i) => [scale(low, high)(low + i * every), power(low + i * every)]);
}

/** Round v up to 1, 2 or 5 times a power of ten. @param {number} v above 0 */
export function ceiling(v) {
  const power = 10 ** Math.floor(Math.log10(v));
  return power * ([1, 2, 5].find((digit) => digit * power >= v * (1 - 1e-9)) ?? 10);
}

/** Return the grid lines of an axis from 0 to `high`. @param {number} high @param {string} [name] @returns {Line[]} */
export const halves = (high, name) => [0, 0.5, 1].map((share) => [100 - 100 * share, String(share * high), name]);

/** Return the key of a chart, which names its curves. @param {...(readonly [name: string, label: string])} curves */
export const key = (...curves) =>
  el("span", { class: "key" }, ...curves.map(([name, label]) => el("span", null, swatch(name), label)));

/** Create the colour sample of the curve with this CSS class. @param {string} name */
export const swatch = (name) => el("i", { class: `swatch ${name}` });

export class Chart {
  area = el("div", { class: "area", role: "img" });
  #at = el("span", { class: "at" });
  #axis = el("div", { class: "axis", "aria-hidden": "true" });
  #marks = el("div", null);

  /** @param {string} [title] @param {string} [name] that a screen reader says, where there is no title */
  constructor(title = "", name = title) {
    this.name = name;
    attribute(this.area, "aria-label", name);
    const caption = el("figcaption", null, el("span", null, title), this.#at);
    caption.hidden = !title;
    this.node = el("figure", { class: "plot" }, caption, this.area, this.#axis);
  }

  /** Call `take` with the horizontal position of a pressed pointer, from 0 to 1. @param {(share: number) => void} take */
  onScrub(take) {
    this.area.classList.add("scrubbed");
    onDrag(this.area, take);
  }

  /**
   * @param {Line[]} lines @param {Node[]} curves the last on top
   * @param {[x: number, text: string][]} axis what is written under it, in per cent
   */
  draw(lines, curves, axis) {
    const grid = lines.map(([top, label, name = "grid"]) => el("span", { class: name, style: `top:${top}%` }, label));
    const size = { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" };
    this.area.replaceChildren(...grid, svg("svg", size, ...curves), this.#marks);
    this.#axis.replaceChildren(...axis.map(([x, text]) => el("span", { style: `left:${x}%;translate:${-x}%` }, text)));
    return this;
  }

  /**
   * Draw a vertical line at x, and dots of classes of CSS; those outside the box are left out.
   * @param {number | null} x in per cent @param {[name: string, ...Point][]} dots @param {string} [text] the value there
   */
  mark(x, dots, text = "") {
    const inside = dots.filter(([, , y]) => y !== null && y >= 0 && y <= 100);
    const marks = [
      ...(x === null ? [] : [["marker", `left:${x}%`]]),
      ...inside.map(([name, x, y]) => [`dot ${name}`, `left:${x}%;top:${y}%`]),
    ];
    const { children } = this.#marks;
    while (children.length < marks.length) this.#marks.append(el("i", null));
    while (children.length > marks.length) children[0].remove();
    for (const [i, [name, style]] of marks.entries()) {
      attribute(children[i], "class", name);
      attribute(children[i], "style", style);
    }
    write(this.#at, text);
    attribute(this.area, "aria-label", text ? `${this.name}: ${text}` : this.name);
    return this;
  }
}
