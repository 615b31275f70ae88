// The questions that a figure can ask about a model. The lab's own functions compute the answers; answers are numbers.

import { UserError } from "../process/errors.js";
import { toUint8 } from "../process/floats.js";
import { gaussian } from "../process/noise.js";
import { conditions, predict, qSample } from "../process/predict.js";
import { sideBySide, trajectory } from "../process/runs.js";

/** @import { Model as Loaded } from "../network/model.js" */
/** @import { Process } from "../process/predict.js" */
/** @import { Step } from "../process/runs.js" */

/** A loaded model with its diffusion process. @typedef {Loaded & Process} Model */
/**
 * The picture x0 with noise at time t, where a run may begin. seed: the seed of the noise.
 * @typedef {{ x0: Float32Array, t: number, seed: number }} Noisy
 */
/**
 * A run from a noisy picture or from the noise of a seed. The other properties are settings of `trajectory`.
 * @typedef {{ from: Noisy | { seed: number }, steps: number, sampler?: string, variance?: string, label?: number, guidance?: number }} Run
 */
/** The estimate of the finished picture by a linear probe of a block's output. name: the block. side: the width of its output. says: the estimate. @typedef {{ name: string, side: number, says: Float32Array }} BlockSays */
/** The guess x0 for the noisy picture x, and its noise eps. i: index of the seed. @typedef {{ i: number, x: Float32Array, x0: Float32Array, eps: Float32Array }} Guess */
/** A step with its blocks. lane: 0 for the run without the graft, 1 for the run with it. @typedef {Step & { lane: number, blocks: BlockSays[] }} Opened */

/** Return x_t of a picture. At T, the paper's schedule leaves 0.6 % of the picture. @param {Model} model @param {Noisy} noisy */
const noised = (model, { x0, t, seed }) => qSample(model, x0, t, gaussian(String(seed), 0, x0.length));

/** Return the settings of a run in the form that `trajectory` takes. @param {Model} model @param {Run} run */
function settingsOf(model, { from, ...rest }) {
  const start = "x0" in from ? { xT: noised(model, from), ...(from.t < model.T ? { start: from.t } : {}) } : {};
  return { seed: String(from.seed), ...rest, ...start };
}

/** For each seed, add noise to the picture x0, and yield the network's guess. @param {Model} model @param {{ x0: Float32Array, t: number, seeds: number[] }} values @returns {AsyncGenerator<Guess>} */
async function* guess(model, { x0, t, seeds }) {
  const both = conditions(model, {});
  for (const [i, seed] of seeds.entries()) {
    const x = noised(model, { x0, t, seed });
    const found = await predict(model, x, t, { both });
    yield { i, x, x0: found.x0Hat, eps: found.eps };
  }
}

/** Compute runs one after the other, and yield each step. @param {Model} model @param {{ runs: Run[] }} values @returns {AsyncGenerator<Step & { i: number }>} */
async function* runs(model, { runs }) {
  for (const [i, run] of runs.entries())
    for await (const step of trajectory(model, settingsOf(model, run))) yield { i, ...step };
}

/**
 * Compute a run and the output of each block. Beside it, compute the same run with one block's output taken from a
 * third run, which draws the class `label`.
 * @param {Model} model @param {{ run: Run, block: string, label: number }} values @returns {AsyncGenerator<Opened | null>}
 */
async function* inside(model, { run, block, label }) {
  const { insideOf, openLanes } = await import("../network/surgery.js");
  const readers = await model.readers();
  const names = Object.keys(insideOf(model.config).blocks);
  const { seed, ...own } = { model, ...settingsOf(model, run) };
  const { lanes, taps } = openLanes([
    { ...own, label, surgery: { taps: [block] } },
    { ...own, surgery: { taps: names } },
    { ...own, surgery: { taps: names, graft: [{ name: block, lane: 0 }] } },
  ]);
  for await (const { lane, step } of sideBySide([seed], lanes)) {
    const [found] = taps(lane, seed);
    if (!lane || !readers) yield null;
    else {
      const blocks = [...found].map(([name, tap]) => ({
        ...{ name, side: tap.shape[1], says: readers.read(name, tap, step.t) },
      }));
      yield { ...step, lane: lane - 1, blocks };
    }
  }
}

/**
 * Draw a picture for each place of a square with a text at each corner, and yield its RGB pixels. right and down: 0 to
 * 1.
 * @param {Model} model @param {{ corners: string[], places: [right: number, down: number][], seed: number }} values
 */
async function* between(model, { corners, places, seed }) {
  const { mixture } = await import("../process/square.js");
  const { words, decode } = model;
  if (!words || !decode) throw new UserError("this model reads no words");
  const states = corners.map((text) => words(text));
  for (const [i, [right, down]] of places.entries()) {
    const label = mixture(states, right, down);
    for await (const { s, x } of trajectory(model, { seed: String(seed), label }))
      yield s ? null : { i, side: model.pictureSize, pixels: toUint8(decode(x), 3) };
  }
}

export const VERBS = { guess, runs, inside, between };
