// Rows of pictures that chains end in: what Latents, Repair and Between share, as ui/parts/picture_rows.py computes them.

import { stepKind } from "../../plans/plan.js";
import { fromText } from "../../shared/pictures/text.js";
import { keptSteps } from "../pictures/kept.js";
import { trajectory } from "../process/runs.js";
import { picture } from "./sampling.js";

/** @import { Picture } from "../../files/pictures.js" */
/** @import { RowsPlan } from "../../plans/rows.js" */
/** @import { Run } from "../jobs.js" */
/** @import { Loaded as Model } from "../checkpoints.js" */
/** @import { Settings } from "../process/runs.js" */
/** @import { Computation } from "./index.js" */
/** @typedef {{ index: number, s: number, x: Float32Array, x0: Float32Array }} Step */

/** What such a computation has besides its plan. @type {Pick<Computation, "record">} */
export const kept = {
  record: () => ({ rows: new Map(), frames: new Map() }),
};

/** The settings of a chain, but its seed. @param {RowsPlan} plan @param {Model} model @returns {Omit<Settings, "seed"> & { model: Model }} */
export function chainOf({ options }, model) {
  const { labels, negative: _, prompts: __, ...rest } = options;
  return { ...rest, label: labels, model };
}

/** The picture of a state. @param {Model} model @param {Float32Array} x */
export const seen = ({ channels, size }, x) => picture(x, channels, size);

/**
 * A picture of one's own, or the sample of a seed, which is shown every so many steps.
 * @param {RowsPlan} plan @param {Model} model @param {number} i its number @param {{ own: string, seed: number }} source own: as text
 * @param {Run} work
 * @returns {Promise<Picture>}
 */
export async function source(plan, model, i, { own, seed }, work, every = 0) {
  const give = (/** @type {Picture} */ one, final = true) => work.give({ kind: "source", i, x: [one], final });
  if (own) {
    const found = fromText(own, plan.model);
    give(found);
    return found;
  }
  /** @type {Float32Array} */
  let x = new Float32Array();
  for await (const step of trajectory(model, { ...chainOf(plan, model), seed: BigInt(seed) })) {
    x = step.x;
    if (step.s === 0) give(seen(model, x));
    else if (step.index % every === 0) give(seen(model, step.x0), false);
    await work.count(stepKind(plan.model.ref));
  }
  return seen(model, x);
}

/**
 * Take the n steps of a row, one chain a column; null among them is an evaluation that is not shown.
 * @param {RowsPlan} plan @param {Model} model @param {number} row @param {AsyncIterator<Step | null>[]} chains @param {number} n
 * @param {number} rows @param {Run} work
 * @param {{ repeats?: boolean, withX?: boolean }} [how] repeats: an evaluation is a null, and steps follow. withX: x is shown, too
 * @returns {Promise<Float32Array[]>} the last states
 */
export async function take(plan, model, row, chains, n, rows, work, { repeats = false, withX = false } = {}) {
  const chosen = keptSteps(n, model.size, plan.columns * rows, model.channels);
  const kind = stepKind(plan.model.ref, chains.length);
  const { recording } = work;
  /** @type {Map<number, Picture[]>} */
  const frames = new Map();
  recording.frames.set(row, frames);
  /** @type {Step[]} */
  let steps = [];
  for (let last = -1; last < n - 1; ) {
    steps = [];
    for (const chain of chains) {
      let step;
      do {
        step = (await chain.next()).value;
        if (step !== undefined && !(step && repeats)) await work.count(kind, 1 / chains.length);
      } while (step === null);
      steps.push(step);
    }
    const [{ index, s }] = steps;
    last = index;
    if (!chosen.has(index)) continue;
    const x = steps.map((one) => seen(model, one.x));
    const guess = s ? steps.map((one) => seen(model, one.x0)) : x;
    frames.set(index, guess);
    work.give({ kind: "step", row, k: index, s, ...(withX && { x }), x0: guess });
  }
  const states = steps.map(({ x }) => x);
  recording.rows.set(
    row,
    states.map((x) => seen(model, x)),
  );
  return states;
}

/** Of each number of pictures its variance among them. @param {Picture[]} pictures */
export function variances(pictures) {
  const n = pictures.length;
  return Float64Array.from(pictures[0].data, (_, i) => {
    const mean = pictures.reduce((sum, { data }) => sum + data[i], 0) / n;
    return pictures.reduce((sum, { data }) => sum + (data[i] - mean) ** 2, 0) / n;
  });
}

/** The standard deviation of pictures from their mean, in grey levels, over all pixels. @param {Picture[]} pictures */
export function spread(pictures) {
  const found = variances(pictures);
  return Math.sqrt(found.reduce((a, b) => a + b, 0) / found.length);
}
