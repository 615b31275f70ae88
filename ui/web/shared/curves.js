// Charts: curves stretched to their box by CSS, with labels, dots and markers as HTML placed in per cent, so that nothing
// is drawn again when the page changes its size.
import { svg } from "./dom.js";

/** @typedef {[x: number, y: number | null]} Point in per cent of the box; null breaks the curve */

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
 * The curves of a box.
 * @param {...Node} curves
 */
export const box = (...curves) =>
  svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, ...curves);

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
