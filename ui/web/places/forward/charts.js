// The charts of the Forward tab: the schedules over t, and two histograms.
import { box, path, scale } from "../../shared/curves.js";
import { el } from "../../shared/dom.js";
import { power, short } from "../../shared/numbers.js";

/** @import { Point } from "../../shared/curves.js" */

const FINE = 40; // up to this t every step is drawn, then every fourth
const HIGHEST = 0.5; // of a density

/**
 * @typedef {object} Quantity one of all schedules over t
 * @property {string} title
 * @property {number} low of the axis; powers of ten if `log`. What leaves it is cut off
 * @property {number} high
 * @property {boolean} [log]
 * @property {number[]} ticks
 * @property {Record<string, (t: number) => number>} values by schedule
 */

/**
 * @param {Quantity} quantity
 * @param {number} T
 */
export function plot({ title, low, high, log = false, ticks, values }, T) {
  const y = scale(low, high, log);
  const area = el("div", { class: "area scrubbed" });
  for (const tick of ticks) {
    const style = `top:${y(log ? 10 ** tick : tick)}%`;
    area.append(el("span", { class: "grid", style }, log ? power(tick) : short(tick)));
  }
  const curves = Object.entries(values).map(([name, value]) => {
    /** @type {Point[]} */
    const points = [];
    for (let t = 1; t < T; t += t < FINE ? 1 : 4) points.push([(100 * t) / T, y(value(t))]);
    points.push([100, y(value(T))]);
    return path(name, points);
  });
  const marker = el("i", { class: "marker" });
  const dot = el("i", { class: "dot" });
  area.append(el("div", { class: "clip" }, box(...curves)), marker, dot);
  const at = el("span", { class: "at" });
  const axis = el("div", { class: "axis", "aria-hidden": "true" }, el("span", null, "t 0"), el("span", null, `${T}`));
  const node = el("figure", { class: "plot" }, el("figcaption", null, el("span", null, title), at), area, axis);

  /** @param {number} t @param {string} chosen schedule @param {string} text the value there */
  function mark(t, chosen, text) {
    at.textContent = text;
    marker.style.left = dot.style.left = `${(100 * t) / T}%`;
    const top = t > 0 ? y(values[chosen](t)) : Number.NaN;
    dot.hidden = !(top >= 0 && top <= 100);
    dot.style.top = `${top}%`;
    dot.className = `dot ${chosen}`;
    for (const curve of curves) curve.classList.toggle("chosen", curve.classList.contains(chosen));
  }
  return { node, mark, area };
}

/**
 * Two histograms over the same edges, and the density they should have.
 * @param {number[]} edges
 * @param {[number[], number[]]} densities
 */
export function histogram(edges, [first, second]) {
  const left = edges[0];
  const right = edges[edges.length - 1];
  const y = scale(0, HIGHEST);
  /** @param {number} v */
  const x = (v) => (100 * (v - left)) / (right - left);
  /** @param {number[]} density @returns {Point[]} */
  const outline = (density) =>
    density.flatMap(
      (d, i) =>
        /** @type {Point[]} */ ([
          [x(edges[i]), y(d)],
          [x(edges[i + 1]), y(d)],
        ]),
    );
  /** @type {Point[]} */
  const normal = Array.from({ length: 121 }, (_, i) => {
    const v = left + ((right - left) * i) / 120;
    return [x(v), y(Math.exp((-v * v) / 2) / Math.sqrt(2 * Math.PI))];
  });
  const curves = box(
    path("filled", [[0, 100], ...outline(first), [100, 100]]),
    path("linear chosen", outline(first)),
    path("cosine chosen", outline(second)),
    path("normal", normal),
  );
  const numbers = [left, left / 2, 0, right / 2, right].map((v) => el("span", null, String(v).replace("-", "−")));
  const axis = el("div", { class: "axis", "aria-hidden": "true" }, ...numbers);
  return [el("div", { class: "area" }, el("div", { class: "clip" }, curves)), axis];
}
