// What a noisy picture remembers, as ddpm_core/latents.py has it: encode a picture, mix two, and decode.

import { combine } from "./floats.js";
import { gaussian } from "./noise.js";
import { qSample } from "./predict.js";
import { trajectory } from "./runs.js";
import { chainLength, ownRun } from "./times.js";

/** @import { Seed } from "./noise.js" */
/** @import { Process } from "./predict.js" */
/** @import { Settings } from "./runs.js" */

/**
 * x_t of a picture, Eq. 4; at T the noise itself, which is the x_T of the seed's run.
 * @param {Process} model @param {Float32Array} x0 @param {number} t @param {Seed} seed
 */
export function encode(model, x0, t, seed) {
  const noise = gaussian(seed, 0, x0.length);
  return t === model.T ? noise : qSample(model, x0, t, noise);
}

/** @param {Float32Array} x @param {Float32Array} other @param {number} weight of the other one, 0 to 1 */
export const mix = (x, other, weight) => combine([1 - weight, x], [weight, other]);

/** The settings of the chain from t, with no more steps than there are times. */
const from = (
  /** @type {Process} */ model,
  /** @type {number} */ t,
  /** @type {Omit<Settings, "seed">} */ settings,
) => ({
  ...settings,
  start: t,
  steps: chainLength(model, t, settings.steps ?? ownRun(model)[1]),
});

/**
 * The steps of the reverse chain from x_t; none at t = 0, where x_t is the picture.
 * @param {Process} model @param {Float32Array} xT @param {number} t @param {Settings} settings
 */
export const reconstruct = (model, xT, t, settings) =>
  t ? trajectory(model, { ...settings, ...from(model, t, settings), xT }) : [];
