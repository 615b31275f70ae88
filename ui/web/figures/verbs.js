// The questions that a figure can ask about a model. The lab's functions compute the answers, which are numbers.

import { conditions, predict } from "../process/predict.js";
import { trajectory } from "../process/runs.js";
import { noised, settingsOf } from "./verbs/run.js";

/** @import { Step } from "../process/runs.js" */
/** @import { Model, Run } from "./verbs/run.js" */

/** What the network makes of a noisy picture x. x0: its guess of the picture. eps: its guess of the noise. i: index of the seed. @typedef {{ i: number, x: Float32Array, x0: Float32Array, eps: Float32Array }} Guess */

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

/** Answer a question with a module that is loaded at its first use: embedded figures stay small. @type {typeof import("./verbs/inside.js").inside} */
async function* inside(model, values) {
  yield* (await import("./verbs/inside.js")).inside(model, values);
}

/** As `inside`, with a module of its own. @type {typeof import("./verbs/between.js").between} */
async function* between(model, values) {
  yield* (await import("./verbs/between.js")).between(model, values);
}

export const VERBS = { guess, runs, inside, between };
