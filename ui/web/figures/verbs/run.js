// The noise and the runs in the questions of figures.

import { gaussian } from "../../process/noise.js";
import { qSample } from "../../process/predict.js";

/** @import { Model as Loaded } from "../../network/model.js" */
/** @import { Process } from "../../process/predict.js" */

/** A loaded model with its diffusion process. @typedef {Loaded & Process} Model */
/**
 * The picture x0 with noise at time t, where a run may begin. seed: the seed of the noise.
 * @typedef {{ x0: Float32Array, t: number, seed: number }} Noisy
 */
/**
 * A run from a noisy picture or from the noise of a seed. The other properties are settings of `trajectory`.
 * @typedef {{ from: Noisy | { seed: number }, steps: number, sampler?: string, variance?: string, label?: number, guidance?: number }} Run
 */

/** Return x_t of a picture. Even x_T contains a little of the picture: the paper's schedule gives the picture the weight 0.006 there. @param {Model} model @param {Noisy} noisy */
export const noised = (model, { x0, t, seed }) => qSample(model, x0, t, gaussian(String(seed), 0, x0.length));

/** Return the settings of a run in the form that `trajectory` takes. @param {Model} model @param {Run} run */
export function settingsOf(model, { from, ...rest }) {
  const start = "x0" in from ? { xT: noised(model, from), ...(from.t < model.T ? { start: from.t } : {}) } : {};
  return { seed: String(from.seed), ...rest, ...start };
}
