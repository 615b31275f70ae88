// Computes the part "The network" in the browser, with the same results as ui/parts/network.py.

import { kept } from "../../computing/rows.js";
import { conditioned, shown } from "../../computing/sampling.js";
import { insideOf, openLanes } from "../../network/surgery.js";
import { fitting } from "../../plans/kept.js";
import { UserError } from "../../process/errors.js";
import { sideBySide } from "../../process/runs.js";
import { NETWORK } from "../../words/wrong.js";

/** @import { Picture } from "../../pictures/resize.js" */
/** @import { NetworkPlan } from "./plan.js" */
/** @import { Readers } from "../../network/readers.js" */
/** @import { Tap } from "../../process/predict.js" */
/** @import { Computation, Loaded as Model, Work } from "../../computing/computation.d.ts" */

/** @type {Computation} */
export const computation = { ...kept, compute };

/** Compute the runs of a plan. Send the pictures of all blocks after each step. @param {NetworkPlan} plan @param {Model[]} models @param {Work} work */
async function compute(plan, [model], work) {
  const { request, options, grafted, cut, changed, times, kind } = plan;
  const { blocks, skips } = insideOf(model.config);
  const names = Object.keys(blocks);
  if (!names.includes(request.block)) throw new UserError(NETWORK.noBlock(request.block, names));
  const readers = await model.readers();
  const own = conditioned(model, options);
  /** @type {[number, number]} */
  const steps = [request.first - 1, request.last || times.length];
  const name = request.graft_block;
  const donor = grafted ? [conditioned(model, grafted)] : [];
  const other = {
    cut: cut.map((name) => ({ name, steps })),
    graft: donor.map(() => ({ name, lane: 0, steps })),
    ...{ taps: names, look: plan.place },
  };
  const whole = { ...own, surgery: { taps: names, look: plan.place } };
  const {
    lanes,
    taps,
    looks: maps,
    time,
  } = openLanes([...donor, whole, ...(changed.size ? [{ ...own, surgery: other }] : [])]);
  const r2 = readers && Object.fromEntries(names.map((name) => [name, times.map((t) => rounded(readers.r2(name, t)))]));
  const figures = readers && Object.keys(readers.about.figures).length ? readers.about.figures : null;
  work.addResult({ kind: "plan", blocks: names.map((name) => ({ name, ...blocks[name] })), skips, r2, figures });
  const seed = BigInt(request.seed);
  let held = new Set(times.keys());
  for await (const { lane, step } of sideBySide([seed], lanes)) {
    const number = lane - donor.length;
    if (number >= 0 && held.has(step.index)) {
      const { index: k, t, x, x0 } = step;
      const pictures = { x: [shown(model, x)], x0: [shown(model, x0)] };
      const [found] = taps(lane, seed);
      const seen = maps(lane, seed).map(({ name, ...map }) => ({ layer: name, maps: mapsOf(map) }));
      const looked = {
        ...blockPictures(model, readers, found, time(lane, seed), request.block),
        ...(seen.length ? { looks: seen } : {}),
      };
      work.addResult({ kind: "inside", lane: number, k, t, ...pictures, ...looked });
      if (!k && !number) held = fitting(times.length, (lanes.length - donor.length) * sizeOf([pictures, looked]));
      work.recording.rows.set(number, pictures.x);
    }
    await work.count(kind);
  }
}

/**
 * Return the pictures of one evaluation of the network: the numbers of each block as colours, and all channels of the
 * block `block`. If the model has readers (linear probes), also return each reader's estimate of x̂_0 from its block.
 * @param {Model} model @param {Readers | null} readers @param {Map<string, Tap>} taps @param {number} t @param {string} block
 */
function blockPictures(model, readers, taps, t, block) {
  const channels = channelsOf(/** @type {Tap} */ (taps.get(block)));
  const all = [...taps];
  if (!readers) return { channels, colours: all.map(([, tap]) => channelsOf(meanOf(tap))) };
  return {
    channels,
    read: all.map(([name, tap]) => [readPicture(model, readers, name, tap, t)]),
    colours: all.map(([name, tap]) => {
      const [, height, width] = tap.shape;
      return [{ width, height, channels: 3, data: readers.colours(name, tap, t) }];
    }),
  };
}

/** Return the picture that a reader (a linear probe) estimates from a block's numbers. @param {Model} model @param {Readers} readers @param {string} name @param {Tap} tap @param {number} t @returns {Picture} */
function readPicture(model, readers, name, tap, t) {
  const found = readers.read(name, tap, t);
  return model.decode ? shown(model, found) : shown({ ...model, size: readers.size }, found);
}

/** Return how many bytes the pictures in a result take. @param {any} result @returns {number} */
const sizeOf = (result) =>
  result.data?.length ??
  (result instanceof Object
    ? Object.values(result).reduce((/** @type {number} */ sum, one) => sum + sizeOf(one), 0)
    : 0);

/** Return the mean absolute value of all channels at each position. @param {Tap} tap @returns {Tap} */
function meanOf({ shape: [c, h, w], data }) {
  const mean = new Float32Array(h * w);
  for (const [i, value] of data.entries()) mean[i % mean.length] += Math.abs(value) / c;
  return { shape: [1, h, w], data: mean };
}

/** Return each channel as a grey picture, from black for its lowest number to white for its highest. @param {Tap} tap @returns {Picture[]} */
function channelsOf({ shape: [c, height, width], data }) {
  const n = height * width;
  return Array.from({ length: c }, (_, i) => {
    const numbers = data.subarray(i * n, (i + 1) * n);
    const low = Math.min(...numbers);
    const range = Math.max(Math.max(...numbers) - low, 1e-9);
    return {
      width,
      height,
      channels: 1,
      data: Uint8Array.from(numbers, (one) => Math.round((255 * (one - low)) / range)),
    };
  });
}

/** Return the attention map of each head as a grey picture. The largest attention weight of all heads is white. @param {Tap} map @returns {Picture[]} */
function mapsOf({ shape: [heads, height, width], data }) {
  const n = height * width;
  const most = data.reduce((a, b) => Math.max(a, b));
  const levels = Uint8Array.from(data, (one) => Math.round((255 * one) / most));
  return Array.from({ length: heads }, (_, i) => ({
    ...{ width, height, channels: 1 },
    data: levels.subarray(i * n, (i + 1) * n),
  }));
}

/** Round a number to three decimals. @param {number} share */
const rounded = (share) => Math.round(1000 * share) / 1000;
