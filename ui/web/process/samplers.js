// The samplers of ddpm_core/samplers.py, and DPM-Solver++ and UniPC as in diffusers. Each sampler computes x_s from x_t
// and the network's prediction.

import { UserError } from "./errors.js";
import { combine, minus, over } from "./floats.js";
import { qSample } from "./predict.js";
import { alphaBarAt, gammaTable, step, timeAt } from "./schedule.js";
import { quoteForShell } from "./times.js";

/** @import { Term } from "./floats.js" */
/** @import { Denoised, ModelSpec } from "./predict.js" */
/** @import { Pair } from "./times.js" */
/** @typedef {number | Float32Array} Sigma standard deviation of the noise that a step added */
/** @typedef {(k: number) => Float32Array} Noise returns the standard normal noise of step k */
/** @typedef {(found: Denoised, k: number, t: number, s: number, x: Float32Array, noise: Noise) => [Float32Array, Sigma]} Advance computes x_s and σ from one evaluation at x_t */
/** @typedef {(x: Float32Array, t: number) => Promise<Denoised>} Evaluate evaluates the network at any x and real t */
/** @typedef {(evaluate: Evaluate, k: number, t: number, s: number, x: Float32Array, noise: Noise) => Promise<[x: Float32Array, sigma: Sigma, x0: Float32Array]>} Take takes one step; x0 is the x̂_0 to show */
/** @typedef {(number | null)[]} Sigmas σ of every step, null if the network computes it */
/** @typedef {Record<string, any>} Options values by the names of the sampler's fields in Python */

/**
 * A sampler. If each step needs one evaluation of the network, it has `advance`; otherwise it has `take`.
 * @typedef {object} Sampler
 * @property {Options} [options] the defaults of its options
 * @property {(options: Options) => void} [check] throws a UserError for options outside their limits
 * @property {(model: ModelSpec, options: Options, pairs: Pair[], guidance: number) => Options} [bind] returns the
 * options, with the model's value in place of null; throws a UserError for options that the model does not allow
 * @property {boolean} [memory] whether a step depends on earlier steps
 * @property {(model: ModelSpec, pairs: Pair[], options: Options) => Sigmas} sigmas returns σ of each step of a chain
 * @property {(model: ModelSpec, sigmas: Sigmas, options: Options) => Advance} [advance] returns the function that
 * computes a step from one evaluation
 * @property {(model: ModelSpec, pairs: Pair[], sigmas: Sigmas, options: Options) => Take} [take] returns the function
 * that takes a step and evaluates the network itself
 * @property {(model: { corrections: number }) => number} [evaluations] returns the number of evaluations in a step; 1
 * if absent
 */

// The upper limit for σ in the last noisy step, as in Analytic-DPM's code
const MAX_ANALYTIC_SIGMA = 2 * (2 / 255) * Math.sqrt(Math.PI / 2);

export const VARIANCES = ["beta", "beta_tilde", "analytic", "learned", "learned_range"];

/** Ancestral sampling (Ho et al. 2020, Algorithm 2). @satisfies {Sampler} */
const ddpm = {
  options: { variance: null },
  /**
   * Return the options with the variance that the run uses. Throws a UserError for a variance that the model can't use.
   * @param {ModelSpec} model @param {Options} options @param {Pair[]} pairs @param {number} guidance @returns {Options}
   */
  bind(model, options, pairs, guidance) {
    const variance = options.variance ?? model.variance;
    if (!VARIANCES.includes(variance))
      throw new UserError(`unknown variance '${variance}': choose from ${VARIANCES.join(", ")}`);
    if (variance.startsWith("learned") && variance !== model.variance)
      throw new UserError(
        `variance '${variance}' needs a network that was trained with it; this one has '${model.variance}'`,
      );
    if (variance === "learned" && pairs.some(([t, s]) => t - s > 1))
      throw new UserError(
        "variance 'learned' needs the whole chain: use as many steps as there are times " +
          `(from T, ${model.T}), or another variance`,
      );
    if (variance === "analytic" && !model.gamma)
      throw new UserError(
        "the analytic variance was not estimated for these weights: " +
          `run \`python -m train gamma ${model.source ? quoteForShell(model.source.ref) : "CHECKPOINT"} --data DATA\` ` +
          "with the training data, or use another variance",
      );
    if (variance === "analytic" && guidance !== 1)
      throw new UserError("the analytic variance is not defined with guidance: use another variance");
    return { ...options, variance };
  },
  /** Return σ of each step, null for a step whose σ the network decides. @param {ModelSpec} model @param {Pair[]} pairs @param {Options} options @returns {Sigmas} */
  sigmas(model, pairs, { variance }) {
    if (variance.startsWith("learned")) return pairs.map(([, s]) => (s ? null : 0));
    const gamma = variance === "analytic" && model.gamma ? gammaTable(model, model.gamma) : null;
    const sigmas = pairs.map(([t, s]) => (s ? Math.sqrt(fixedVariance(model, t, s, variance, gamma)) : 0));
    const last = sigmas.length - 2;
    if (gamma && last >= 0) sigmas[last] = Math.min(sigmas[last], MAX_ANALYTIC_SIGMA);
    return sigmas;
  },
  advance:
    (/** @type {ModelSpec} */ model, /** @type {Sigmas} */ sigmas, /** @type {Options} */ { variance }) =>
    /** @type {Advance} */
    ({ x0, v }, k, t, s, x, noise) => {
      const { ofX0, ofXt } = step(model, t, s);
      const mean = combine([ofX0, x0], [ofXt, x]);
      const sigma = sigmas[k];
      if (s === 0) return [mean, 0];
      if (sigma !== null) return [combine([1, mean], [sigma, noise(k)]), sigma];
      const learned = learnedSigma(model, t, s, variance, /** @type {Float32Array} */ (v));
      const z = noise(k);
      return [mean.map((value, i) => value + Math.fround(learned[i] * z[i])), learned];
    },
};

const SNR = 0.16;
const CORRECTIONS = 2 ** 33; // offset of the indices of noise: correction i of step k uses noise k + i · 2^33

/** Return the Euclidean norm. @param {Float32Array} x */
const norm = (x) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));

/** DDPM with steps of Langevin dynamics before each step (Song et al. 2021, Algorithm 4). @type {Sampler} */
const langevin = {
  ...ddpm,
  options: { ...ddpm.options, snr: null, corrections: null },
  bind: (model, { snr, corrections, ...options }, ...rest) => ({
    ...ddpm.bind(model, options, ...rest),
    ...{ snr: snr ?? SNR, corrections: corrections ?? 1 },
  }),
  evaluations: ({ corrections }) => 1 + corrections,
  advance: undefined,
  take(model, _, sigmas, { snr, corrections, ...options }) {
    const advance = ddpm.advance(model, sigmas, options);
    return async (evaluate, k, t, s, x, noise) => {
      let state = x;
      for (let number = 1; number <= corrections; number++) {
        const [{ eps }, z] = [await evaluate(state, t), noise(number * CORRECTIONS + k)];
        const length = norm(eps);
        const ratio = length > 0 ? (snr * norm(z)) / length : 0;
        const twice = 2 * Math.sqrt(1 - alphaBarAt(model, t)) * ratio;
        state = combine([1, state], [twice, z], [-twice * ratio, eps]);
      }
      const found = await evaluate(state, t);
      return [...advance(found, k, t, s, state, noise), found.x0Hat];
    };
  },
};

/**
 * Return t̂ of each step, the time up to which churn adds noise (Karras et al. 2022, Algorithm 2).
 * @param {ModelSpec} model
 * @param {Pair[]} pairs
 * @param {Options} options
 */
function churnTimes(model, pairs, { S_churn, S_min, S_max }) {
  const gamma = Math.min(S_churn / pairs.length, Math.SQRT2 - 1);
  return pairs.map(([t]) => {
    const sigma = Math.sqrt(1 / alphaBarAt(model, t) - 1);
    return gamma && S_min <= sigma && sigma <= (S_max ?? Infinity) ? timeAt(model, (1 + gamma) * sigma) : t;
  });
}

/** Heun's method with churn (Karras et al. 2022, Algorithm 2): see `Heun` in ddpm_core/samplers.py. @type {Sampler} */
const heun = {
  options: { S_churn: 0, S_min: 0, S_max: null, S_noise: 1 },
  check(options) {
    for (const [name, value] of Object.entries(options))
      if (value !== null && !(value >= 0 && value < Infinity))
        throw new UserError(`${name} must be a number of at least 0, got ${value}`);
  },
  bind(model, options, pairs) {
    checkStart("heun", model, pairs);
    checkTimesOf(model, churnTimes(model, pairs, options));
    return options;
  },
  evaluations: () => 2,
  sigmas: (model, pairs, options) =>
    churnTimes(model, pairs, options).map((up, k) => {
      const kept = alphaBarAt(model, up) / alphaBarAt(model, pairs[k][0]);
      return options.S_noise * Math.sqrt(1 - kept);
    }),
  take(model, pairs, sigmas, options) {
    const times = churnTimes(model, pairs, options);
    return async (evaluate, k, t, s, x, noise) => {
      const up = times[k];
      const high = up > t ? qSample(model, x, up, combine([options.S_noise, noise(k)]), t) : x;
      const { eps, x0Hat } = await evaluate(high, up);
      const [at, to] = [alphaBarAt(model, up), model.alphaBar[s]];
      const a = Math.sqrt(to / at);
      const b = Math.sqrt(1 - to) - a * Math.sqrt(1 - at);
      let next = combine([a, high], [b, eps]);
      if (s) {
        const { eps: there } = await evaluate(next, s);
        next = combine([a, high], [0.5 * b, combine([1, eps], [1, there])]);
      }
      return [next, /** @type {number} */ (sigmas[k]), x0Hat];
    };
  },
};

/** Throw a UserError if the network can't be evaluated at these real times. @param {ModelSpec} model @param {number[]} times */
export function checkTimesOf({ prediction, wholeTimes }, times) {
  const real = times.find((t) => !Number.isInteger(t));
  if (real === undefined || !(wholeTimes || prediction === "mu")) return;
  const why = wholeTimes ? "knows only whole ones" : "predicts the mean of x_{t−1}, which belongs to whole times";
  throw new UserError(`t = ${Number(real.toPrecision(6))} is no whole time, but this network ${why}`);
}

/**
 * Throw a UserError if ᾱ is 0 at the first time of a chain, because the sampler divides by ᾱ.
 * @param {string} name of the sampler
 * @param {ModelSpec} model
 * @param {Pair[]} pairs
 */
export function checkStart(name, model, pairs) {
  if (model.alphaBar[pairs[0][0]] === 0)
    throw new UserError(`sampler '${name}' can't start from pure noise (alpha_bar[T] = 0): use ddpm or ddim`);
}

/**
 * Return σ² of a step whose variance is not learned: see `reverse_variance` in ddpm_core/process.py.
 * @param {ModelSpec} model @param {number} t @param {number} s @param {string} variance
 * @param {Float64Array | null} gamma
 */
function fixedVariance(model, t, s, variance, gamma) {
  const { at, as, beta, betaTilde } = step(model, t, s);
  if (variance === "beta") return model.exploding ? beta / (at / as) : beta;
  if (!gamma) return betaTilde;
  const time = at > 0 ? t : t - 1; // if x_t is pure noise, Γ_t carries no information
  const signal = alphaBarAt(model, time);
  const spread = ((1 - signal) / signal) * (1 - (1 - signal) * gammaAt(gamma, time)); // Var[x_0 | x_t]
  return betaTilde + as * (beta / (1 - at)) ** 2 * Math.min(Math.max(spread, 0), 1);
}

/**
 * Return Γ (see `gammaTable` of schedule.js) at a real time, interpolated linearly between whole times.
 * @param {Float64Array} gamma
 * @param {number} time
 */
function gammaAt(gamma, time) {
  const low = Math.max(1, Math.floor(time));
  const share = Math.max(1, time) - low;
  return share ? gamma[low] + share * (gamma[low + 1] - gamma[low]) : gamma[low];
}

/**
 * Return the learned σ of each value in a step, from the network's second output v.
 * @param {ModelSpec} model @param {number} t @param {number} s @param {string} variance @param {Float32Array} v
 */
function learnedSigma(model, t, s, variance, v) {
  const f32 = Math.fround;
  if (variance === "learned") return v.map((value) => Math.sqrt(f32(Math.exp(value))));
  const { beta, betaTilde } = step(model, t, s);
  const [high, low] = [f32(Math.log(beta)), f32(Math.log(betaTilde))];
  return v.map((value) => {
    const u = f32(f32(value + 1) / 2);
    return Math.sqrt(f32(Math.exp(f32(f32(u * high) + f32(f32(1 - u) * low)))));
  });
}

/** DDIM (Song et al. 2021, Eq. 12). @type {Sampler} */
const ddim = {
  options: { eta: 0 },
  check({ eta }) {
    if (!(eta >= 0 && eta <= 1)) throw new UserError(`eta must lie between 0 and 1, got ${eta}`);
  },
  sigmas: (model, pairs, { eta }) => pairs.map(([t, s]) => (s ? eta * Math.sqrt(step(model, t, s).betaTilde) : 0)),
  advance:
    (model, sigmas) =>
    ({ x0, eps }, k, _t, s, _x, noise) => {
      const as = model.alphaBar[s];
      const sigma = sigmas[k] ?? 0;
      const next = combine([Math.sqrt(as), x0], [Math.sqrt(Math.max(1 - as - sigma * sigma, 0)), eps]);
      return [sigma > 0 ? combine([1, next], [sigma, noise(k)]) : next, sigma];
    },
};

/** Sampling from a consistency model: each step adds fresh noise to x̂_0. @type {Sampler} */
const consistency = {
  sigmas: ({ alphaBar, floor = 0 }, pairs) =>
    pairs.map(([, s]) => Math.sqrt(Math.max(1 - alphaBar[s] - alphaBar[s] * floor ** 2, 0))),
  advance:
    ({ alphaBar }, sigmas) =>
    ({ x0 }, k, _t, s, _x, noise) => {
      const sigma = sigmas[k] ?? 0;
      const signal = Math.sqrt(alphaBar[s]);
      return [s ? combine([signal, x0], [sigma, noise(k)]) : combine([signal, x0]), sigma];
    },
};

// --- diffusers' second-order solvers. The first step and the step to s = 0 have order one.

/** Return α, σ and λ = log α/σ at a time. @param {ModelSpec} model @param {number} t */
function solverPoint(model, t) {
  const alphaBar = alphaBarAt(model, t);
  const ratio = Math.sqrt((1 - alphaBar) / alphaBar);
  const alpha = 1 / Math.sqrt(ratio * ratio + 1);
  return { alpha, sigma: ratio * alpha, lambda: Math.log(alpha) - Math.log(ratio * alpha) };
}

/** Return σ = 0 for every step, as these solvers add no noise. @param {ModelSpec} _ @param {Pair[]} pairs */
const noSigmas = (_, pairs) => pairs.map(() => 0);

/** DPM-Solver++ in the form that predicts x_0. @type {Sampler} */
const dpm = {
  memory: true,
  sigmas: noSigmas,
  advance(model) {
    /** @type {{ x0: Float32Array, lambda: number } | null} */
    let before = null;
    return ({ x0 }, _k, t, s, x) => {
      const [from, to] = [solverPoint(model, t), solverPoint(model, s)];
      const h = to.lambda - from.lambda;
      const c = to.alpha * (Math.exp(-h) - 1);
      /** @type {[Term, ...Term[]]} */
      const terms = [
        [to.sigma / from.sigma, x],
        [-c, x0],
      ];
      if (before && s) {
        const change = combine([1 / ((from.lambda - before.lambda) / h), minus(x0, before.x0)]);
        terms.push([-0.5 * c, change]);
      }
      before = { x0, lambda: from.lambda };
      return [combine(...terms), 0];
    };
  },
};

/** UniPC: each evaluation first corrects the current state, and then predicts the next state. @type {Sampler} */
const unipc = {
  memory: true,
  sigmas: noSigmas,
  advance(model, sigmas) {
    /** @typedef {{ x0: Float32Array, alpha: number, sigma: number, lambda: number }} Seen */
    /** @type {Seen[]} the last two evaluations, the newest first */
    let seen = [];
    /** @type {Float32Array} */
    let last = new Float32Array(); // the state from which the last step started
    let order = 0; // the order of the solver in the last step
    const slope = (/** @type {Seen} */ other, /** @type {Seen} */ from, /** @type {number} */ ratio) =>
      over(minus(other.x0, from.x0), ratio);
    return ({ x0 }, k, t, s, x) => {
      const here = { x0, ...solverPoint(model, t) };
      let corrected = x;
      if (k) {
        const [from, older] = seen;
        const h = here.lambda - from.lambda;
        const phi = Math.expm1(-h);
        const c = here.alpha * phi;
        const change = minus(x0, from.x0);
        let correction = combine([0.5, change]);
        if (order === 2) {
          const phi2 = phi / -h - 1;
          const [b1, b2] = [phi2 / phi, ((phi2 / -h - 0.5) * 2) / phi];
          const ratio = (older.lambda - from.lambda) / h;
          const rho = (b1 - b2) / (1 - ratio);
          correction = combine([rho, slope(older, from, ratio)], [b1 - rho, change]);
        }
        const base = combine([here.sigma / from.sigma, last], [-c, from.x0]);
        corrected = combine([1, base], [-c, correction]);
      }
      order = Math.min(2, sigmas.length - k, k + 1);
      last = corrected;
      const to = solverPoint(model, s);
      const h = to.lambda - here.lambda;
      const c = to.alpha * Math.expm1(-h);
      let next = combine([to.sigma / here.sigma, corrected], [-c, x0]);
      if (order === 2) {
        const ratio = (seen[0].lambda - here.lambda) / h;
        next = combine([1, next], [-c, combine([0.5, slope(seen[0], here, ratio)])]);
      }
      seen = [here, seen[0]];
      return [next, 0];
    };
  },
};

/** @type {Record<string, Sampler>} */
export const SAMPLERS = { ddpm, ddim, "dpm++": dpm, unipc, langevin, consistency, heun };

/** The names of all samplers that can be chosen. @type {string[]} */
export const NAMES = Object.keys(SAMPLERS);

/** Whether the page's owner added this sampler. Only a server can compute such a sampler. @param {string} name */
export const isOwn = (name) => name.includes(":");

/**
 * Add the samplers of the page's owner to the choice.
 * @param {string[]} names the values of `app.py --sampler`, such as "module:sampler"
 */
export function offerOwn(names) {
  for (const name of names) {
    if (Object.hasOwn(SAMPLERS, name)) continue;
    const take = () => {
      throw new UserError(`only a server computes the sampler ${name}: choose a model that was not trained here`);
    };
    SAMPLERS[name] = { sigmas: (_, pairs) => pairs.map(() => null), take };
    NAMES.push(name);
  }
}

/** The default of each option of all samplers. @type {Options} */
export const DEFAULTS = Object.assign({}, ...Object.values(SAMPLERS).map(({ options }) => options));

/**
 * Return the names of samplers, quoted, for a sentence.
 * @param {(name: string) => boolean} has whether to include a name @param {string} [between] text between two names
 */
export const listSamplers = (has, between = ", ") =>
  Object.keys(SAMPLERS)
    .filter(has)
    .map((name) => `'${name}'`)
    .join(between);

/**
 * Return a sampler's options. An option that is null or absent in `given` has its default. Throws a UserError for an
 * option of another sampler, unless the option has its default value.
 * @param {string} name @param {Record<string, any>} given may have other keys
 * @returns {Options}
 */
export function optionsOf(name, given) {
  const options = { ...SAMPLERS[name].options };
  for (const { options: its = {} } of Object.values(SAMPLERS))
    for (const [option, usual] of Object.entries(its)) {
      const value = given[option] ?? usual;
      if (option in options) options[option] = value;
      else if (value !== usual) {
        const owners = listSamplers((other) => option in (SAMPLERS[other].options ?? {}), " and ");
        throw new UserError(`${option} belongs to the sampler ${owners}, and this run has '${name}': leave it out`);
      }
    }
  SAMPLERS[name].check?.(options);
  return options;
}
