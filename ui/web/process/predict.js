// Evaluates the network with guidance, and computes x̂_0 and ε from its prediction: see ddpm_core/prediction.py and
// process.py.

import { UserError } from "./errors.js";
import { clamp, combine, minus, over } from "./floats.js";
import { alphaBarAt, step } from "./schedule.js";

/** @import { Schedule } from "./schedule.js" */
/** @import { Student } from "./times.js" */
/**
 * Values inside the network. shape: first the number of channels, heads or tokens, then rows and columns.
 * @typedef {{ shape: number[], data: Float32Array }} Tap
 */
/**
 * The values inside the network that one evaluation records and changes, with the names of `Inside` in
 * ddpm_core/engines/blocks.py. A block's output is recorded after it was changed, and before its sides are halved or
 * doubled.
 * @typedef {object} Probe
 * @property {Map<string, Tap | null>} [taps] outputs of the blocks to record, by name; the evaluation sets them
 * @property {Set<string>} [cut] the parts that are switched off: blocks, skips, "attention", "condition" or "time"; it
 * has priority over `graft`
 * @property {Map<string, Float32Array>} [graft] values that replace the outputs of blocks, by name
 * @property {{ place: [down: number, right: number], maps: (Tap & { name: string })[] }} [look] place: a position in
 * the picture, each coordinate from 0 to below 1. maps: for each layer of self-attention, the evaluation adds the
 * attention of this place to all places, by head
 * @property {(Tap & { name: string })[]} [words] for each layer with attention to the prompt, the evaluation adds the
 * attention of each place to each token: the mean over heads
 */
/** @typedef {Schedule & { prediction: string }} Predicted */
/** @typedef {any} Condition what the network receives beside x_t: a label, null, or the states of a text encoder */

/**
 * A model without its network: the values that determine the steps of a run. source.ref: the name by which the model
 * was loaded. source.fixed: whether this name means the same files everywhere. floor: σ of the noise that a consistency
 * model leaves in x̂_0. wholeTimes: whether the network can be evaluated only at whole times, because it embeds them by
 * a table.
 * @typedef {Schedule & {
 *   prediction: string, variance: string, clip: boolean, channels: number, size: number,
 *   classes: number, nullLabel: number | null, student: Student | null, offset?: number, floor?: number, wholeTimes?: boolean,
 *   gamma: { times: number[], gamma: number[] } | null,
 *   optimised: { times: Record<string, Record<string, string>> } | null,
 *   source?: { ref: string, fixed: boolean } | null,
 * }} ModelSpec
 */

/**
 * A model with its network. The network takes one image, with the channels outermost, and tIndex = t − 1, which may be any
 * real number.
 * @typedef {ModelSpec & {
 *   network: (x: Float32Array, tIndex: number, condition: Condition, probe?: Probe) => Float32Array | Promise<Float32Array>,
 *   config?: Record<string, any>,
 *   words?: ((prompt: string) => Condition) | null,
 * }} Process
 */

/**
 * x0 and eps are consistent with each other and with x_t. x0Hat is x0, clipped if clip is on. v is the network's output
 * for a learned variance, and null for other variances.
 * @typedef {object} Denoised
 * @property {Float32Array} x0
 * @property {Float32Array} eps
 * @property {Float32Array} x0Hat
 * @property {Float32Array | null} v
 */

/**
 * Return the condition of a run, and the condition that guidance leads away from. Throws a UserError for a label or guidance
 * that the model does not allow.
 * @param {Process} model
 * @param {{ label?: Condition, negative?: Condition, guidance?: number | null }} asked
 * @returns {[Condition, Condition]}
 */
export function conditions({ classes, nullLabel, words }, { label = null, negative = null, guidance = null }) {
  const guided = guidance !== null && guidance !== 1;
  if (words) return [label ?? words(""), guided ? (negative ?? words("")) : null];
  if (!classes) {
    if (label !== null || guided) throw new UserError("this model has no classes: leave out labels and guidance");
    return [null, null];
  }
  if (label === null && nullLabel === null) throw new UserError(`this model needs a class label, 0 to ${classes - 1}`);
  if (guided && nullLabel === null)
    throw new UserError("guidance needs a model trained with a null label, and this one has none");
  if (guided && (label ?? nullLabel) === nullLabel)
    throw new UserError("guidance needs a class label to guide towards");
  if (label !== null && label !== nullLabel && !(Number.isInteger(label) && label >= 0 && label < classes))
    throw new UserError(`labels go from 0 to ${classes - 1}, got ${label}`);
  return [label ?? nullLabel, nullLabel];
}

/**
 * Evaluate the network at any real t, twice with guidance, and return x̂_0 and ε. both: the result of `conditions`.
 * probes: the probes of these two conditions.
 * @param {Process} model @param {Float32Array} x @param {number} t
 * @param {{ both?: [Condition, Condition], guidance?: number | null, clip?: boolean | null, probes?: Probe[] }} [options]
 * @returns {Promise<Denoised>}
 */
export async function predict(model, x, t, { both = [null, null], guidance = null, clip = null, probes = [] } = {}) {
  const learned = model.variance.startsWith("learned");
  const evaluate = async (/** @type {0 | 1} */ which) => {
    const output = await model.network(x, t - 1, both[which], probes[which]);
    if (output.length === (learned ? 2 : 1) * x.length)
      return [output.subarray(0, x.length), output.subarray(x.length)];
    throw new UserError(`the network must return ${(learned ? 2 : 1) * x.length} numbers, got ${output.length}`);
  };
  let [output, v] = await evaluate(0);
  if (guidance !== null && guidance !== 1) {
    const [baseline] = await evaluate(1);
    output = combine([1, baseline], [guidance, minus(output, baseline)]);
  }
  const [x0, eps] = toX0Eps(model, output, x, t);
  const rest = { v: learned ? v : null };
  if (!(clip ?? model.clip)) return { x0, eps, x0Hat: x0, ...rest };
  const x0Hat = clamp(x0); // with μ̃-prediction, the mean is not recomputed from the clipped x̂_0
  return model.prediction === "mu" ? { x0, eps, x0Hat, ...rest } : { ...withEps(model, x0Hat, x, t), ...rest };
}

/**
 * Return x̂_0 with the ε for which x_t = √ᾱ_t x̂_0 + √(1 − ᾱ_t) ε.
 * @param {Schedule} schedule @param {Float32Array} x0 @param {Float32Array} x @param {number} t
 * @returns {Denoised}
 */
export function withEps(schedule, x0, x, t) {
  const alphaBar = alphaBarAt(schedule, t);
  const eps = over(combine([1, x], [-Math.sqrt(alphaBar), x0]), Math.sqrt(1 - alphaBar));
  return { x0, eps, x0Hat: x0, v: null };
}

/**
 * Throw a UserError if x_t is pure noise and the network predicts ε: this prediction does not determine x̂_0.
 * @param {Predicted} model
 * @param {number} t
 */
export function checkSignal({ prediction, alphaBar }, t) {
  if (prediction === "epsilon" && alphaBar[t] === 0)
    throw new UserError("x_T is pure noise in this schedule (alpha_bar[T] = 0): ε-prediction can't give x̂_0 there");
}

/**
 * Compute x̂_0 and ε from the network's output.
 * @param {Predicted} model @param {Float32Array} output @param {Float32Array} x @param {number} t
 * @returns {[x0: Float32Array, eps: Float32Array]}
 */
export function toX0Eps(model, output, x, t) {
  const alphaBar = alphaBarAt(model, t);
  const [signal, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  checkSignal(model, t);
  if (model.prediction === "epsilon") return [over(combine([1, x], [-sigma, output]), signal), output];
  if (model.prediction === "flow") {
    const all = signal + sigma; // a flow's network predicts ε − x_0
    return [over(combine([1, x], [-sigma, output]), all), over(combine([1, x], [signal, output]), all)];
  }
  if (model.prediction === "v") return [combine([signal, x], [-sigma, output]), combine([sigma, x], [signal, output])];
  if (model.prediction !== "x0" && model.prediction !== "mu")
    throw new UserError(`unknown prediction ${model.prediction}: choose from epsilon, x0, v, mu, flow`);
  const { ofX0, ofXt } = step(model, t, t - 1);
  const x0 = model.prediction === "x0" ? output : over(combine([1, output], [-ofXt, x]), ofX0);
  return [x0, withEps(model, x0, x, t).eps];
}

/**
 * Return x_t, made of x_0 and noise (Eq. 4). If s is given, x is x_s instead of x_0.
 * @param {Schedule} schedule @param {Float32Array} x @param {number} t @param {Float32Array} noise
 */
export function qSample(schedule, x, t, noise, s = 0) {
  const [at, as] = [alphaBarAt(schedule, t), alphaBarAt(schedule, s)];
  const kept = as > 0 ? at / as : 1;
  return combine([Math.sqrt(kept), x], [Math.sqrt(1 - kept), noise]);
}
