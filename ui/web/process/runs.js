// Runs of the reverse process. Each step is computed when the caller asks for it: see ddpm_core/runs.py.

import { UserError } from "./errors.js";
import { gaussian } from "./noise.js";
import { checkSignal, conditions, predict } from "./predict.js";
import { checkStart, checkTimesOf, listSamplers, optionsOf, SAMPLERS } from "./samplers.js";
import { checkStudent, modelPairs, samplerOf, stepsOf } from "./times.js";

/** @import { Seed } from "./noise.js" */
/** @import { Condition, Denoised, ModelSpec, Probe, Process } from "./predict.js" */
/** @import { Advance, Evaluate, Sigma, Sigmas, Take } from "./samplers.js" */
/** @import { Pair } from "./times.js" */
/**
 * A reverse step t → s with ᾱ_t and σ. σ is null if the network computes it.
 * @typedef {[t: number, s: number, alphaBar: number, sigma: number | null]} Row
 */

/**
 * The settings of a run, and the sampler's options by their names. steps, sampler, spacing: null means the model's own
 * value. start: the time of xT, if the chain begins below T. label: the condition. negative: the condition that
 * guidance leads away from. xT: the first state, in place of the seed's noise. probes: returns the probes of step
 * `index` at time t for `predict`; see network/surgery.js.
 * @typedef {{
 *   seed: Seed, steps?: number | null, sampler?: string | null, spacing?: string | null, start?: number | null, clip?: boolean | null, label?: Condition, negative?: Condition,
 *   guidance?: number | null, xT?: Float32Array, probes?: (index: number, seed: Seed, t: number) => Probe[],
 * } & Record<string, any>} Settings
 * @typedef {{ shared: number, onStep: (step: Step, seed: Seed) => Float32Array }} Touch a change of a lane. The lane
 * copies its first `shared` steps from the first lane. At the last copied step and at every later step, it goes on from
 * the x that onStep returns
 * @typedef {{ from: number, x: Float32Array[] }} After a lane that begins in the middle of its chain. from: index of
 * its first step. x: each image's state before this step
 */

/**
 * One step from x_t to x = x_s. x0: the estimate x̂_0 at x_t. sigma: standard deviation of the noise that the step
 * added.
 * @typedef {{ index: number, t: number, s: number, x: Float32Array, x0: Float32Array, sigma: Sigma }} Step
 */

/**
 * The plan of a run. begin() returns the function that takes the steps in turn. advance() returns the function that
 * computes a step from one evaluation; `advance` is null for a sampler that evaluates the network itself.
 * @typedef {{ name: string, pairs: Pair[], sigmas: Sigmas, memory: boolean, begin: () => Take, advance: (() => Advance) | null }} Chain
 */

/**
 * Return the chain of a run with these settings. Throws a UserError for settings that the model does not allow.
 * @param {ModelSpec} model @param {Omit<Settings, "seed">} settings
 * @returns {Chain}
 */
export function chain(model, { steps, sampler, spacing, start, guidance, ...given }) {
  const { student } = model;
  const name = sampler ?? (student ? samplerOf(student) : "ddpm");
  if (!Object.hasOwn(SAMPLERS, name))
    throw new UserError(`unknown sampler '${name}': choose from ${Object.keys(SAMPLERS).join(", ")}`);
  const chosen = SAMPLERS[name];
  const pairs = modelPairs(model, steps ?? (student ? stepsOf(student) : 50), spacing ?? null, name, start);
  checkSignal(model, pairs[0][0]);
  checkTimesOf(
    model,
    pairs.map(([t]) => t),
  );
  const asked = optionsOf(name, given);
  if (student) checkStudent(student, name, pairs, asked.eta ?? 0);
  if (chosen.memory) checkStart(name, model, pairs);
  const options = chosen.bind?.(model, asked, pairs, guidance ?? 1) ?? asked;
  const sigmas = chosen.sigmas(model, pairs, options);
  const { advance, take } = chosen;
  const ofState = advance ? () => advance(model, sigmas, options) : null;
  const begin = () =>
    ofState ? evaluateThen(ofState()) : /** @type {NonNullable<typeof take>} */ (take)(model, pairs, sigmas, options);
  return { ...{ name, pairs, sigmas, memory: chosen.memory ?? false }, ...{ begin, advance: ofState } };
}

/**
 * Return the function that evaluates the network at the current state, and takes a step with `advance`.
 * @param {Advance} advance
 * @returns {Take}
 */
const evaluateThen = (advance) => async (evaluate, k, t, s, x, noise) => {
  const found = await evaluate(x, t);
  return [...advance(found, k, t, s, x, noise), found.x0Hat];
};

/**
 * Throw a UserError if the sampler has memory: its run can't be continued or changed at a later state.
 * @param {{ name: string, memory: boolean }} chain
 */
export function checkNoMemory({ name, memory }) {
  if (memory)
    throw new UserError(
      `the sampler '${name}' remembers earlier steps, so its chain can't be continued or changed on the way: ` +
        `use ${listSamplers((other) => !SAMPLERS[other].memory)}`,
    );
}

/**
 * Yield the steps of a run of one image.
 * @param {Process} model @param {Settings} settings @param {Chain} [made] the chain of these settings, if the caller
 * has made it
 * @returns {AsyncGenerator<Step>}
 */
export function trajectory(model, settings, made = chain(model, settings)) {
  const { x, evaluate, noise } = begin(model, settings);
  return walk(made, evaluate, x, noise);
}

/**
 * Return the first state of a run, the function that evaluates the network, and the function that returns a step's noise.
 * @param {Process} model @param {Settings} settings
 */
export function begin(model, { seed, xT, clip, probes, ...asked }) {
  const guidance = asked.guidance ?? null;
  if (guidance !== null && !Number.isFinite(Math.fround(guidance)))
    throw new UserError(`guidance must be a finite number in float32, got ${guidance}`);
  if ((asked.start ?? model.T) !== model.T && !xT)
    throw new UserError(`a chain that starts at t = ${asked.start} needs its state there`);
  const both = conditions(model, asked);
  const n = model.channels * model.size ** 2;
  return {
    x: xT ?? gaussian(seed, 0, n),
    evaluate: (/** @type {Float32Array} */ x, /** @type {number} */ t, /** @type {number} */ index) =>
      predict(model, x, t, { both, guidance, clip, probes: probes?.(index, seed, t) }),
    noise: (/** @type {number} */ index) => gaussian(seed, index + 1, n),
  };
}

/**
 * Yield the steps of a chain that starts from x.
 * @param {Chain} chain @param {(x: Float32Array, t: number, index: number) => Promise<Denoised>} evaluate @param {Float32Array} x
 * @param {(index: number) => Float32Array} noise
 * @param {(step: Step) => Float32Array} [onStep] returns the state for the next step @param {number} [first] index of the first step
 * @returns {AsyncGenerator<Step>}
 */
export async function* walk({ pairs, begin }, evaluate, x, noise, onStep = (step) => step.x, first = 0) {
  const take = begin();
  let state = x;
  for (const [index, [t, s]] of pairs.entries()) {
    if (index < first) continue;
    /** @type {Evaluate} */
    const at = (x, time) => evaluate(x, time, index);
    const [next, sigma, x0] = await take(at, index, t, s, state, noise);
    const step = { index, t, s, x: next, x0, sigma };
    step.x = state = onStep(step);
    yield step;
  }
}

/**
 * Run several lanes with the same seeds: a lane is one of several runs that are shown together. Yield their steps in
 * order of falling t. Each step of a lane is computed for all images before the next step of any lane.
 * @param {Seed[]} seeds
 * @param {(Omit<Settings, "seed"> & { model: Process, chain?: Chain, touch?: Touch, after?: After | null })[]} lanes
 * chain: the lane's chain, if the caller has made it
 */
export function sideBySide(seeds, lanes) {
  const [{ model: first }] = lanes;
  if (lanes.some(({ model }) => model.channels !== first.channels || model.size !== first.size))
    throw new UserError("two models side by side must make images of the same size and number of channels");
  const chains = lanes.map((lane) => lane.chain ?? chain(lane.model, lane));
  /** The newest step of each image in the first lane. @type {Step[]} */
  const newest = [];
  /** Yield the steps of one image in one lane. @param {number} number of the lane @param {Seed} seed @param {number} image @returns {AsyncGenerator<Step>} */
  async function* steps(number, seed, image) {
    const { touch, after, ...settings } = lanes[number];
    const xT = after?.x[image] ?? settings.xT;
    const { evaluate, noise, ...begun } = begin(settings.model, { ...settings, seed, xT });
    let { x } = begun;
    const first = after?.from ?? 0;
    const shared = touch?.shared ?? 0;
    const change = touch && ((/** @type {Step} */ step) => touch.onStep(step, seed));
    for (let k = first; change && k < shared; k++) {
      const step = newest[image];
      x = k === shared - 1 ? change(step) : step.x;
      yield { ...step, x };
    }
    yield* walk(chains[number], evaluate, x, noise, change, Math.max(first, shared));
  }
  const runs = lanes.map((_, number) => seeds.map((seed, image) => steps(number, seed, image)));
  const starts = chains.map(({ pairs }, number) => pairs[lanes[number].after?.from ?? 0][0]);
  return inOrder(starts, seeds.length, async (lane, image) => {
    const step = /** @type {Step} */ ((await runs[lane][image].next()).value);
    if (!lane) newest[image] = step;
    return step;
  });
}

/**
 * Yield the steps of lanes in order of falling t: the next step comes from the lane with the largest t, for all images.
 * @template {{ s: number }} S @param {number[]} starts t at which each lane begins @param {number} images
 * @param {(lane: number, image: number) => Promise<S>} next computes the next step of a lane's image
 */
export async function* inOrder(starts, images, next) {
  const at = [...starts];
  while (Math.max(...at)) {
    const lane = at.indexOf(Math.max(...at));
    for (let image = 0; image < images; image++) {
      const step = await next(lane, image);
      at[lane] = step.s;
      yield { lane, image, step };
    }
  }
}
