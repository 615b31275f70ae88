// The charts of the Forward tab: the schedules over t, and two histograms.
import { Chart, halves, path, scale, stairs } from "../../drawing/chart.js";
import { fraction, power } from "../../words/numbers.js";
import { WORDS } from "./words.js";

/** @import { Line, Point } from "../../drawing/chart.js" */
/** @import { Weights } from "../../process/schedule.js" */

const FINE = 40; // up to this t every step is drawn, then every fourth
const HIGHEST = 0.5; // of a density

/** One quantity of all schedules over t; that of the chosen one has a dot. */
export class Plot extends Chart {
  /**
   * @param {string} title @param {Record<string, Weights>} tables by schedule
   * @param {(table: Weights, t: number) => number} value
   * @param {{ low: number, high: number, ticks: number[] }} [log] powers of ten, where the axis is logarithmic; else it
   * goes from 0 to 1. What leaves it is cut off.
   */
  constructor(title, tables, value, log) {
    super(title);
    this.value = (/** @type {string} */ name, /** @type {number} */ t) => value(tables[name], t);
    this.y = log ? scale(log.low, log.high, true) : scale(0, 1);
    this.T = Object.values(tables)[0].beta.length - 1;
    const curves = Object.keys(tables).map((name) => {
      /** @type {Point[]} */
      const points = [];
      for (let t = 1; t < this.T; t += t < FINE ? 1 : 4) points.push(this.#at(name, t));
      return path(name, [...points, this.#at(name, this.T)]);
    });
    const lines = log?.ticks.map((tick) => /** @type {Line} */ ([this.y(10 ** tick), power(tick)])) ?? halves(1);
    this.draw(lines, curves, [
      [0, "t 0"],
      [100, `${this.T}`],
    ]);
  }

  /** @param {string} name @param {number} t @returns {[x: number, y: number]} */
  #at(name, t) {
    return [(100 * t) / this.T, this.y(this.value(name, t))];
  }

  /** @param {number} t @param {string} chosen schedule */
  point(t, chosen) {
    const [x, y] = this.#at(chosen, t);
    this.mark(x, [[chosen, x, t ? y : null]], fraction(this.value(chosen, t)));
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
  return new Chart("", WORDS.histogram).draw([], curves, axis).node;
}
