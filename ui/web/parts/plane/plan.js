// Plans the part "In the plane": two lanes move the same cloud of points from noise to data.

import { thin } from "../../plans/kept.js";
import { byKind, stepKind } from "../../plans/plan.js";
import { copied } from "../../plans/scripts.js";
import { UserError } from "../../process/errors.js";
import { exactModel, shape } from "../../process/plane.js";
import { modelPairs, suitedSpacing } from "../../process/times.js";
import { asFloat, literal, tuple } from "../../words/literal.js";
import { countOfSteps, SAMPLER, VARIANCE } from "../../words/units.js";
import { PART } from "../../words/wrong.js";
import { against } from "./words.js";

/** @import { Process } from "../../process/predict.js" */
/** @import { Catalogue } from "../../words/catalogue.js" */
/** @import { Data } from "../../process/mixture.js" */
/** @import { Plan, Request, StepKind } from "../../plans/plan.js" */

/** The arguments of `ddpm_core.plane.cloud` after the number of points. @typedef {{ steps: number, sampler: string, spacing: string, variance?: string }} Options */
/** One lane. times: the times s at which the page shows the lane's cloud, from T down to 0. @typedef {{ name: string, denoiser: string, options: Options, times: number[], kind: StepKind }} Lane */
/** The plan of both lanes. T: the number of steps of the full chain. @typedef {Plan & { data: Data, T: number, lanes: Lane[] }} CloudsPlan */
/** The state of a training. curve: some steps with their loss. least: the loss of the exact ε. x: a small cloud of the network, in UNIT of process/plane.js; null after the training. @typedef {{ kind: "training", steps: number, curve: [step: number, loss: number][], least: number, x: Int16Array | null }} Training */
/** The cloud of a lane at time s. reach: the visible distance from the origin. x: points in UNIT. field: the network's score in ARROW_UNIT; null for the exact score. @typedef {{ kind: "frame", lane: number, s: number, alpha_bar: number, reach: number, x: Int16Array, field: Int8Array | null }} Cloud */

const DRAWING = "drawing"; // the shape that visitors draw themselves
const FRAMES = 60; // largest number of clouds that a lane shows
export const TRAINING = stepKind("plane-training", 3 * 512); // a training step goes forward and back, so it counts as three evaluations
const USUAL = "linspace"; // the usual spacing, which the name of a lane does not mention

/** Return the centres and the width of the data. Throws a UserError if the drawing is empty. @param {Request} request @returns {Data} */
function mixture({ shape: name, drawing, width }) {
  if (name !== DRAWING) return shape(name, width);
  if (!drawing.length) throw new UserError(PART.empty);
  return { centres: drawing.flat(), width };
}

/** Return the key of a trained network: all values on which its training depends. @param {Request} request */
export const networkOf = ({ shape: name, drawing, width, training }) =>
  JSON.stringify([name, name === DRAWING ? drawing : "", width, training]);

/** Return both lanes of a request. @param {Request} request @param {Process} process of the cloud @returns {Lane[]} */
function lanesOf(request, process) {
  const { denoiser, variance, sampler, steps, denoiser_b, variance_b, sampler_b, steps_b, spacing, cloud } = request;
  /** Return one lane. @param {string} denoiser @param {string} variance @param {string} sampler @param {number} steps */
  const lane = (denoiser, variance, sampler, steps) => {
    const spaced = spacing === "auto" ? suitedSpacing(process, sampler, steps) : spacing;
    const options = { steps, sampler, spacing: spaced, ...(sampler === "ddpm" && { variance }) };
    const ends = modelPairs(process, steps, spaced, sampler).map(([, s]) => s);
    const kind = stepKind(`plane-${denoiser}`, cloud); // one step evaluates all points of the cloud
    return { name: nameOf(denoiser, options), denoiser, options, times: [process.T, ...thin(ends, FRAMES)], kind };
  };
  return [lane(denoiser, variance, sampler, steps), lane(denoiser_b, variance_b, sampler_b, steps_b)];
}

/** Return the name of a lane: its denoiser, its sampler and its steps. @param {string} denoiser @param {Options} options */
function nameOf(denoiser, { sampler, variance, steps, spacing }) {
  const way = variance ? `${SAMPLER[sampler]} ${VARIANCE[variance]}` : SAMPLER[sampler];
  const name = `${denoiser} ε · ${way} · ${countOfSteps(steps)}`;
  return spacing === USUAL ? name : `${name} · ${spacing}`;
}

/** Return whether a lane needs a trained network. @param {Request} request */
const trains = ({ denoiser, denoiser_b }) => [denoiser, denoiser_b].includes("trained");

/** Check a request, and plan its lanes. A network that is trained already costs nothing. @param {Request} request @param {unknown} _models @param {Catalogue} catalogue @returns {CloudsPlan} */
function plan(request, _models, { trained }) {
  const data = mixture(request);
  const isTrained = trains(request);
  const exact = exactModel(data, request.cloud);
  const lanes = lanesOf(request, exact);
  const training = isTrained && !trained.has(networkOf(request)) ? request.training : 0;
  /** @type {[StepKind, number][]} */
  const steps = lanes.map(({ kind, options }) => [kind, options.steps]);
  return {
    ...{ request, refs: [], images: request.cloud, data, T: exact.T, lanes },
    steps: byKind([TRAINING, training], ...steps),
  };
}

/** @type {import("../../plans/plan.js").Planner<CloudsPlan>} */
export const planner = {
  refs: () => [],
  summary: () => "",
  plan,
  /** Return the facts that the page shows before the run. */
  about({ data, lanes }) {
    const [a, b] = lanes.map(({ name }) => name);
    return { summary: against([a, b]), data: rounded(data), lanes: [a, b] };
  },
  scripts: ({ request, lanes }) => ({ python: copied(() => script(request, lanes)) }),
  shown: ({ request, data, T, lanes }) => ({
    ...{ kind: "plan", T, count: request.cloud, data: rounded(data) },
    lanes: lanes.map(({ name, denoiser, times }) => ({ name, denoiser, times })),
  }),
};

/** Return a mixture with rounded centres, which are exact enough for drawing. @param {Data} data @returns {Data} */
const rounded = ({ centres, width }) => ({
  centres: centres.map((coordinate) => Number(coordinate.toFixed(4))),
  width,
});

/** Return a Python script that repeats both clouds with ddpm_core, prints their moments and saves their points. @param {Request} request @param {Lane[]} lanes */
function script(request, lanes) {
  const { width, cloud, seed, training } = request;
  const data =
    request.shape === DRAWING
      ? `drawing(${literal(request.drawing.map((/** @type {number[]} */ at) => tuple(at.map(asFloat))))}`
      : `shape(${literal(request.shape)}`;
  const network = trains(request);
  return `import numpy as np

from ddpm_core import plane
${network ? "from ddpm_core.plane import plane_network\n" : ""}
mixture = plane.${data}, width=${asFloat(width)})
exact = plane.exact_model(mixture)
${network ? `trained = plane_network.train(mixture, steps=${training})  # about ten seconds for 3000\n` : ""}lanes = {
    "A": (${lanes[0].denoiser}, ${literal(lanes[0].options)}),
    "B": (${lanes[1].denoiser}, ${literal(lanes[1].options)}),
}
print("data: mean", mixture.mean().tolist(), "trace", mixture.covariance().trace().item())
for name, (model, options) in lanes.items():
    *_, last = plane.cloud(model, ${seed}, ${cloud}, **options)
    x = last.x.flatten(1)  # (${cloud}, 2)
    print(f"{name}: mean", x.mean(0).tolist(), "trace", x.T.cov().trace().item())
    np.savetxt(f"{name}.csv", x.numpy(), delimiter=",")
`;
}

/** Load the module that saves results. */
export const files = () => import("./files.js");
