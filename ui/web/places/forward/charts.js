// The charts of the Forward tab: the schedules over t, and two histograms.
import { Chart, path, scale, stairs } from "../../shared/chart.js";
import { power, short } from "../../shared/numbers.js";

/** @import { Line, Point } from "../../shared/chart.js" */

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

/** One quantity of all schedules over t; that of the chosen one has a dot. */
export class Plot extends Chart {
  /** @param {Quantity} quantity @param {number} T */
  constructor({ title, low, high, log = false, ticks, values }, T) {
    super(title);
    this.T = T;
    this.values = values;
    this.y = scale(low, high, log);
    const curves = Object.entries(values).map(([name, value]) => {
      /** @type {Point[]} */
      const points = [];
      for (let t = 1; t < T; t += t < FINE ? 1 : 4) points.push([(100 * t) / T, this.y(value(t))]);
      return path(name, [...points, [100, this.y(value(T))]]);
    });
    const lines = ticks.map((tick) => /** @type {Line} */ ([scale(low, high)(tick), log ? power(tick) : short(tick)]));
    this.draw(lines, curves, [
      [0, "t 0"],
      [100, `${T}`],
    ]);
  }

  /** @param {number} t @param {string} chosen schedule @param {string} text the value there */
  point(t, chosen, text) {
    const x = (100 * t) / this.T;
    this.mark(x, [[chosen, x, t > 0 ? this.y(this.values[chosen](t)) : null]], text);
    for (const curve of this.area.querySelectorAll("path"))
      curve.classList.toggle("chosen", curve.classList.contains(chosen));
  }
}

/**
 * Two histograms over the same edges, and the density they should have.
 * @param {number[]} edges
 * @param {[number[], number[]]} densities
 */
export function histogram(edges, densities) {
  const [left, right] = [edges[0], edges[edges.length - 1]];
  const y = scale(0, HIGHEST);
  /** @param {number} v */
  const x = (v) => (100 * (v - left)) / (right - left);
  const [first, second] = densities.map((density) => stairs(edges.map(x), density.map(y)));
  const normal = Array.from({ length: 121 }, (_, i) => {
    const v = left + ((right - left) * i) / 120;
    return /** @type {Point} */ ([x(v), y(Math.exp((-v * v) / 2) / Math.sqrt(2 * Math.PI))]);
  });
  const curves = [
    path("filled", [[0, 100], ...first, [100, 100]]),
    path("linear", first),
    path("cosine", second),
    path("normal", normal),
  ];
  const numbers = [left, left / 2, 0, right / 2, right];
  const axis = numbers.map((v) => /** @type {[number, string]} */ ([x(v), String(v).replace("-", "−")]));
  return new Chart().draw([], curves, axis).node;
}
