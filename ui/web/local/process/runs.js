// Runs: which steps they take, and their steps one by one as they are asked for. See ddpm_core/runs.py.

import { gaussian } from "./noise.js";
import { checkSignal, conditions, predict } from "./predict.js";
import { SAMPLERS } from "./samplers.js";
import { checkStudent, modelPairs, quoted, samplerOf, stepsOf } from "./times.js";

/** @import { Seed } from "./noise.js" */
/** @import { Condition, Denoised, Process, Spec } from "./predict.js" */
/** @import { Advance, Correct, Sigma, Sigmas } from "./samplers.js" */
/** @import { Pair } from "./times.js" */

/**
 * steps, sampler, variance, spacing: null is the model's own. start: the t of xT, where a chain begins below T.
 * label, negative: what the network is told, and what guidance leads away from. xT: instead of the seed's.
 * @typedef {{
 *   seed: Seed, steps?: number | null, sampler?: string | null, variance?: string | null, spacing?: string | null,
 *   eta?: number, start?: number | null, clip?: boolean | null, label?: Condition, negative?: Condition,
 *   guidance?: number | null, xT?: Float32Array,
 * }} Settings
 * @typedef {{ shared: number, onStep: (step: Step, seed: Seed) => Float32Array }} Touch of a lane that has so many steps of
 *   the first one, and goes on from what onStep makes of x
 */

/**
 * One step, from x_t to x = x_s. x0: x̂_0 as seen from x_t, to be shown. sigma: of the noise that was added.
 * @typedef {{ index: number, t: number, s: number, x: Float32Array, x0: Float32Array, sigma: Sigma }} Step
 */

/**
 * What a run does: start() gives what takes its steps, one after the other.
 * @typedef {{ name: string, pairs: Pair[], sigmas: Sigmas, memory: boolean, start: () => Advance, correct?: Correct }} Chain
 */

const VARIANCES = ["beta", "beta_tilde", "analytic", "learned", "learned_range"];

/** @param {(name: string) => boolean} has @param {string} [between] */
const named = (has, between = ", ") =>
  Object.keys(SAMPLERS)
    .filter(has)
    .map((name) => `'${name}'`)
    .join(between);

/**
 * The chain that settings are for a model. Throws a sentence for what the model does not allow.
 * @param {Spec} model @param {Omit<Settings, "seed">} settings
 * @returns {Chain}
 */
export function chain(model, { steps, sampler, variance, spacing, eta = 0, start, guidance }) {
  const { student } = model;
  const name = sampler ?? (student ? samplerOf(student) : "ddpm");
  if (!Object.hasOwn(SAMPLERS, name))
    throw new Error(`unknown sampler '${name}': choose from ${Object.keys(SAMPLERS).join(", ")}`);
  const chosen = SAMPLERS[name];
  const pairs = modelPairs(model, steps ?? (student ? stepsOf(student) : 50), spacing ?? null, name, start);
  checkSignal(model, pairs[0][0]);
  checkOptions(name, { variance: variance ?? null, eta: eta || null });
  if (!(eta >= 0 && eta <= 1)) throw new Error(`eta must lie between 0 and 1, got ${eta}`);
  if (student) checkStudent(student, name, pairs, eta);
  const options = { variance: variance ?? model.variance, eta };
  if (chosen.option === "variance") checkVariance(model, options.variance, pairs, guidance ?? 1);
  if (chosen.memory && model.alphaBar[pairs[0][0]] === 0)
    throw new Error(`sampler '${name}' can't start from pure noise (alpha_bar[T] = 0): use ddpm or ddim`);
  const sigmas = chosen.sigmas(model, pairs, options);
  const advance = () => chosen.advance(model, sigmas, options);
  return { name, pairs, sigmas, memory: chosen.memory ?? false, start: advance, correct: chosen.correct?.(model) };
}

/** @param {string} sampler @param {Record<string, unknown>} options null for those that were not given */
function checkOptions(sampler, options) {
  for (const [option, value] of Object.entries(options)) {
    if (value === null || SAMPLERS[sampler].option === option) continue;
    const owners = named((name) => SAMPLERS[name].option === option, " and ");
    throw new Error(`${option} belongs to the sampler ${owners}, and this run has '${sampler}': leave it out`);
  }
}

/**
 * Throw where the run can't be taken up at any of its states.
 * @param {{ name: string, memory: boolean }} chain
 */
export function checkNoMemory({ name, memory }) {
  if (memory)
    throw new Error(
      `the sampler '${name}' remembers earlier steps, so its chain can't be continued or changed on the way: ` +
        `use ${named((other) => !SAMPLERS[other].memory)}`,
    );
}

/** @param {Spec} model @param {string} variance @param {Pair[]} pairs @param {number} guidance */
function checkVariance(model, variance, pairs, guidance) {
  if (!VARIANCES.includes(variance))
    throw new Error(`unknown variance '${variance}': choose from ${VARIANCES.join(", ")}`);
  if (variance.startsWith("learned") && variance !== model.variance)
    throw new Error(
      `variance '${variance}' needs a network that was trained with it; this one has '${model.variance}'`,
    );
  if (variance === "learned" && pairs.some(([t, s]) => t - s > 1))
    throw new Error(
      "variance 'learned' needs the whole chain: use as many steps as there are times " +
        `(from T, ${model.T}), or another variance`,
    );
  if (variance !== "analytic") return;
  if (!model.gamma)
    throw new Error(
      "the analytic variance was not estimated for these weights: " +
        `run \`python -m train gamma ${model.source ? quoted(model.source.ref) : "CHECKPOINT"} --data DATA\` ` +
        "with what they were trained on, or use another variance",
    );
  if (guidance !== 1) throw new Error("the analytic variance is not defined with guidance: use another variance");
}

/**
 * The steps of a run of one image.
 * @param {Process} model @param {Settings} settings
 * @returns {AsyncGenerator<Step>}
 */
export function trajectory(model, settings) {
  if ((settings.start ?? model.T) !== model.T && !settings.xT)
    throw new Error(`a chain that starts at t = ${settings.start} needs its state there`);
  const { x, evaluate, noise } = begin(model, settings);
  return walk(chain(model, settings), evaluate, x, noise);
}

/**
 * The state that a run begins with, its evaluations, and the noise of step `index`.
 * @param {Process} model @param {Settings} settings
 */
export function begin(model, { seed, xT, clip, ...asked }) {
  const guidance = asked.guidance ?? null;
  if (guidance !== null && !Number.isFinite(Math.fround(guidance)))
    throw new Error(`guidance must be a finite number in float32, got ${guidance}`);
  const told = conditions(model, asked);
  const n = model.channels * model.size ** 2;
  return {
    x: xT ?? gaussian(seed, 0, n),
    evaluate: (/** @type {Float32Array} */ x, /** @type {number} */ t) =>
      predict(model, x, t, { told, guidance, clip }),
    noise: (/** @type {number} */ index) => gaussian(seed, index + 1, n),
  };
}

/**
 * @param {Chain} chain @param {(x: Float32Array, t: number) => Promise<Denoised>} evaluate @param {Float32Array} x
 * @param {(index: number) => Float32Array} noise
 * @param {(step: Step) => Float32Array} [onStep] what is gone on from @param {number} [from] the first step
 * @returns {AsyncGenerator<Step>}
 */
export async function* walk({ pairs, start, correct }, evaluate, x, noise, onStep = (step) => step.x, from = 0) {
  const advance = start();
  let state = x;
  for (const [index, [t, s]] of pairs.entries()) {
    if (index < from) continue;
    if (correct) state = correct(await evaluate(state, t), index, t, state, noise);
    const found = await evaluate(state, t);
    const [next, sigma] = advance(found, index, t, s, state, noise);
    const step = { index, t, s, x: next, x0: found.x0Hat, sigma };
    step.x = state = onStep(step);
    yield step;
  }
}

/**
 * Several runs of the same seeds, all lanes in order of falling t: of each of a lane's steps the images one by one.
 * @param {Seed[]} seeds @param {(Omit<Settings, "seed"> & { model: Process, touch?: Touch | null })[]} lanes
 */
export function sideBySide(seeds, lanes) {
  const [{ model: first }] = lanes;
  if (lanes.some(({ model }) => model.channels !== first.channels || model.size !== first.size))
    throw new Error("two models beside each other must make images of one size and as many channels");
  const at = lanes.map((lane) => chain(lane.model, lane).pairs[0][0]);
  /** @type {Step[]} of the first lane, of each image */
  const newest = [];
  /** @param {typeof lanes[number]} lane @param {Seed} seed @param {number} image @param {Touch} touch @returns {AsyncGenerator<Step>} */
  async function* touched(lane, seed, image, { shared, onStep }) {
    const { evaluate, noise, ...begun } = begin(lane.model, { ...lane, seed });
    let { x } = begun;
    const change = (/** @type {Step} */ step) => onStep(step, seed);
    for (let k = 0; k < shared; k++) {
      const step = newest[image];
      x = k === shared - 1 ? change(step) : step.x;
      yield { ...step, x };
    }
    yield* walk(chain(lane.model, lane), evaluate, x, noise, change, shared);
  }
  const runs = lanes.map((lane) =>
    seeds.map((seed, image) =>
      lane.touch ? touched(lane, seed, image, lane.touch) : trajectory(lane.model, { ...lane, seed }),
    ),
  );
  return (async function* () {
    while (Math.max(...at)) {
      const lane = at.indexOf(Math.max(...at));
      for (const [image, run] of runs[lane].entries()) {
        const step = /** @type {Step} */ ((await run.next()).value);
        at[lane] = step.s;
        if (!lane) newest[image] = step;
        yield { lane, image, step };
      }
    }
  })();
}
