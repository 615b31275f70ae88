// The objective of a training: how t is drawn, what the network predicts, and the weight of its error.
// ddpm_core/objective.py, process.py and coordinates.py do the same in Python.

import { clamp, combine, minus } from "../process/floats.js";
import { qSample, toX0Eps, withEps } from "../process/predict.js";
import { flowAt, schedule } from "../process/schedule.js";
import { FLOW_TIME } from "./recipe.js";

/** @import { Recipe } from "./recipe.js" */

const [MEAN, STD] = [0.4, 1.1]; // mean and standard deviation of log σ: a digit gets its shape at these noise levels
const GAMMA = 5; // γ of the min-SNR weighting: the largest weight of a squared error of x_0

/** Return the standard normal distribution function at x, accurate to 1e-15. It is computed as a series whose terms all have the same sign, so that no digits are lost. @param {number} x */
export function ndtr(x) {
  if (Math.abs(x) > 9) return x > 0 ? 1 : 0;
  let [sum, term] = [0, x];
  for (let n = 1; sum + term !== sum; n += 2, term *= (x * x) / n) sum += term;
  return 0.5 + (sum * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}

/** Return P(t <= n) for n = 1..T, for times t whose log σ_t is normally distributed: see `lognormal_times` of ddpm_core. @param {Float64Array} alphaBar */
function lognormalTimes(alphaBar) {
  const logs = Array.from(alphaBar.subarray(1), (at) => 0.5 * Math.log((1 - at) / at));
  return Float64Array.from(logs, (log, i) => (i + 1 < logs.length ? ndtr(((log + logs[i + 1]) / 2 - MEAN) / STD) : 1));
}

/** For each prediction: its squared error divided by the squared error of x_0, as a function of the SNR. @type {Record<Recipe["prediction"], (snr: number) => number>} */
const OF_X0 = {
  epsilon: (snr) => snr,
  x0: () => 1,
  v: (snr) => snr + 1,
  flow: (snr) => (Math.sqrt(snr) + 1) ** 2,
};

export class Objective {
  /** @param {Recipe} recipe @param {Record<string, any>} scheduler of its scheduler_config.json */
  constructor({ prediction, times, weight }, scheduler) {
    this.prediction = prediction;
    this.isWeighted = weight === "min_snr";
    this.process = { ...schedule(scheduler), prediction };
    this.T = this.process.T;
    /** P(t <= n) for n = 1..T; null if all t are equally likely. */
    this.times = times === "lognormal" ? lognormalTimes(this.process.alphaBar) : null;
  }

  /** Return the time t for a uniform random number in [0, 1): the inverse of P(t <= n). @param {number} u */
  time(u) {
    if (!this.times) return 1 + Math.floor(u * this.T);
    let [low, high] = [0, this.T - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] > u) high = middle;
      else low = middle + 1;
    }
    return low + 1;
  }

  /** Return the weight of the loss at time t. @param {number} t */
  weight(t) {
    if (!this.isWeighted) return 1;
    const at = this.process.alphaBar[t];
    const snr = at / (1 - at);
    return Math.min(snr, GAMMA) / OF_X0[this.prediction](snr);
  }

  /** Return x_t, Eq. 4. @param {Float32Array} x0 @param {Float32Array} eps @param {number} t */
  noisy(x0, eps, t) {
    return qSample(this.process, x0, t, eps);
  }

  /** Return the network's input for x_t: a picture and a time. @param {Float32Array} xt @param {number} t */
  input(xt, t) {
    if (this.prediction !== "flow") return { x: xt, time: t - 1 };
    const { tau, scale } = flowAt(this.process, t);
    return { x: combine([scale, xt]), time: Math.fround(FLOW_TIME * tau) };
  }

  /** Return the target that the network has to predict. @param {Float32Array} x0 @param {Float32Array} eps @param {number} t */
  target(x0, eps, t) {
    if (this.prediction === "epsilon") return eps;
    if (this.prediction === "x0") return x0;
    if (this.prediction === "flow") return minus(eps, x0);
    const at = this.process.alphaBar[t];
    return combine([Math.sqrt(at), eps], [-Math.sqrt(1 - at), x0]);
  }

  /** Return x̂_0, clipped to [−1, 1], from the network's output. @param {Float32Array} output @param {Float32Array} xt @param {number} t */
  x0(output, xt, t) {
    return clamp(toX0Eps(this.process, output, xt, t)[0]);
  }

  /** Take a DDIM step without noise: return x_s from x_t and x̂_0. @param {Float32Array} xt @param {Float32Array} x0 @param {number} t @param {number} s */
  ddim(xt, x0, t, s) {
    return this.noisy(x0, withEps(this.process, x0, xt, t).eps, s);
  }
}
