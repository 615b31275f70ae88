// Charts. CSS stretches the curves to the chart's box; labels, dots and markers are HTML with positions in per cent. So
// the browser need not draw a chart again when the page changes its size.
import { power } from "../words/numbers.js";
import { attribute } from "../words/symbols.js";
import { el, svg, write } from "./dom.js";
import { onDrag } from "./hands.js";

/** @typedef {[x: number, y: number | null]} Point in per cent of the box, from its upper left corner; y is null where the curve has a gap */
/** @typedef {[top: number, label: string, name?: string]} Line a grid line; top: its position in per cent; name: its CSS class */

/**
 * Return the attribute `d` of an SVG path through these points.
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
 * Create a curve through these points.
 * @param {string} name its CSS class
 * @param {Point[]} points
 */
export const path = (name, points) =>
  svg("path", { class: name, "vector-effect": "non-scaling-stroke", d: outline(points) });

/**
 * Return the corners of a histogram's outline.
 * @param {number[]} edges the edges of the bins, in per cent @param {number[]} heights of the bins, in per cent from the top
 */
export const stairs = (edges, heights) =>
  heights.flatMap((y, i) => [edges[i], edges[i + 1]].map((x) => /** @type {Point} */ ([x, y])));

/**
 * Return the function that converts a value to its position on a vertical axis, in per cent from the top.
 * @param {number} low the value at the bottom
 * @param {number} high the value at the top
 * @param {boolean} log whether the axis is logarithmic: then low and high are exponents of 10
 * @returns {(value: number) => number}
 */
export function scale(low, high, log = false) {
  return (value) => 100 - (100 * ((log ? Math.log10(value) : value) - low)) / (high - low);
}

/**
 * Return the exponents of the two powers of ten between which all positive values lie.
 * @param {number[]} values
 * @returns {[low: number, high: number]}
 */
export function decades(values) {
  const above = values.filter((value) => value > 0);
  if (!above.length) return [-2, 0];
  const low = Math.floor(Math.log10(Math.min(...above)));
  return [low, Math.max(low + 1, Math.ceil(Math.log10(Math.max(...above))))];
}

/** Return the grid lines of a logarithmic axis, five at most. @param {number} low exponent of 10 at the bottom @param {number} high exponent at the top @returns {Line[]} */
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

/** Return the three grid lines at 0, high/2 and high. @param {number} high @param {string} [name] their CSS class @returns {Line[]} */
export const halves = (high, name) => [0, 0.5, 1].map((share) => [100 - 100 * share, String(share * high), name]);

/** Return the key of a chart: the colour and the label of each curve. @param {...(readonly [name: string, label: string])} curves */
export const key = (...curves) =>
  el("span", { class: "key" }, ...curves.map(([name, label]) => el("span", null, swatch(name), label)));

/** Create the colour sample of the curve with this CSS class. @param {string} name */
export const swatch = (name) => el("i", { class: `swatch ${name}` });

export class Chart {
  area = el("div", { class: "area", role: "img" });
  #at = el("span", { class: "at" });
  #axis = el("div", { class: "axis", "aria-hidden": "true" });
  #marks = el("div", null);

  /** @param {string} [title] @param {string} [name] for screen readers, if there is no title */
  constructor(title = "", name = title) {
    this.name = name;
    attribute(this.area, "aria-label", name);
    const caption = el("figcaption", null, el("span", null, title), this.#at);
    caption.hidden = !title;
    this.node = el("figure", { class: "plot" }, caption, this.area, this.#axis);
  }

  /** While a pointer is pressed on the chart, call `take` with its horizontal position, from 0 to 1. @param {(share: number) => void} take */
  onScrub(take) {
    this.area.classList.add("scrubbed");
    onDrag(this.area, take);
  }

  /**
   * Draw grid lines, curves and the labels of the horizontal axis in place of the earlier ones. Returns the chart.
   * @param {Line[]} lines @param {Node[]} curves the last one is on top
   * @param {[x: number, text: string][]} axis its labels, with x in per cent
   */
  draw(lines, curves, axis) {
    const grid = lines.map(([top, label, name = "grid"]) => el("span", { class: name, style: `top:${top}%` }, label));
    const size = { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" };
    this.area.replaceChildren(...grid, svg("svg", size, ...curves), this.#marks);
    this.#axis.replaceChildren(...axis.map(([x, text]) => el("span", { style: `left:${x}%;translate:${-x}%` }, text)));
    return this;
  }

  /**
   * Draw a vertical line at x, and dots; dots outside the box are left out. Returns the chart.
   * @param {number | null} x in per cent; null for no line @param {[name: string, ...Point][]} dots name: its CSS class @param {string} [text] the value at x
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
