// Computes the part "Fill in what was erased" in the browser, by replacement, RePaint or DDNM. ui/parts/repair.py does
// the same on a server, and also has methods that need gradients.

import { addSource, chainOf, column, kept, sampled, seen, spread, take, variances } from "../../computing/rows.js";
import { seedsOfColumns } from "../../plans/rows.js";
import { fromUint8 } from "../../process/floats.js";
import { blur, downsample, grey, mask, restore } from "../../process/restore.js";
import { BLUR, known, methods, SHRUNK, sourceOf } from "./plan.js";

/** @import { Picture } from "../../pictures/resize.js" */
/** @import { Request } from "../../plans/plan.js" */
/** @import { RowsPlan } from "../../plans/rows.js" */
/** @import { Measurement } from "../../process/restore.js" */
/** @import { Chains, Computation, Loaded as Model, Strands, Work } from "../../computing/computation.d.ts" */

/** @type {Computation} */
export const computation = { ...kept, chains, compute };

/** Return the task's operator A, which keeps only a part of a picture: y = A x. @param {Request} request @param {number} size @param {number} channels @returns {Measurement} */
function measurementOf(request, size, channels) {
  if (request.task === "mask") return mask(known(request, size));
  if (request.task === "grey") return grey(channels);
  return request.task === "downsample" ? downsample(SHRUNK, size) : blur(BLUR, size);
}

/** Return a function that takes the number of a picture and yields the picture's sampling steps. Phase 0 draws the whole picture, phase 1 the completions. @param {RowsPlan} plan @param {Model[]} models @param {number} phase @param {Float32Array} y the part that is left of the picture @returns {Chains} */
function chains(plan, [model], phase, y) {
  const { request, columns } = plan;
  if (!phase) return () => sampled(plan, model, sourceOf(request), 0);
  const measurement = measurementOf(request, model.size, model.channels);
  const all = methods(request);
  return (number) => {
    const [method, seed] = [all[Math.floor(number / columns)], seedsOfColumns(request)[number % columns]];
    const chain = restore(model, y, measurement, method, { ...chainOf(plan, model), seed: BigInt(seed) });
    return column(plan, model, chain, request.steps, all.length);
  };
}

/** Compute the picture, the part that is left of it, and the completions by each method; send all to the page. @param {RowsPlan} plan @param {Model[]} models @param {Work} work */
async function compute(plan, [model], work) {
  const { request } = plan;
  work.addResult({ kind: "plan" });
  const { data } = await addSource(plan, 0, sourceOf(request), work, work.share(0));
  const measurement = measurementOf(request, model.size, model.channels);
  const y = measurement.forward(fromUint8(data, model.channels));
  work.addResult({ kind: "source", i: 1, x: [seen(model, measurement.pseudoinverse(y))], final: true });
  const rows = work.share(1, y);
  for (const row of methods(request).keys()) await computeRow(plan, row, y, measurement, work, rows);
}

/** Compute the completions by one method, how much they differ, and how well they fit y. @param {RowsPlan} plan @param {number} row the index of the method @param {Float32Array} y the part that is left of the picture @param {Measurement} measurement @param {Work} work @param {Strands} strands */
async function computeRow(plan, row, y, measurement, work, strands) {
  const { request } = plan;
  const how = { repeats: methods(request)[row] !== "ddnm", withX: true };
  const last = await take(plan, row, strands, request.steps, work, how);
  const pictures = work.recording.rows.get(row);
  work.addResult({ kind: "map", row, x: [[differences(pictures)]] });
  let gaps = 0;
  for (const { state } of last) {
    const measured = measurement.forward(/** @type {Float32Array} */ (state));
    for (const [i, value] of measured.entries()) gaps += (value - y[i]) ** 2;
  }
  const gap = 127.5 * Math.sqrt(gaps / (last.length * y.length));
  work.addResult({ kind: "row", row, spread: spread(pictures), gap });
}

/** Return a grey picture that shows where pictures differ: the larger their standard deviation, the brighter the pixel. @param {Picture[]} pictures @returns {Picture} */
function differences(pictures) {
  const [{ width, height, channels }] = pictures;
  const found = variances(pictures);
  const data = Uint8Array.from({ length: width * height }, (_, pixel) => {
    const own = found.subarray(pixel * channels, (pixel + 1) * channels);
    return Math.min(255, (2 * own.reduce((sum, one) => sum + Math.sqrt(one), 0)) / channels);
  });
  return { width, height, channels: 1, data };
}
