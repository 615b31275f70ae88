// Runs of the reverse chain: the steps of a run, which are computed one by one on demand. See ddpm_core/runs.py.

import { UserError } from "./errors.js";
import { gaussian } from "./noise.js";
import { checkSignal, conditions, predict } from "./predict.js";
import { checkStart, checkTimesOf, named, optionsOf, SAMPLERS } from "./samplers.js";
import { checkStudent, modelPairs, samplerOf, stepsOf } from "./times.js";

/** @import { Seed } from "./noise.js" */
/** @import { Condition, Denoised, ModelSpec, Probe, Process } from "./predict.js" */
/** @import { Advance, Evaluate, Sigma, Sigmas, Take } from "./samplers.js" */
/** @import { Pair } from "./times.js" */
/**
 * A reverse step t → s with ᾱ_t and σ. σ is null if only the network knows it.
 * @typedef {[t: number, s: number, alphaBar: number, sigma: number | null]} Row
 */

/**
 * steps, sampler, spacing: null is the model's own. The sampler's options stand beside them, by their names. start: the t of xT, where a chain begins below T.
 * label, negative: the condition, and the one that guidance leads away from. xT: instead of the seed's. probes: of the
 * evaluations of step `index` at time t, as `predict` takes them: see network/surgery.js.
 * @typedef {{
 *   seed: Seed, steps?: number | null, sampler?: string | null, spacing?: string | null, start?: number | null, clip?: boolean | null, label?: Condition, negative?: Condition,
 *   guidance?: number | null, xT?: Float32Array, probes?: (index: number, seed: Seed, t: number) => Probe[],
 * } & Record<string, any>} Settings
 * @typedef {{ shared: number, onStep: (step: Step, seed: Seed) => Float32Array }} Touch of a lane that has so many steps of
 *   the first one, and goes on from what onStep makes of x
 * @typedef {{ from: number, x: Float32Array[] }} After the state of each image before step `from`, at which a lane begins
 */

/**
 * One step, from x_t to x = x_s. x0: x̂_0 as seen from x_t, to be shown. sigma: of the noise that was added.
 * @typedef {{ index: number, t: number, s: number, x: Float32Array, x0: Float32Array, sigma: Sigma }} Step
 */

/**
 * What a run does: begin() gives the function that takes its steps, one after the other; advance() the one for steps that need
 * one evaluation at their own state, null for a sampler that evaluates the network by itself.
 * @typedef {{ name: string, pairs: Pair[], sigmas: Sigmas, memory: boolean, begin: () => Take, advance: (() => Advance) | null }} Chain
 */

/**
 * The chain that settings are for a model. Throws a UserError for what the model does not allow.
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
    ofState ? evaluated(ofState()) : /** @type {NonNullable<typeof take>} */ (take)(model, pairs, sigmas, options);
  return { ...{ name, pairs, sigmas, memory: chosen.memory ?? false }, ...{ begin, advance: ofState } };
}

/**
 * Make steps that begin with an evaluation of the network at the current state.
 * @param {Advance} advance
 * @returns {Take}
 */
const evaluated = (advance) => async (evaluate, k, t, s, x, noise) => {
  const found = await evaluate(x, t);
  return [...advance(found, k, t, s, x, noise), found.x0Hat];
};

/**
 * Throw where the run can't be taken up at any of its states.
 * @param {{ name: string, memory: boolean }} chain
 */
export function checkNoMemory({ name, memory }) {
  if (memory)
    throw new UserError(
      `the sampler '${name}' remembers earlier steps, so its chain can't be continued or changed on the way: ` +
        `use ${named((other) => !SAMPLERS[other].memory)}`,
    );
}

/**
 * The steps of a run of one image.
 * @param {Process} model @param {Settings} settings @param {Chain} [made] the chain of these settings, where it was made before
 * @returns {AsyncGenerator<Step>}
 */
export function trajectory(model, settings, made = chain(model, settings)) {
  const { x, evaluate, noise } = begin(model, settings);
  return walk(made, evaluate, x, noise);
}

/**
 * The state that a run begins with, its evaluations, and the noise of step `index`.
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
 * @param {Chain} chain @param {(x: Float32Array, t: number, index: number) => Promise<Denoised>} evaluate @param {Float32Array} x
 * @param {(index: number) => Float32Array} noise
 * @param {(step: Step) => Float32Array} [onStep] what is gone on from @param {number} [first] the number of the first step
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
 * Several runs of the same seeds, all lanes in order of falling t: of each of a lane's steps the images one by one.
 * @param {Seed[]} seeds @param {(Omit<Settings, "seed"> & { model: Process, chain?: Chain, touch?: Touch, after?: After | null })[]} lanes
 *   chain: that of the lane, where it was made before
 */
export function sideBySide(seeds, lanes) {
  const [{ model: first }] = lanes;
  if (lanes.some(({ model }) => model.channels !== first.channels || model.size !== first.size))
    throw new UserError("two models side by side must make images of the same size and number of channels");
  const chains = lanes.map((lane) => lane.chain ?? chain(lane.model, lane));
  /** @type {Step[]} of the first lane, of each image */
  const newest = [];
  /** @param {number} number @param {Seed} seed @param {number} image @returns {AsyncGenerator<Step>} */
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
 * The steps of lanes in order of falling t, and of each of a lane's steps the images one by one.
 * @template {{ s: number }} S @param {number[]} starts t at which each lane begins @param {number} images
 * @param {(lane: number, image: number) => Promise<S>} next step of a lane's image
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
