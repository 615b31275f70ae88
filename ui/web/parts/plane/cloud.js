// Clouds of points, as a run sends them, and their statistics.

import { ARROW_UNIT, UNIT } from "../../process/plane.js";

/** @import { Cloud, Training } from "./plan.js" */
/** @import { Data } from "../../process/mixture.js" */

/**
 * The first result of a run, before its clouds.
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {number} T the number of steps of the full chain
 * @property {number} count the number of points in a cloud
 * @property {Data} data the centres and the width of the data
 * @property {{ name: string, denoiser: string, times: number[] }[]} lanes times: the time s of each frame that the run sends, from T down to 0
 */

/** @typedef {Plan | Training | Cloud} Result */

/**
 * A cloud at time s. reach: the visible distance from the origin. points: x₁ and x₂ of each point in turn. field: the
 * network's score as a grid of arrows, in rows from the top: right and up of each arrow in turn; null for the exact
 * score.
 * @typedef {{ s: number, alphaBar: number, reach: number, points: Float32Array, field: Float32Array | null }} Frame
 */

/** Convert integers to coordinates: 1 stands for UNIT. @param {Int16Array} x */
export const pointsOf = (x) => Float32Array.from(x, (v) => v * UNIT);

/** Return a frame from the numbers that a run sends. @param {Cloud} result @returns {Frame} */
export function frame({ s, alpha_bar, reach, x, field }) {
  const arrows = field && Float32Array.from(field, (v) => v * ARROW_UNIT);
  return { s, alphaBar: alpha_bar, reach, points: pointsOf(x), field: arrows };
}

/**
 * Return the means of both coordinates and the trace of the covariance, each with its standard error.
 * @param {Float32Array} points
 * @returns {{ mean: [number, number], meanError: [number, number], trace: number, traceError: number }}
 */
export function moments(points) {
  const n = points.length / 2;
  /** @type {[number, number]} */
  const mean = [0, 0];
  points.forEach((v, i) => {
    mean[i % 2] += v / n;
  });
  /** @type {[number, number]} */
  const variance = [0, 0];
  const squares = new Float64Array(n); // the squared distance of each point from the mean
  points.forEach((v, i) => {
    const square = (v - mean[i % 2]) ** 2;
    variance[i % 2] += square / (n - 1);
    squares[i >> 1] += square;
  });
  const trace = variance[0] + variance[1];
  const around = squares.reduce((sum, v) => sum + (v - trace) ** 2, 0) / (n - 1);
  return {
    mean,
    meanError: [Math.sqrt(variance[0] / n), Math.sqrt(variance[1] / n)],
    trace,
    traceError: Math.sqrt(around / n),
  };
}

/**
 * Return the density of one coordinate in n bins from −reach to reach. Points outside count in the total, but have no
 * bin.
 * @param {Float32Array} points @param {0 | 1} axis @param {number} n @param {number} reach
 */
export function histogram(points, axis, n, reach) {
  const width = (2 * reach) / n;
  const share = 1 / ((points.length / 2) * width);
  const bins = new Array(n).fill(0);
  for (let i = axis; i < points.length; i += 2) {
    const bin = Math.floor((points[i] + reach) / width);
    if (bin >= 0 && bin < n) bins[bin] += share;
  }
  return bins;
}

/**
 * Return the frame that a lane shows at time t: the last frame whose s is at least t.
 * @param {Frame[]} frames in the order of falling s
 * @param {number} t
 */
export const frameAt = (frames, t) => frames.findLast(({ s }) => s >= t) ?? frames[0];

/**
 * Return every time at which a lane has a frame, in falling order.
 * @param {number[][]} times of each lane
 */
export const union = (times) => [...new Set(times.flat())].sort((a, b) => b - a);
