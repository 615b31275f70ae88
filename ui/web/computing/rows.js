// Compute rows of pictures for the parts Latents, Repair and Between. Each picture is the end of a chain.
// ui/parts/picture_rows.py does the same on a server.

import { fromText, unpack } from "../pictures/text.js";
import { keptSteps } from "../plans/kept.js";
import { stepKind } from "../plans/plan.js";
import { trajectory } from "../process/runs.js";
import { picture, picturesOf, seenOf } from "./sampling.js";

/** @import { Picture } from "../pictures/resize.js" */
/** @import { RowsPlan } from "../plans/rows.js" */
/** @import { Source } from "../plans/rows.js" */
/** @import { Settings, Step } from "../process/runs.js" */
/** @import { Computation, Loaded as Model, Seen, Strands, Work } from "./computation.d.ts" */

/** The method `record` of computations of rows. It returns the empty record of a run. @type {Pick<Computation, "record">} */
export const kept = {
  record: () => ({ rows: new Map(), frames: new Map() }),
};

/** Return the settings of a chain, except its seed. @param {RowsPlan} plan @param {Model} model @returns {Omit<Settings, "seed"> & { model: Model }} */
export function chainOf({ options }, model) {
  const { labels, negative: _, prompts: __, ...rest } = options;
  return { ...rest, label: labels, model };
}

/** Convert a state into a picture. @param {Model} model @param {Float32Array} x */
export const seen = ({ channels, size }, x) => picture(x, channels, size);

/**
 * Yield the steps of the sample of a seed. Every `every`-th step has its pictures.
 * @param {RowsPlan} plan @param {Model} model @param {{ seed: number }} source @param {number} every 0 if only the last
 * step has pictures
 * @returns {AsyncGenerator<Seen>}
 */
export async function* sampled(plan, model, { seed }, every) {
  for await (const step of trajectory(model, { ...chainOf(plan, model), seed: BigInt(seed) }))
    yield seenOf(model, step, step.s === 0 || step.index % every === 0);
}

/**
 * Give the page the picture with which a run begins, and return it: the visitor's own, or the final picture of a
 * strand. While the strand is computed, also give its x̂_0, and count its steps.
 * @param {RowsPlan} plan @param {number} i index of the strand @param {Source} source
 * @param {Work} work @param {Strands} strands
 * @returns {Promise<Picture>}
 */
export async function addSource(plan, i, { own }, work, strands) {
  const add = (/** @type {Picture} */ one, final = true) => work.addResult({ kind: "source", i, x: [one], final });
  if (own) {
    await unpack(own);
    const found = fromText(own, plan.model);
    add(found);
    return found;
  }
  for (;;) {
    const { s, x, x0, seconds } = await strands.next(i);
    if (s && x0) add(x0, false);
    else if (x) add(x);
    await work.count(stepKind(plan.model.ref), 1, seconds);
    if (!s) return /** @type {Picture} */ (x);
  }
}

/** Return the indices of a row's steps whose pictures are kept. @param {RowsPlan} plan @param {Model} model @param {number} n number of steps @param {number} rows number of rows in the run */
const keptOf = (plan, { size, channels }, n, rows) => keptSteps(n, size, plan.columns * rows, channels);

/**
 * Yield the steps of one picture of a row, with the pictures that are kept.
 * @param {RowsPlan} plan @param {Model} model @param {AsyncIterable<Step | null>} chain yields null for an evaluation whose step is not shown
 * @param {number} n steps @param {number} rows
 * @returns {AsyncGenerator<Seen>}
 */
export async function* column(plan, model, chain, n, rows) {
  const chosen = keptOf(plan, model, n, rows);
  for await (const step of chain) yield step ? seenOf(model, step, chosen.has(step.index)) : /** @type {Seen} */ ({});
}

/**
 * Compute the n steps of a row, with one strand for each column, and add its frames to the run.
 * @param {RowsPlan} plan @param {number} row @param {Strands} strands @param {number} n @param {Work} work
 * @param {{ repeats?: boolean, withX?: boolean }} [how] repeats: whether the strands also yield evaluations, which
 * are not shown. withX: whether frames also show x @returns {Promise<Seen[]>} the last step of each column
 */
export async function take(plan, row, strands, n, work, { repeats = false, withX = false } = {}) {
  const { columns } = plan;
  const kind = stepKind(plan.model.ref, columns);
  const { recording } = work;
  /** @type {Map<number, Picture[]>} */
  const frames = new Map();
  recording.frames.set(row, frames);
  /** @type {Seen[]} */
  let steps = [];
  for (let last = -1; last < n - 1; ) {
    steps = [];
    for (let column = 0; column < columns; column++) {
      let step;
      do {
        step = await strands.next(row * columns + column);
        if (!repeats || step.s === undefined) await work.count(kind, 1 / columns, step.seconds);
      } while (step.s === undefined);
      steps.push(step);
    }
    const [{ index, s }] = steps;
    last = index;
    const [x, x0] = [picturesOf(steps, "x"), picturesOf(steps, "x0")];
    if (!x.length) continue;
    frames.set(index, x0);
    work.addResult({ kind: "step", row, k: index, s, ...(withX && { x }), x0 });
  }
  recording.rows.set(row, picturesOf(steps, "x"));
  return steps;
}

/** Return for each pixel value its variance over the pictures. @param {Picture[]} pictures */
export function variances(pictures) {
  const n = pictures.length;
  return Float64Array.from(pictures[0].data, (_, i) => {
    const mean = pictures.reduce((sum, { data }) => sum + data[i], 0) / n;
    return pictures.reduce((sum, { data }) => sum + (data[i] - mean) ** 2, 0) / n;
  });
}

/** Return the standard deviation of pictures from their mean, in grey levels, over all pixels. @param {Picture[]} pictures */
export function spread(pictures) {
  const found = variances(pictures);
  return Math.sqrt(found.reduce((a, b) => a + b, 0) / found.length);
}
