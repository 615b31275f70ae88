// The diffusion process of the figures, with the paper's schedule. These functions take little time and need no
// network, so they run without the worker.

import { combine } from "../process/floats.js";
import { gaussian } from "../process/noise.js";
import { qSample } from "../process/predict.js";
import { schedule, step } from "../process/schedule.js";

export const SCHEDULE = schedule({});
export const T = SCHEDULE.T;

const PIXELS = 784;

/** Return the noise of a seed, which is x_T of the seed's run. @param {number} seed */
export const noiseOf = (seed) => gaussian(String(seed), 0, PIXELS);

/** Return the fresh noise of a run's step k, counted from 1. @param {number} seed @param {number} k */
export const freshNoise = (seed, k) => gaussian(String(seed), k, PIXELS);

/** Return x_t of a picture: the picture with the noise of time t (Eq. 4). @param {Float32Array} x0 @param {number} t @param {number} seed */
export const noisy = (x0, t, seed) => (t ? qSample(SCHEDULE, x0, t, noiseOf(seed)) : x0);

/** Return √ᾱ_t and √(1 − ᾱ_t), the weights of the picture and of the noise in x_t. @param {number} t */
export const weightsAt = (t) => [Math.sqrt(SCHEDULE.alphaBar[t]), Math.sqrt(1 - SCHEDULE.alphaBar[t])];

/**
 * Return the weights of the guess, of the present picture and of the fresh noise in a DDPM step from t to s (Eqs. 6 and
 * 7).
 * @param {number} t @param {number} s @param {"beta" | "beta_tilde"} kind
 */
export function termsOf(t, s, kind) {
  const { ofX0, ofXt, beta, betaTilde } = step(SCHEDULE, t, s);
  return { guess: ofX0, present: ofXt, noise: s ? Math.sqrt(kind === "beta" ? beta : betaTilde) : 0 };
}

/**
 * Return the outputs of five kinds of networks for the same x_t: x_0, ε, v, the score, and the direction of a flow.
 * Each is a weighted sum of the guess x0 and of the noise eps.
 * @param {Float32Array} x0 @param {Float32Array} eps @param {number} t
 */
export function outputsOf(x0, eps, t) {
  const [signal, sigma] = weightsAt(t);
  return {
    x0,
    eps,
    v: combine([signal, eps], [-sigma, x0]),
    score: combine([-1 / sigma, eps]),
    flow: combine([1, eps], [-1, x0]),
  };
}
