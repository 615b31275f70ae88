// Charts and numbers about the clouds of points: the marginals of both coordinates, the moments, and the loss of a
// training.
import { Chart, ceiling, halves, key, path, scale, stairs, swatch } from "../../drawing/chart.js";
import { el } from "../../drawing/dom.js";
import { table } from "../../drawing/table.js";
import { cellMiddles } from "../../process/mixture.js";
import { signed } from "../../words/numbers.js";
import { histogram, moments } from "./cloud.js";
import { CHARTS, verdict as spread, three } from "./words.js";

/** @import { Point } from "../../drawing/chart.js" */
/** @import { Mixture } from "../../process/mixture.js" */
/** @import { Training } from "./plan.js" */
/** @import { Frame } from "./cloud.js" */

const BINS = 48; // number of bins in a histogram
const ERRORS = 3; // number of standard errors up to which a difference counts as chance
export const LANES = /** @type {const} */ (["a", "b"]);
const TITLES = ["x₁", "x₂"];

/** Return one frame (a cloud at a time) for each time, because all frames of a time have the same true distribution. @param {Frame[]} frames */
const distinctTimes = (frames) => frames.filter(({ s }, i) => frames.findIndex((other) => other.s === s) === i);

/**
 * Return a chart for each coordinate, and a key. A chart shows the measured density of both clouds, and the true
 * density.
 * @param {Mixture} mixture @param {Frame[]} frames of the lanes @param {number} reach the visible distance from the origin
 */
export function marginals(mixture, frames, reach) {
  const fine = cellMiddles(4 * BINS, reach);
  const edges = Array.from({ length: BINS + 1 }, (_, k) => (100 * k) / BINS);
  const plots = TITLES.map((title, i) => {
    const axis = /** @type {0 | 1} */ (i);
    const truths = distinctTimes(frames).map(({ alphaBar }) => mixture.marginal(axis, fine, alphaBar));
    const measured = frames.map(({ points }) => histogram(points, axis, BINS, reach));
    const y = scale(0, 1.08 * Math.max(...[...truths, ...measured].flat()));
    const curves = [
      ...truths.map((values) =>
        path(
          "truth",
          values.map((v, k) => [(100 * (k + 0.5)) / values.length, y(v)]),
        ),
      ),
      ...measured.map((bins, lane) => path(LANES[lane], stairs(edges, bins.map(y)))),
    ];
    const ends = [-reach, 0, reach].map((v, i) => /** @type {[number, string]} */ ([50 * i, signed(v)]));
    return new Chart(CHARTS.marginal(title)).draw([], curves, ends).node;
  });
  return [...plots, key(["a", "A"], ["b", "B"], ["truth", "q(xₜ)"])];
}

/**
 * Return a sentence that compares the spread of a cloud with the true spread.
 * @param {Mixture} mixture @param {Frame} frame
 */
export function verdict(mixture, { points, alphaBar }) {
  const { trace, traceError } = moments(points);
  const truth = mixture.moments(alphaBar).trace;
  return spread(trace, traceError, truth, ERRORS);
}

/**
 * Return a table of the moments of both clouds, and of the true moments.
 * @param {Mixture} mixture @param {Frame[]} frames of the lanes
 */
export function numbers(mixture, frames) {
  /** Make the heading of a row. @param {string} name the CSS class of the row's colour @param {string} title */
  const head = (name, title) => el("span", null, swatch(name), title);
  /** Make a cell with a value; bold if its difference from the true value is more than chance. @param {number} v @param {number} error the standard error of v @param {number} truth */
  const cell = (v, error, truth) => {
    const off = Math.abs(v - truth) > ERRORS * error;
    return el(off ? "b" : "span", null, three(v), el("small", null, ` ± ${three(error)}`));
  };
  const rows = frames.map(({ points, alphaBar, s }, lane) => {
    const found = moments(points);
    const truth = mixture.moments(alphaBar);
    return [
      head(LANES[lane], CHARTS.lane(LANES[lane].toUpperCase(), s)),
      ...TITLES.map((_, axis) => cell(found.mean[axis], found.meanError[axis], truth.mean[axis])),
      cell(found.trace, found.traceError, truth.trace),
    ];
  });
  const truths = distinctTimes(frames).map(({ alphaBar, s }) => {
    const { mean, trace } = mixture.moments(alphaBar);
    return [head("truth", CHARTS.truth(s)), ...[...mean, trace].map(three)];
  });
  return table(CHARTS.table, CHARTS.heads, [...rows, ...truths]);
}

/**
 * Return a chart of the loss of a training, and of the least possible loss.
 * @param {Training} training
 */
export function loss({ curve, steps, least }) {
  const [done, now] = curve.at(-1) ?? [0, Number.NaN];
  const high = ceiling(Math.max(0.4, least * 2));
  const y = scale(0, high);
  const drawn = curve.map(([step, value]) => /** @type {Point} */ ([(100 * step) / steps, Math.max(0, y(value))]));
  const lowest = path("truth", [
    [0, y(least)],
    [100, y(least)],
  ]);
  const chart = new Chart(CHARTS.loss);
  chart.draw(
    halves(high),
    [lowest, path("curve", drawn)],
    [
      [0, "0"],
      [100, CHARTS.steps(steps)],
    ],
  );
  chart.mark(null, [], CHARTS.at(done, steps, now));
  chart.node.append(el("p", { class: "info" }, CHARTS.least(least)));
  return chart.node;
}
