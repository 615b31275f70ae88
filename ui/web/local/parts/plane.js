// In the plane, as ui/parts/plane.py computes it with the exact ε. A network is trained by the installed lab only.

import { planner, trains } from "../../plans/plane.js";
import { UserError } from "../../process/errors.js";
import { round } from "../../process/floats.js";
import { gaussian } from "../../process/noise.js";
import { exactModel, shape } from "../../process/plane.js";
import { trajectory } from "../../process/runs.js";

/** @import { CloudsPlan } from "../../plans/plane.js" */
/** @import { Run } from "../jobs.js" */
/** @import { Checkpoints } from "../checkpoints.js" */
/** @import { Part } from "./index.js" */

const EXACT = "plane-exact"; // what its steps are called
const TIMED = 100; // points
const UNIT = 6 / 32767; // of coordinates on their way to the page
const [NEAR, FAR] = [1.2, 2.4]; // what is seen of the plane at t = 0 and at T: up to so far from 0

/** Seconds that a step of so many points takes, so that the first visitor, too, is told how long a run takes. */
function timed() {
  const { network } = exactModel(shape("ring", 0.06), TIMED);
  const x = new Float32Array(2 * TIMED);
  network(x, 500, null); // the first one is slower
  const began = performance.now();
  network(x, 500, null);
  return (performance.now() - began) / 1000;
}

/** @param {Checkpoints} checkpoints @returns {Part} */
export function plane(checkpoints) {
  /** @type {typeof planner.plan} */
  const plan = (request, ...known) => {
    if (trains(request)) throw new UserError(checkpoints.knowledge.answers.installed.trained);
    if (checkpoints.seconds(EXACT) === null) checkpoints.note(EXACT, timed(), TIMED);
    return planner.plan(request, ...known);
  };
  return {
    computation: () => ({
      planner: { ...planner, plan },
      record: () => ({ clouds: new Map() }),
      compute,
    }),
  };
}

/** @param {Float32Array} x */
const packed = (x) => Int16Array.from(x, (value) => Math.max(-32767, Math.min(32767, round(value / UNIT) || 0)));

/** @param {CloudsPlan} plan @param {unknown} _ @param {Run} work */
async function compute({ request, exact, lanes }, _, work) {
  work.give({ kind: "plan" });
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
