// In the plane: two clouds of points move from noise to data. If one of them needs a network, it is trained before.

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
/** curve: some steps of the training, each with the loss since the one before. @typedef {{ network: PlaneNetwork, curve: [step: number, loss: number][] }} Trained */

const [NEAR, FAR] = [1.2, 2.4]; // what is seen of the plane at t = 0 and at T: up to so far from 0
const EVERY = 25; // steps of a training for a point of its curve
const [PREVIEW, SKETCH] = [300, { steps: 20, sampler: "ddim" }]; // points and run that show a network in training
const PAUSE = 400; // ms between two previews
const LIMIT = 4; // networks that are kept; each takes 4 MB
const [TIMED, TRIES] = [512, 6]; // points of an evaluation that is timed, and how often it or a step of a training is

/** The networks that were trained last, by `networkOf`. @type {Map<string, Trained>} */
const networks = new Map();

/** @param {PlaneNetwork} network @param {number} points */
const trainedModel = (network, points) => planeModel(points, (x, tIndex) => network.evaluate(x, tIndex));

/** The pace of a kind of step, so that the first visitor, too, is told how long a run takes. @param {string} name @returns {Promise<[seconds: number, images: number]>} */
export async function timed(name) {
  const data = shape("ring", 0.06);
  const exact = exactModel(data, TIMED);
  if (name === "plane-exact") return evaluation(exact);
  const steps = training(await pageKernel("kernel"), data, exact, TRIES);
  const { network } = steps.next().value;
  return name === TRAINING.ref ? [least(() => steps.next()), TRAINING.batch] : evaluation(trainedModel(network, TIMED));
}

/** @param {Process} model @returns {[seconds: number, images: number]} */
function evaluation(model) {
  const x = new Float32Array(2 * TIMED);
  return [least(() => model.network(x, 500, null)), TIMED];
}

/** The least seconds of some tries: the first is slower, and so is one that another program interrupts. @param {() => unknown} act */
function least(act) {
  const tries = Array.from({ length: TRIES }, () => {
    const began = performance.now();
    act();
    return (performance.now() - began) / 1000;
  });
  return Math.min(...tries);
}

/** Whole numbers of a unit, as many as the type has. @template {Int8Array | Int16Array} A @param {A} to @param {ArrayLike<number>} values @param {number} unit @returns {A} */
function packed(to, values, unit) {
  const most = 2 ** (8 * to.BYTES_PER_ELEMENT - 1) - 1;
  for (let i = 0; i < to.length; i++)
    to[i] = Math.max(-most, Math.min(most, round(Math.fround(values[i] / Math.fround(unit))) || 0));
  return to;
}
/** @param {Float32Array} x */
const points = (x) => packed(new Int16Array(x.length), x, UNIT);

/**
 * The network's score on a square of ARROWS × ARROWS points up to `reach` from 0, rows from the top. Its unit is 1/√V, where V
 * is the variance of a part of q(x_t): so the arrows are about equally long at every t.
 * @param {PlaneNetwork} network @param {Mixture} mixture @param {number} t @param {number} alphaBar of t @param {number} reach
 */
function arrows(network, mixture, t, alphaBar, reach) {
  const tick = (/** @type {number} */ i) => reach * (1 - 1 / ARROWS) * ((2 * i) / (ARROWS - 1) - 1);
  const at = Float32Array.from({ length: 2 * ARROWS ** 2 }, (_, i) =>
    i % 2 ? -tick(Math.floor(i / 2 / ARROWS)) : tick((i / 2) % ARROWS),
  );
  const scale = -Math.sqrt(mixture.variance(alphaBar) / (1 - alphaBar));
  const score = network.evaluate(at, t - 1).map((eps) => scale * eps);
  return packed(new Int8Array(score.length), score, ARROW_UNIT);
}

/** Give the network of a plan, which may have to be trained. @param {CloudsPlan} plan @param {Process} exact @param {Work<Training | Cloud>} work */
async function trained({ request, data }, exact, work) {
  const key = networkOf(request);
  const steps = request.training;
  const lowest = leastLoss(data, exact);
  /** @param {Trained["curve"]} curve @param {Int16Array | null} x */
  const report = (curve, x) => work.give({ kind: "training", steps, curve: [...curve], least: lowest, x });
  /** @param {PlaneNetwork} network */
  const preview = async (network) => {
    let last = null;
    for await (last of trajectory(trainedModel(network, PREVIEW), { ...SKETCH, seed: BigInt(request.seed) }));
    return last && points(last.x);
  };
  const found = networks.get(key) ?? (await train());
  networks.delete(key);
  networks.set(key, found); // now it is the newest
  if (networks.size > LIMIT) networks.delete([...networks.keys()][0]);
  report(found.curve, null);
  return found.network;

  /** @returns {Promise<Trained>} */
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

/** @param {CloudsPlan} plan @param {unknown} _ @param {Work<Training | Cloud>} work */
async function compute(plan, _, work) {
  const { request, data, lanes } = plan;
  work.give({ kind: "plan" });
  const mixture = new Mixture(data);
  const exact = exactModel(data, request.cloud);
  const network = lanes.some(({ denoiser }) => denoiser === "trained") ? await trained(plan, exact, work) : null;
  const own = network && trainedModel(network, request.cloud);
  const seed = BigInt(request.seed);
  /** @param {number} lane @param {number} s @param {Float32Array} x */
  const frame = (lane, s, x) => {
    const alphaBar = exact.alphaBar[s];
    const reach = Math.sqrt(alphaBar * NEAR ** 2 + (1 - alphaBar) * FAR ** 2);
    const t = Math.max(s, 1); // the network knows no time 0
    const field =
      network && lanes[lane].denoiser === "trained" ? arrows(network, mixture, t, exact.alphaBar[t], reach) : null;
    work.give({ kind: "frame", lane, s, alpha_bar: alphaBar, reach, x: points(x), field });
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
