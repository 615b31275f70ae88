// Charts and numbers beside the clouds: the marginals of both coordinates, the moments, and the loss of a training.
import { Chart, ceiling, halves, key, path, scale, stairs, swatch } from "../../shared/drawing/chart.js";
import { el, table } from "../../shared/drawing/dom.js";
import { fixed, number, signed } from "../../words/numbers.js";
import { histogram, moments } from "./cloud.js";
import { cells } from "./mixture.js";

/** @import { Point } from "../../shared/drawing/chart.js" */
/** @import { Mixture } from "./mixture.js" */
/** @import { Training } from "../../shared/run/protocol.js" */
/** @import { Frame } from "./cloud.js" */

const BINS = 48;
const ERRORS = 3; // standard errors that are still called chance
export const LANES = /** @type {const} */ (["a", "b"]);
const TITLES = ["x₁", "x₂"];

/** @param {number} v with three digits */
const three = (v) => (v > -0.0005 ? fixed(Math.abs(v), 3) : `−${fixed(-v, 3)}`);

/** The frames at different times, each once: what is true at them differs. @param {Frame[]} frames */
const different = (frames) => frames.filter(({ s }, i) => frames.findIndex((other) => other.s === s) === i);

/**
 * The density of each coordinate in both clouds, and the true one.
 * @param {Mixture} mixture @param {Frame[]} frames of the lanes @param {number} reach
 */
export function marginals(mixture, frames, reach) {
  const fine = cells(4 * BINS, reach);
  const edges = Array.from({ length: BINS + 1 }, (_, k) => (100 * k) / BINS);
  const plots = TITLES.map((title, i) => {
    const axis = /** @type {0 | 1} */ (i);
    const truths = different(frames).map(({ alphaBar }) => mixture.marginal(axis, fine, alphaBar));
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
    return new Chart(`Marginal of ${title}`).draw([], curves, ends).node;
  });
  return [...plots, key(["a", "A"], ["b", "B"], ["truth", "q(xₜ)"])];
}

/**
 * A cloud's spread beside the true one, in words.
 * @param {Mixture} mixture @param {Frame} frame
 */
export function verdict(mixture, { points, alphaBar }) {
  const { trace, traceError } = moments(points);
  const truth = mixture.moments(alphaBar).trace;
  const [found, wanted] = [`${three(trace)} ± ${three(traceError)}`, three(truth)];
  if (Math.abs(trace - truth) <= ERRORS * traceError) return `Spread ${found}, as it should be (${wanted})`;
  if (trace > 2 * truth) return `Spread ${found}: ${number(trace / truth)} times what it should be (${wanted})`;
  const percent = Math.round(100 * Math.abs(trace / truth - 1));
  return trace > truth
    ? `Spread ${found}: ${percent} % above what it should be (${wanted})`
    : `Spread ${found}: ${percent} % below what it should be (${wanted})`;
}

/**
 * The moments of both clouds and the true ones.
 * @param {Mixture} mixture @param {Frame[]} frames of the lanes
 */
export function numbers(mixture, frames) {
  /** @param {string} name @param {string} title */
  const head = (name, title) => el("span", null, swatch(name), title);
  /** @param {number} v @param {number} error @param {number} truth */
  const cell = (v, error, truth) => {
    const off = Math.abs(v - truth) > ERRORS * error;
    return el(off ? "b" : "span", null, three(v), el("small", null, ` ± ${three(error)}`));
  };
  const rows = frames.map(({ points, alphaBar, s }, lane) => {
    const found = moments(points);
    const truth = mixture.moments(alphaBar);
    return [
      head(LANES[lane], `${LANES[lane].toUpperCase()} at t = ${s}`),
      ...TITLES.map((_, axis) => cell(found.mean[axis], found.meanError[axis], truth.mean[axis])),
      cell(found.trace, found.traceError, truth.trace),
    ];
  });
  const truths = different(frames).map(({ alphaBar, s }) => {
    const { mean, trace } = mixture.moments(alphaBar);
    return [head("truth", `q(xₜ) at t = ${s}`), ...[...mean, trace].map(three)];
  });
  const caption =
    "Spread is the trace of the covariance. ± is the standard error; values more than three of them away are bold.";
  return table(caption, ["", "Mean of x₁", "Mean of x₂", "Spread"], [...rows, ...truths]);
}

/**
 * The loss of a training, and the least possible one.
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
  const chart = new Chart("Loss of the training (Eq. 14)");
  chart.draw(
    halves(high),
    [lowest, path("curve", drawn)],
    [
      [0, "0"],
      [100, `${steps} steps`],
    ],
  );
  chart.mark(null, [], done ? `step ${done} of ${steps} · ${three(now)}` : "starting");
  chart.node.append(
    el("p", { class: "info" }, `Dashed: ${three(least)}, the loss of the exact ε. No network comes below it.`),
  );
  return chart.node;
}
