// Computes the part "How much a noisy picture still knows" in the browser. ui/parts/latents.py does the same on a
// server.

import { addSource, chainOf, column, kept, sampled, seen, spread, take } from "../../computing/rows.js";
import { seedsOfColumns } from "../../plans/rows.js";
import { fromUint8 } from "../../process/floats.js";
import { encode, mix } from "../../process/forward.js";
import { trajectory } from "../../process/runs.js";
import { mixes, weights } from "./plan.js";

/** @import { LatentsPlan } from "./plan.js" */
/** @import { Chains, Computation, Loaded as Model, Strands, Work } from "../../computing/computation.d.ts" */

const SAMPLES = 4; // while the model draws a starting picture, the page shows every 4th step

/** @type {Computation} */
export const computation = { ...kept, chains, compute };

/** Return a function that takes the number of a picture and yields the picture's sampling steps. Phase 0 draws the starting pictures, phase 1 the rows. @param {LatentsPlan} plan @param {Model[]} models @param {number} phase @param {Float32Array[]} images the starting pictures @returns {Chains} */
function chains(plan, [model], phase, images) {
  const { request, times, lengths, columns } = plan;
  if (!phase) return (number) => sampled(plan, model, plan.sources[number], SAMPLES);
  const states = statesOf(plan, model, images);
  const seeds = seedsOfColumns(request).map(BigInt);
  return (number) => {
    const [row, at] = [Math.floor(number / columns), number % columns];
    const [seed, xT] = [seeds[mixes(request) ? 0 : at], startsOf(plan, states[row])[at]];
    const settings = { ...chainOf(plan, model), seed, steps: lengths[row], start: times[row], xT };
    return column(plan, model, trajectory(model, settings), lengths[row], times.length);
  };
}

/** Return the latents for each time of the plan: the starting pictures, noised up to this time. @param {LatentsPlan} plan @param {Model} model @param {Float32Array[]} images */
const statesOf = ({ sources, times }, model, images) =>
  times.map((t) => sources.map(({ seed }, i) => encode(model, images[i], t, BigInt(seed))));

/** For each column, return the state from which the column's chain begins: the noised picture, or a mixture of both noised pictures. @param {LatentsPlan} plan @param {Float32Array[]} states the noised starting pictures */
const startsOf = ({ request }, [x, other]) =>
  weights(request).map((weight) => (mixes(request) ? mix(x, other, weight) : x));

/** Compute the starting pictures and then all rows, and send the results to the page. @param {LatentsPlan} plan @param {Model[]} models @param {Work} work */
async function compute(plan, [model], work) {
  work.addResult({ kind: "plan" });
  const drawn = work.share(0);
  /** @type {Float32Array[]} */
  const images = [];
  for (const [i, one] of plan.sources.entries()) {
    const { data } = await addSource(plan, i, one, work, drawn);
    images.push(fromUint8(data, model.channels));
  }
  const states = statesOf(plan, model, images);
  for (const [row, x] of states.entries())
    work.addResult({ kind: "latent", row, x: x.map((one) => [seen(model, one)]) });
  const rows = work.share(1, images);
  for (const row of states.keys()) await computeRow(plan, model, row, states[row], work, rows);
}

/** Compute the pictures of a row. A row at t = 0 needs no steps. @param {LatentsPlan} plan @param {Model} model @param {number} row @param {Float32Array[]} states the noised starting pictures @param {Work} work @param {Strands} strands */
async function computeRow(plan, model, row, states, work, strands) {
  const n = plan.lengths[row];
  if (n) await take(plan, row, strands, n, work);
  else {
    const pictures = startsOf(plan, states).map((start) => seen(model, start));
    work.recording.rows.set(row, pictures);
    work.addResult({ kind: "step", row, k: 0, s: 0, x0: pictures });
  }
  work.addResult({ kind: "row", row, spread: spread(work.recording.rows.get(row)) });
}
