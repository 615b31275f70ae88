// The process of the network that the figures show, before its files are here: the paper's schedule. It is arithmetic of a
// few numbers, which needs no worker.

import { combine } from "../process/floats.js";
import { gaussian } from "../process/noise.js";
import { qSample } from "../process/predict.js";
import { schedule, step } from "../process/schedule.js";

export const SCHEDULE = schedule({});
export const { T } = SCHEDULE;

const PIXELS = 784;

/** The noise of a seed, with which its run begins. @param {number} seed */
export const noiseOf = (seed) => gaussian(String(seed), 0, PIXELS);

/** The fresh noise of step k of a run, counted from 1. @param {number} seed @param {number} k */
export const freshNoise = (seed, k) => gaussian(String(seed), k, PIXELS);

/** x_t of a picture. @param {Float32Array} x0 @param {number} t @param {number} seed */
export const noisy = (x0, t, seed) => (t ? qSample(SCHEDULE, x0, t, noiseOf(seed)) : x0);

/** √ᾱ_t and √(1 − ᾱ_t): how much of the picture, and how much noise. @param {number} t */
export const weightsAt = (t) => [Math.sqrt(SCHEDULE.alphaBar[t]), Math.sqrt(1 - SCHEDULE.alphaBar[t])];

/**
 * What a step of DDPM adds up: how much of the guess, of the present picture, and of fresh noise (Eqs. 6 and 7).
 * @param {number} t @param {number} s @param {"beta" | "beta_tilde"} kind
 */
export function termsOf(t, s, kind) {
  const { ofX0, ofXt, beta, betaTilde } = step(SCHEDULE, t, s);
  return { guess: ofX0, present: ofXt, noise: s ? Math.sqrt(kind === "beta" ? beta : betaTilde) : 0 };
}

/**
 * What networks of all kinds would say of x_t, from the guess and the noise that belongs to it. v, the score and a flow's u
 * are sums of both.
 * @param {Float32Array} x0 @param {Float32Array} eps @param {number} t
 */
export function namesOf(x0, eps, t) {
  const [signal, sigma] = weightsAt(t);
  return {
    x0,
    eps,
    v: combine([signal, eps], [-sigma, x0]),
    score: combine([-1 / sigma, eps]),
    flow: combine([1, eps], [-1, x0]),
  };
}
