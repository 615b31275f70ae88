// In the plane, as ui/parts/plane.py computes it with the exact ε. A network is trained by the installed lab only.

import { round } from "../../process/floats.js";
import { gaussian } from "../../process/noise.js";
import { exactModel, shape } from "../../process/plane.js";
import { trajectory } from "../../process/runs.js";

/** @import { CloudsPlan } from "../../plans/plane.js" */
/** @import { Run } from "../jobs.js" */
/** @import { Part } from "./index.js" */

const TIMED = 100; // points
const UNIT = 6 / 32767; // of coordinates on their way to the page
const [NEAR, FAR] = [1.2, 2.4]; // what is seen of the plane at t = 0 and at T: up to so far from 0

/** The pace of such a step, so that the first visitor, too, is told how long a run takes. @returns {[seconds: number, images: number]} */
export function timed() {
  const { network } = exactModel(shape("ring", 0.06), TIMED);
  const x = new Float32Array(2 * TIMED);
  network(x, 500, null); // the first one is slower
  const began = performance.now();
  network(x, 500, null);
  return [(performance.now() - began) / 1000, TIMED];
}

/** @param {Float32Array} x */
const packed = (x) => Int16Array.from(x, (value) => Math.max(-32767, Math.min(32767, round(value / UNIT) || 0)));

/** @param {CloudsPlan} plan @param {unknown} _ @param {Run} work */
async function compute({ request, data, lanes }, _, work) {
  work.give({ kind: "plan" });
  const exact = exactModel(data, request.cloud);
  const seed = BigInt(request.seed);
  /** @param {number} lane @param {number} s @param {Float32Array} x */
  const frame = (lane, s, x) => {
    const alphaBar = exact.alphaBar[s];
    const reach = Math.sqrt(alphaBar * NEAR ** 2 + (1 - alphaBar) * FAR ** 2);
    work.give({ kind: "frame", lane, s, alpha_bar: alphaBar, reach, x: packed(x), field: null });
  };
  for (const lane of lanes.keys()) frame(lane, exact.T, gaussian(seed, 0, 2 * request.cloud));
  const runs = lanes.map(({ options }) => trajectory(exact, { ...options, seed }));
  const next = [];
  for (const run of runs) next.push((await run.next()).value);
  while (next.some(Boolean)) {
    const lane = next.indexOf(next.reduce((a, b) => (!b || (a && a.t >= b.t) ? a : b)));
    const step = next[lane];
    if (lanes[lane].times.includes(step.s)) frame(lane, step.s, step.x);
    if (step.s === 0) work.recording.clouds.set(lane, step.x);
    next[lane] = (await runs[lane].next()).value;
    await work.count(lanes[lane].kind);
  }
}

/** @type {Part} */
export const plane = { computation: { record: () => ({ clouds: new Map() }), compute } };
