// The planner of In the plane: two lanes move the same cloud of points from noise to data.

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
/** times: when the cloud of the lane is shown, from T down to 0. @typedef {{ name: string, denoiser: string, options: Options, times: number[], kind: StepKind }} Lane */
/** T: the steps of the full chain. @typedef {Plan & { data: Data, T: number, lanes: Lane[] }} CloudsPlan */
/** How a training goes. curve: its steps with their loss. least: the loss of the exact ε. x: a small cloud of the network as it is, in UNIT of process/plane.js; null when it is trained. @typedef {{ kind: "training", steps: number, curve: [step: number, loss: number][], least: number, x: Int16Array | null }} Training */
/** A cloud of a lane at s. reach: how far the plane is seen. x: in UNIT. field: the network's score, in ARROW_UNIT; null for the exact one. @typedef {{ kind: "frame", lane: number, s: number, alpha_bar: number, reach: number, x: Int16Array, field: Int8Array | null }} Cloud */

const DRAWING = "drawing"; // the shape that visitors draw themselves
const FRAMES = 60; // at most so many clouds of a lane are shown
export const TRAINING = stepKind("plane-training", 3 * 512); // a training step goes forward and back: it counts as three evaluations
const USUAL = "linspace"; // names of lanes leave this spacing out

/** The centres and the width of the data. Throws for an empty drawing. @param {Request} request @returns {Data} */
function mixture({ shape: name, drawing, width }) {
  if (name !== DRAWING) return shape(name, width);
  if (!drawing.length) throw new UserError(PART.empty);
  return { centres: drawing.flat(), width };
}

/** A key for trained networks: everything that the training depends on. @param {Request} request */
export const networkOf = ({ shape: name, drawing, width, training }) =>
  JSON.stringify([name, name === DRAWING ? drawing : "", width, training]);

/** @param {Request} request @param {Process} exact @returns {Lane[]} */
function lanesOf(request, exact) {
  const { denoiser, variance, sampler, steps, denoiser_b, variance_b, sampler_b, steps_b, spacing, cloud } = request;
  /** @param {string} denoiser @param {string} variance @param {string} sampler @param {number} steps */
  const lane = (denoiser, variance, sampler, steps) => {
    const spaced = spacing === "auto" ? suitedSpacing(exact, sampler, steps) : spacing;
    const options = { steps, sampler, spacing: spaced, ...(sampler === "ddpm" && { variance }) };
    const ends = modelPairs(exact, steps, spaced, sampler).map(([, s]) => s);
    const kind = stepKind(`plane-${denoiser}`, cloud);
    return { name: nameOf(denoiser, options), denoiser, options, times: [exact.T, ...thin(ends, FRAMES)], kind };
  };
  return [lane(denoiser, variance, sampler, steps), lane(denoiser_b, variance_b, sampler_b, steps_b)];
}

/** The name of a lane, in a few words. @param {string} denoiser @param {Options} options */
function nameOf(denoiser, { sampler, variance, steps, spacing }) {
  const way = variance ? `${SAMPLER[sampler]} ${VARIANCE[variance]}` : SAMPLER[sampler];
  const name = `${denoiser} ε · ${way} · ${countOfSteps(steps)}`;
  return spacing === USUAL ? name : `${name} · ${spacing}`;
}

/** Whether a lane needs a trained network. @param {Request} request */
const trains = ({ denoiser, denoiser_b }) => [denoiser, denoiser_b].includes("trained");

/** @param {Request} request @param {unknown} _models @param {Catalogue} catalogue @returns {CloudsPlan} */
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
  about({ data, lanes }) {
    const [a, b] = lanes.map(({ name }) => name);
    return { summary: against([a, b]), data: drawn(data), lanes: [a, b] };
  },
  scripts: ({ request, lanes }) => ({ python: copied(() => script(request, lanes)) }),
  shown: ({ request, data, T, lanes }) => ({
    ...{ kind: "plan", T, count: request.cloud, data: drawn(data) },
    lanes: lanes.map(({ name, denoiser, times }) => ({ name, denoiser, times })),
  }),
};

/** The mixture as the page draws it. @param {Data} data @returns {Data} */
const drawn = ({ centres, width }) => ({ centres: centres.map((coordinate) => Number(coordinate.toFixed(4))), width });

/** A script that repeats both clouds with ddpm_core, prints their moments and saves their points. @param {Request} request @param {Lane[]} lanes */
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

export const files = () => import("./files.js");
