// The charts of the part "What noise destroys": the schedules over t, and the histograms of the added noise.
import { Chart, halves, path, scale, stairs } from "../../drawing/chart.js";
import { fraction, power } from "../../words/numbers.js";
import { WORDS } from "./words.js";

/** @import { Line, Point } from "../../drawing/chart.js" */
/** @import { Weights } from "../../process/schedule.js" */

const FINE = 40; // up to this t, a curve has a point at every step; above it, at every fourth step
const HIGHEST = 0.5; // the density at the top of the histogram's axis

/** A chart of one quantity over t, with a curve for each schedule. A dot marks the chosen t on the curve of the chosen schedule. */
export class Plot extends Chart {
  /**
   * @param {string} title @param {Record<string, Weights>} tables the weights of each schedule
   * @param {(table: Weights, t: number) => number} value returns the quantity
   * @param {{ low: number, high: number, ticks: number[] }} [log] the ends and ticks of a logarithmic axis, as exponents of
   * ten; without `log`, the axis is linear from 0 to 1. Curves are cut off at the ends of the axis.
   */
  constructor(title, tables, value, log) {
    super(title);
    this.value = (/** @type {string} */ name, /** @type {number} */ t) => value(tables[name], t);
    this.y = log ? scale(log.low, log.high, true) : scale(0, 1);
    this.T = Object.values(tables)[0].beta.length - 1;
    const curves = Object.keys(tables).map((name) => {
      /** @type {Point[]} */
      const points = [];
      for (let t = 1; t < this.T; t += t < FINE ? 1 : 4) points.push(this.#pointAt(name, t));
      return path(name, [...points, this.#pointAt(name, this.T)]);
    });
    const lines = log?.ticks.map((tick) => /** @type {Line} */ ([this.y(10 ** tick), power(tick)])) ?? halves(1);
    this.draw(lines, curves, [
      [0, "t 0"],
      [100, `${this.T}`],
    ]);
  }

  /** Return the point of a schedule's curve at t, in percent of the chart's area. @param {string} name the schedule @param {number} t @returns {[x: number, y: number]} */
  #pointAt(name, t) {
    return [(100 * t) / this.T, this.y(this.value(name, t))];
  }

  /** Mark t on the curve of the chosen schedule, and highlight this curve. @param {number} t @param {string} chosen schedule */
  point(t, chosen) {
    const [x, y] = this.#pointAt(chosen, t);
    this.mark(x, [[chosen, x, t ? y : null]], fraction(this.value(chosen, t)));
    for (const curve of this.area.querySelectorAll("path"))
      curve.classList.toggle("chosen", curve.classList.contains(chosen));
  }
}

/**
 * Return a chart of two histograms with the same bins. It also shows the density N(0, 1) that both histograms should
 * follow.
 * @param {number[]} edges the edges of the bins
 * @param {[number[], number[]]} densities the density in each bin, for each histogram
 */
export function histogram(edges, densities) {
  const [left, right] = [edges[0], edges[edges.length - 1]];
  const y = scale(0, HIGHEST);
  /** Convert a value to a position on the axis, in percent. @param {number} v */
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
  return new Chart("", WORDS.histogram).draw([], curves, axis).node;
}
