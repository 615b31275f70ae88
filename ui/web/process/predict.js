// One evaluation of the network with guidance, and x̂_0 and ε computed from its prediction: see ddpm_core/prediction.py
// and process.py.

import { UserError } from "./errors.js";
import { clamp, combine, minus, over } from "./floats.js";
import { alphaBarAt, step } from "./schedule.js";

/** @import { Schedule } from "./schedule.js" */
/** @import { Student } from "./times.js" */
/** Numbers inside the network. shape: channels, rows, columns; or heads or tokens, rows, columns. @typedef {{ shape: number[], data: Float32Array }} Tap */
/**
 * What one evaluation shows, and what is changed in it, with the names and the meaning of `Inside` in
 * ddpm_core/engines/blocks.py. A block is shown after it was changed, and before its sides are halved or doubled.
 * @typedef {object} Probe
 * @property {Map<string, Tap | null>} [taps] by the names of the blocks that are to be shown; the evaluation fills it
 * @property {Set<string>} [cut] blocks, skips, "attention", "condition" and "time": what is off; it goes before a graft
 * @property {Map<string, Float32Array>} [graft] by the names of blocks: what they give instead
 * @property {{ place: [down: number, right: number], maps: (Tap & { name: string })[] }} [look] a place, from 0 to below 1
 *   of each side; the evaluation adds, for each layer of self-attention, what this place takes from each place, by head
 * @property {(Tap & { name: string })[]} [words] the evaluation adds, for each layer that reads words, what each place
 *   takes from each token, the mean over heads
 */
/** @typedef {Schedule & { prediction: string }} Predicted */
/** @typedef {any} Condition what the network receives beside x_t: a label, null, or what a text encoder gives */

/**
 * A model without its network: all that says which steps a run takes. source: what it was loaded by, and whether that
 * means the same files everywhere. floor: σ that a consistency model leaves in x̂_0. wholeTimes: whether the network has a table
 * of whole times, and can't be evaluated between two.
 * @typedef {Schedule & {
 *   prediction: string, variance: string, clip: boolean, channels: number, size: number,
 *   classes: number, nullLabel: number | null, student: Student | null, offset?: number, floor?: number, wholeTimes?: boolean,
 *   gamma: { times: number[], gamma: number[] } | null,
 *   optimised: { times: Record<string, Record<string, string>> } | null,
 *   source?: { ref: string, fixed: boolean } | null,
 * }} ModelSpec
 */

/**
 * What a run needs of a model: one image's network, too, channels outermost, with tIndex = t − 1, which may be no whole number.
 * @typedef {ModelSpec & {
 *   network: (x: Float32Array, tIndex: number, condition: Condition, probe?: Probe) => Float32Array | Promise<Float32Array>,
 *   config?: Record<string, any>,
 *   words?: ((prompt: string) => Condition) | null,
 * }} Process
 */

/**
 * x0 and eps are consistent with each other and with x_t; x0Hat is x0, clipped when clip is on; v is the second half of a
 * learned variance's output.
 * @typedef {object} Denoised
 * @property {Float32Array} x0
 * @property {Float32Array} eps
 * @property {Float32Array} x0Hat
 * @property {Float32Array | null} v
 */

/**
 * The condition of a run, and the one that guidance leads away from.
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
 * One evaluation, at any real t. A promise, as a GPU's answer is one. probes: of the evaluation with the condition, and of guidance's other one.
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
  return model.prediction === "mu" ? { x0, eps, x0Hat, ...rest } : { ...fitted(model, x0Hat, x, t), ...rest };
}

/**
 * An x̂_0 with the ε that belongs to it.
 * @param {Schedule} schedule @param {Float32Array} x0 @param {Float32Array} x @param {number} t
 * @returns {Denoised}
 */
export function fitted(schedule, x0, x, t) {
  const alphaBar = alphaBarAt(schedule, t);
  const eps = over(combine([1, x], [-Math.sqrt(alphaBar), x0]), Math.sqrt(1 - alphaBar));
  return { x0, eps, x0Hat: x0, v: null };
}

/**
 * Throw where x_t is pure noise and the network predicts just that noise: x̂_0 is then unknown.
 * @param {Predicted} model
 * @param {number} t
 */
export function checkSignal({ prediction, alphaBar }, t) {
  if (prediction === "epsilon" && alphaBar[t] === 0)
    throw new UserError("x_T is pure noise in this schedule (alpha_bar[T] = 0): ε-prediction can't give x̂_0 there");
}

/**
 * x̂_0 and ε of what the network predicts.
 * @param {Predicted} model @param {Float32Array} output @param {Float32Array} x @param {number} t
 * @returns {[x0: Float32Array, eps: Float32Array]}
 */
export function toX0Eps(model, output, x, t) {
  const alphaBar = alphaBarAt(model, t);
  const [signal, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  checkSignal(model, t);
  if (model.prediction === "epsilon") return [over(combine([1, x], [-sigma, output]), signal), output];
  if (model.prediction === "flow") {
    const all = signal + sigma; // the network predicts ε − x_0
    return [over(combine([1, x], [-sigma, output]), all), over(combine([1, x], [signal, output]), all)];
  }
  if (model.prediction === "v") return [combine([signal, x], [-sigma, output]), combine([sigma, x], [signal, output])];
  if (model.prediction !== "x0" && model.prediction !== "mu")
    throw new UserError(`unknown prediction ${model.prediction}: choose from epsilon, x0, v, mu, flow`);
  const { ofX0, ofXt } = step(model, t, t - 1);
  const x0 = model.prediction === "x0" ? output : over(combine([1, output], [-ofXt, x]), ofX0);
  return [x0, fitted(model, x0, x, t).eps];
}

/**
 * x_t of x_0 and noise, Eq. 4; or up from x_s, where s is given.
 * @param {Schedule} schedule @param {Float32Array} x @param {number} t @param {Float32Array} noise
 */
export function qSample(schedule, x, t, noise, s = 0) {
  const [at, as] = [alphaBarAt(schedule, t), alphaBarAt(schedule, s)];
  const kept = as > 0 ? at / as : 1;
  return combine([Math.sqrt(kept), x], [Math.sqrt(1 - kept), noise]);
}
