// Computes the part "In the plane": two clouds of points move from noise to data. If a lane needs a network, the
// network is trained first.

import { pageKernel } from "../../network/kernel.js";
import { leastLoss, training } from "../../network/plane.js";
import { round } from "../../process/floats.js";
import { Mixture } from "../../process/mixture.js";
import { gaussian } from "../../process/noise.js";
import { ARROW_UNIT, ARROWS, exactModel, planeModel, shape, UNIT } from "../../process/plane.js";
import { trajectory } from "../../process/runs.js";
import { networkOf, TRAINING } from "./plan.js";

/** @import { Cloud, CloudsPlan, Training } from "./plan.js" */
/** @import { Process } from "../../process/predict.js" */
/** @import { PlaneNetwork } from "../../network/plane.js" */
/** @import { Computation, Work } from "../../computing/computation.d.ts" */
/** A trained network. curve: some training steps, each with the mean loss since the step before it in the curve. @typedef {{ network: PlaneNetwork, curve: [step: number, loss: number][] }} Trained */

const [NEAR, FAR] = [1.2, 2.4]; // visible distance from the origin at t = 0 and at t = T
const EVERY = 25; // number of training steps between two points of the loss curve
const [PREVIEW, SKETCH] = [300, { steps: 20, sampler: "ddim" }]; // number of points and settings of a run that previews a network during its training
const PAUSE = 400; // shortest time between two previews, in ms
const LIMIT = 4; // largest number of networks that are kept; each takes 4 MB
const [TIMED, TRIES] = [512, 6]; // number of points in a timed evaluation, and number of repetitions of each timing

/** The networks that were trained last, by the key that `networkOf` returns. @type {Map<string, Trained>} */
const networks = new Map();

/** Return a network as a model of clouds with this many points. @param {PlaneNetwork} network @param {number} points */
const trainedModel = (network, points) => planeModel(points, (x, tIndex) => network.evaluate(x, tIndex));

/** Measure how long a step takes. Then the page can estimate a run's time before the first run. @param {string} name of the kind of step @returns {Promise<[seconds: number, images: number]>} */
export async function timed(name) {
  const data = shape("ring", 0.06);
  const exact = exactModel(data, TIMED);
  if (name === "plane-exact") return timeEvaluation(exact);
  const steps = training(await pageKernel("kernel"), data, exact, TRIES);
  const { network } = steps.next().value;
  return name === TRAINING.ref
    ? [leastTime(() => steps.next()), TRAINING.batch]
    : timeEvaluation(trainedModel(network, TIMED));
}

/** Measure an evaluation of a model. @param {Process} model @returns {[seconds: number, images: number]} */
function timeEvaluation(model) {
  const x = new Float32Array(2 * TIMED);
  return [leastTime(() => model.network(x, 500, null)), TIMED];
}

/** Return the shortest duration of several calls, in seconds. Other calls may take longer, because the first call is slower, and other programs may interrupt a call. @param {() => unknown} act */
function leastTime(act) {
  const tries = Array.from({ length: TRIES }, () => {
    const began = performance.now();
    act();
    return (performance.now() - began) / 1000;
  });
  return Math.min(...tries);
}

/** Write values into an integer array, where 1 stands for `unit`. Limit them to the range of the array's type. @template {Int8Array | Int16Array} A @param {A} to @param {ArrayLike<number>} values @param {number} unit @returns {A} */
function pack(to, values, unit) {
  const most = 2 ** (8 * to.BYTES_PER_ELEMENT - 1) - 1;
  for (let i = 0; i < to.length; i++)
    to[i] = Math.max(-most, Math.min(most, round(Math.fround(values[i] / Math.fround(unit))) || 0));
  return to;
}
/** Convert coordinates to integers, where 1 stands for UNIT. @param {Float32Array} x */
const points = (x) => pack(new Int16Array(x.length), x, UNIT);

/**
 * Return the network's score on a square grid of ARROWS × ARROWS points up to `reach` from 0, in rows from the top. The
 * score is multiplied by √V, so that arrows are about equally long at every t. V is the variance of one component of
 * the mixture q(x_t).
 * @param {PlaneNetwork} network @param {Mixture} mixture @param {number} t @param {number} alphaBar of t @param {number} reach
 */
function arrows(network, mixture, t, alphaBar, reach) {
  /** Return the coordinate of column i. */
  const tick = (/** @type {number} */ i) => reach * (1 - 1 / ARROWS) * ((2 * i) / (ARROWS - 1) - 1);
  const at = Float32Array.from({ length: 2 * ARROWS ** 2 }, (_, i) =>
    i % 2 ? -tick(Math.floor(i / 2 / ARROWS)) : tick((i / 2) % ARROWS),
  );
  const scale = -Math.sqrt(mixture.variance(alphaBar) / (1 - alphaBar));
  const score = network.evaluate(at, t - 1).map((eps) => scale * eps);
  return pack(new Int8Array(score.length), score, ARROW_UNIT);
}

/** Return the trained network of a plan. Train it now if no earlier run has trained it. @param {CloudsPlan} plan @param {Process} exact @param {Work<Training | Cloud>} work */
async function networkFor({ request, data }, exact, work) {
  const key = networkOf(request);
  const steps = request.training;
  const lowest = leastLoss(data, exact);
  /** Send the state of the training. @param {Trained["curve"]} curve @param {Int16Array | null} x a small cloud that the network draws */
  const report = (curve, x) => work.addResult({ kind: "training", steps, curve: [...curve], least: lowest, x });
  /** Return a small cloud that a network draws. @param {PlaneNetwork} network */
  const preview = async (network) => {
    let last = null;
    for await (last of trajectory(trainedModel(network, PREVIEW), { ...SKETCH, seed: BigInt(request.seed) }));
    return last && points(last.x);
  };
  const found = networks.get(key) ?? (await train());
  networks.delete(key);
  networks.set(key, found); // moves the network to the end of the map, whose first network is dropped
  if (networks.size > LIMIT) networks.delete([...networks.keys()][0]);
  report(found.curve, null);
  return found.network;

  /** Train the network, and send its loss and previews. @returns {Promise<Trained>} */
  async function train() {
    const all = training(await pageKernel("kernel"), data, exact, steps);
    const { network } = all.next().value;
    /** @type {Trained["curve"]} */
    const curve = [];
    let [sum, reported] = [0, 0];
    report(curve, await preview(network));
    for (const { step, loss } of all) {
      await work.count(TRAINING);
      sum += loss;
      if (step % EVERY && step < steps) continue;
      curve.push([step, sum / (step - (curve.at(-1)?.[0] ?? 0))]);
      sum = 0;
      if (performance.now() - reported < PAUSE) continue;
      report(curve, await preview(network));
      reported = performance.now();
    }
    return { network, curve };
  }
}

/** Compute both clouds of a plan, and send their frames in the order of falling time. @param {CloudsPlan} plan @param {unknown} _ @param {Work<Training | Cloud>} work */
async function compute(plan, _, work) {
  const { request, data, lanes } = plan;
  work.addResult({ kind: "plan" });
  const mixture = new Mixture(data);
  const exact = exactModel(data, request.cloud);
  const network = lanes.some(({ denoiser }) => denoiser === "trained") ? await networkFor(plan, exact, work) : null;
  const own = network && trainedModel(network, request.cloud);
  const seed = BigInt(request.seed);
  /** Send the cloud of a lane at time s. @param {number} lane @param {number} s @param {Float32Array} x */
  const frame = (lane, s, x) => {
    const alphaBar = exact.alphaBar[s];
    const reach = Math.sqrt(alphaBar * NEAR ** 2 + (1 - alphaBar) * FAR ** 2);
    const t = Math.max(s, 1); // the network takes only t from 1 to T
    const field =
      network && lanes[lane].denoiser === "trained" ? arrows(network, mixture, t, exact.alphaBar[t], reach) : null;
    work.addResult({ kind: "frame", lane, s, alpha_bar: alphaBar, reach, x: points(x), field });
  };
  for (const lane of lanes.keys()) frame(lane, exact.T, gaussian(seed, 0, 2 * request.cloud));
  const runs = lanes.map(({ denoiser, options }) =>
    trajectory(denoiser === "trained" && own ? own : exact, { ...options, seed }),
  );
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

/** @type {Computation} */
export const computation = { record: () => ({ clouds: new Map() }), compute };
