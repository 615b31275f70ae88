// What a noisy picture remembers, as ui/parts/latents.py computes it.

import { mixes, planner, sources, weights } from "../../plans/latents.js";
import { seedsOfColumns } from "../../plans/rows.js";
import { fromUint8 } from "../process/floats.js";
import { encode, mix } from "../process/forward.js";
import { trajectory } from "../process/runs.js";
import { chainOf, kept, seen, source, spread, take } from "./rows.js";

/** @import { LatentsPlan } from "../../plans/latents.js" */
/** @import { Run } from "../jobs.js" */
/** @import { Checkpoints, Loaded as Model } from "../checkpoints.js" */
/** @import { Part } from "./index.js" */

const SAMPLES = 4; // every so many steps of a sample's way are shown

/** @type {(checkpoints: Checkpoints) => Part} */
export const latents = () => ({ computation: () => ({ ...kept, planner, compute }) });

/** @param {LatentsPlan} plan @param {Model[]} models @param {Run} work */
async function compute(plan, [model], work) {
  const { request, times } = plan;
  work.give({ kind: "plan" });
  /** @type {Float32Array[]} */
  const pictures = [];
  for (const [i, one] of sources(request).entries()) {
    const { data } = await source(plan, model, i, one, work, SAMPLES);
    pictures.push(fromUint8(data, model.channels));
  }
  const states = times.map((t) => sources(request).map(({ seed }, i) => encode(model, pictures[i], t, BigInt(seed))));
  for (const [row, x] of states.entries()) work.give({ kind: "latent", row, x: x.map((one) => [seen(model, one)]) });
  for (const row of times.keys()) await rowOf(plan, model, row, states[row], work);
}

/** @param {LatentsPlan} plan @param {Model} model @param {number} row @param {Float32Array[]} x of each picture @param {Run} work */
async function rowOf(plan, model, row, [x, other], work) {
  const { request, times, lengths } = plan;
  const [t, n, two] = [times[row], lengths[row], mixes(request)];
  const starts = weights(request).map((weight) => (two ? mix(x, other, weight) : x));
  if (n) {
    const seeds = seedsOfColumns(request).map(BigInt);
    const chains = starts.map((xT, column) =>
      trajectory(model, { ...chainOf(plan, model), seed: seeds[two ? 0 : column], steps: n, start: t, xT }),
    );
    await take(plan, model, row, chains, n, times.length, work);
  } else {
    const pictures = starts.map((start) => seen(model, start));
    work.recording.rows.set(row, pictures);
    work.give({ kind: "step", row, k: 0, s: 0, x0: pictures });
  }
  work.give({ kind: "row", row, spread: spread(work.recording.rows.get(row)) });
}
