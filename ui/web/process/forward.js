// Adds noise to a picture by t small steps (Eq. 2) and by one jump (Eq. 4), and compares the added noise: see
// ddpm_core/plane/forward.py.

import { UserError } from "./errors.js";
import { combine } from "./floats.js";
import { gaussian } from "./noise.js";
import { qSample } from "./predict.js";
import { schedule } from "./schedule.js";

/** @import { Seed } from "./noise.js" */
/** @import { Schedule } from "./schedule.js" */
/** The result of `compare`. @typedef {ReturnType<typeof compare>} Comparison */

/**
 * The paper's schedule and two other schedules, as in ddpm_core/plane/forward.py.
 * @type {Record<string, () => Schedule>}
 */
export const SCHEDULES = {
  linear: () => schedule({ beta_schedule: "linear" }),
  cosine: () => schedule({ beta_schedule: "squaredcos_cap_v2" }),
  quadratic: () => schedule({ beta_schedule: "scaled_linear" }),
};

/**
 * Return x_t of a picture (Eq. 4). At t = T the result is the noise alone, which is x_T of a run with this seed.
 * @param {Schedule} schedule @param {Float32Array} x0 @param {number} t @param {Seed} seed
 */
export function encode(schedule, x0, t, seed) {
  const noise = gaussian(seed, 0, x0.length);
  return t === schedule.T ? noise : qSample(schedule, x0, t, noise);
}

/** Return a linear blend of two pictures. @param {Float32Array} x @param {Float32Array} other @param {number} weight of `other`, 0 to 1 */
export const mix = (x, other, weight) => combine([1 - weight, x], [weight, other]);

const BINS = 48; // bins of a histogram that covers ±4 σ

/**
 * Add noise to a picture up to t in both ways, and compare the added noise. `walk` is x_t after small steps, and `jump`
 * is x_t after one jump. `Comparison` in ddpm_core/plane/forward.py describes the other values.
 * @param {Schedule} schedule @param {Float32Array} x0 @param {number} t @param {Seed} seed
 * @param {(steps: number) => void} [taken] called after each small step, with its number
 */
export function compare(schedule, x0, t, seed, taken) {
  if (!Number.isInteger(t) || t < 0 || t > schedule.T)
    throw new UserError(`t must be whole and lie in 0..${schedule.T}`);
  const alphaBar = schedule.alphaBar[t];
  const sigma = Math.sqrt(1 - alphaBar);
  let walk = x0;
  for (let i = 1; i <= t; i++) {
    const beta = schedule.beta[i];
    walk = combine([Math.sqrt(1 - beta), walk], [Math.sqrt(beta), gaussian(seed, i, x0.length)]);
    taken?.(i);
  }
  const jump = qSample(schedule, x0, t, gaussian(seed, 0, x0.length));
  const added = [walk, jump].map((x) => combine([1, x], [-Math.sqrt(alphaBar), x0]));
  const mean = added.map((noise) => average(noise, (value) => value));
  return {
    walk,
    jump,
    mean,
    std: added.map((noise, i) => Math.sqrt(average(noise, (value) => (value - mean[i]) ** 2))),
    sigma,
    edges: Array.from({ length: BINS + 1 }, (_, i) => (8 * i) / BINS - 4),
    densities: /** @type {[number[], number[]]} */ (added.map((noise) => density(noise, sigma))),
    gap: sigma && largestGap(added[0].slice().sort(), added[1].slice().sort()),
    chance: sigma && 1.358 * Math.sqrt(2 / x0.length),
  };
}

/**
 * Return the mean of a function over values.
 * @param {Float32Array} values @param {(value: number) => number} of the function
 */
const average = (values, of) => values.reduce((sum, value) => sum + of(value), 0) / values.length;

/** Return the histogram of noise/σ, or zeros if there is no noise. @param {Float32Array} noise @param {number} sigma */
function density(noise, sigma) {
  const counts = new Array(BINS).fill(0);
  for (const value of sigma ? noise : []) {
    const at = Math.floor(((value / sigma + 4) * BINS) / 8);
    if (at >= 0 && at < BINS) counts[at] += BINS / 8 / noise.length;
  }
  return counts;
}

/**
 * Return the Kolmogorov–Smirnov statistic of two sorted samples of equal size.
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
function largestGap(a, b) {
  let [i, j, most] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i], b[j]);
    while (a[i] === value) i++;
    while (b[j] === value) j++;
    most = Math.max(most, Math.abs(i - j));
  }
  return most / a.length;
}
