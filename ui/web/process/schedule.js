// The noise schedule of a scheduler_config.json, with the values that the paper's Eqs. 2, 4 and 7 need, in float64.
// Between whole times, ᾱ_t follows the schedule's formula. Without a formula, the logarithm of σ_t = √((1 − ᾱ_t)/ᾱ_t)
// is linear in t: see `NoiseSchedule` in ddpm_core/schedule.py.

import { UserError } from "./errors.js";

/**
 * β_t and ᾱ_t for t = 0..T, with beta[0] = 0 and alphaBar[0] = 1.
 * @typedef {object} Schedule
 * @property {number} T
 * @property {Float64Array} beta
 * @property {Float64Array} alphaBar
 * @property {boolean} [exploding] whether the variance "beta" belongs to a variance-exploding process, x_0 + σ ε
 * @property {(u: number) => number} [formula] ᾱ as a function of t/T, if the schedule has a formula
 */
/** The result of `tables`. @typedef {ReturnType<typeof tables>} Weights */

const MAX_BETA = 0.999;
const SMALLEST = 2 ** -1022; // least normal float64

/** Return T evenly spaced numbers. @param {number} T @param {number} first @param {number} last */
const spaceEvenly = (T, first, last) =>
  Array.from({ length: T }, (_, i) => {
    const step = (last - first) / (T - 1);
    return T === 1 || i < Math.floor(T / 2) ? first + (i && step * i) : last - step * (T - 1 - i);
  });

/**
 * Return the function that computes β_1..β_T from T for a formula of ᾱ.
 * @param {(u: number) => number} alphaBar formula, a function of u = t/T
 */
const betasOf = (alphaBar) => (/** @type {number} */ T) =>
  Array.from({ length: T }, (_, i) => Math.min(1 - alphaBar((i + 1) / T) / alphaBar(i / T), MAX_BETA));

/** Return √(SNR/(1 + SNR)) with a Laplace-distributed log-SNR: diffusers' ᾱ for "laplace". @param {number} u t/T */
function laplace(u) {
  const side = u > 0.5 ? -1 : 1;
  const ratio = Math.exp(-0.5 * side * Math.log(1 - 2 * Math.abs(0.5 - u) + 1e-6));
  return Math.sqrt(ratio / (1 + ratio));
}

/** Return ᾱ of the cosine schedule, before it is divided by its value at 0. */
const cosine = (/** @type {number} */ u) => Math.cos((((u + 0.008) / 1.008) * Math.PI) / 2) ** 2;

/** @type {Record<string, (u: number) => number>} ᾱ by diffusers' names */
const FORMULAS = {
  squaredcos_cap_v2: (u) => cosine(u) / cosine(0),
  laplace: (u) => laplace(u) / laplace(0),
};

/** @type {Record<string, (T: number, first: number, last: number) => number[]>} β_1..β_T by diffusers' names */
const BETAS = {
  linear: spaceEvenly,
  scaled_linear: (T, first, last) => spaceEvenly(T, Math.sqrt(first), Math.sqrt(last)).map((root) => root * root),
  squaredcos_cap_v2: betasOf(cosine),
  sigmoid: (T, first, last) => spaceEvenly(T, -6, 6).map((x) => (1 / (1 + Math.exp(-x))) * (last - first) + first),
  laplace: betasOf(laplace),
};

/**
 * Return the schedule of a scheduler_config.json. Absent fields have diffusers' defaults.
 * @param {Record<string, any>} config
 * @returns {Schedule}
 */
export function schedule(config) {
  const { num_train_timesteps: T = 1000, beta_schedule: name = "linear" } = config;
  if (!config.trained_betas && !Object.hasOwn(BETAS, name))
    throw new UserError(`unknown beta_schedule ${JSON.stringify(name)}: choose from ${Object.keys(BETAS).join(", ")}`);
  if (!Number.isInteger(T) || T < 1) throw new UserError(`T must be a whole number of at least 1, got ${T}`);
  const { beta_start: first = 1e-4, beta_end: last = 0.02 } = config;
  const found = scheduleOfBetas(config.trained_betas ?? BETAS[name](T, first, last));
  if (config.trained_betas && config.variance_exploding) found.exploding = true;
  if (!config.trained_betas && name in FORMULAS && !config.rescale_betas_zero_snr) found.formula = FORMULAS[name];
  return config.rescale_betas_zero_snr ? scheduleOfBetas(zeroTerminalSnr(found.alphaBar)) : found;
}

/**
 * Return the schedule with these tables of β and ᾱ.
 * @param {{ T: number, beta: Iterable<number>, alphaBar: Iterable<number>, exploding?: boolean }} table
 * @returns {Schedule}
 */
export const scheduleOfTable = ({ T, beta, alphaBar, exploding }) => ({
  ...{ T, beta: Float64Array.from(beta), alphaBar: Float64Array.from(alphaBar) },
  ...(exploding && { exploding }),
});

/**
 * Return the schedule with these β. Throws a UserError for a β outside its limits, or if ᾱ gets too close to 0 or stays
 * the same in a step.
 * @param {number[]} betas β_1..β_T @returns {Schedule}
 */
function scheduleOfBetas(betas) {
  const T = betas.length;
  const beta = Float64Array.from([0, ...betas]);
  if (!betas.every((b, i) => b > 0 && (b < 1 || (b === 1 && i === T - 1))))
    throw new UserError("every beta must lie strictly between 0 and 1 (the last one may be 1)");
  const alphaBar = new Float64Array(T + 1).fill(1);
  for (let t = 1; t <= T; t++) alphaBar[t] = alphaBar[t - 1] * (1 - beta[t]);
  if (alphaBar[T - 1] < SMALLEST || (alphaBar[T] > 0 && alphaBar[T] < SMALLEST))
    throw new UserError("alpha_bar gets too close to 0 before the last step: this schedule can't be computed with");
  if (alphaBar.some((at, t) => t > 0 && !(at < alphaBar[t - 1])))
    throw new UserError(
      "a step adds so little noise that alpha_bar stays as it was: this schedule can't be computed with",
    );
  return { T, beta, alphaBar };
}

/** Return the σ for which x_t/√ᾱ_t = x_0 + σ ε. @param {number} alphaBar ᾱ_t */
const sigmaOf = (alphaBar) => Math.sqrt((1 - alphaBar) / alphaBar);

/**
 * Whether the formula gives the table's ᾱ_k and ᾱ_{k+1}. It does not where β was capped at MAX_BETA.
 * @param {Schedule} schedule
 * @param {number} k
 */
function hasFormula({ T, alphaBar, formula }, k) {
  return [k, k + 1].every((t) => {
    const known = alphaBar[t];
    return formula && Math.abs(formula(t / T) - known) <= 1e-6 * Math.min(known, 1 - known);
  });
}

/** Return ᾱ_t at a real time t in 0..T. @param {Schedule} schedule @param {number} t */
export function alphaBarAt(schedule, t) {
  const { T, alphaBar, formula } = schedule;
  if (Number.isInteger(t)) return alphaBar[t];
  const k = Math.min(Math.floor(t), T - 1);
  if (formula && hasFormula(schedule, k)) return formula(t / T);
  const [low, high, share] = [sigmaOf(alphaBar[k]), sigmaOf(alphaBar[k + 1]), t - k];
  let sigma = Math.exp((1 - share) * Math.log(low) + share * Math.log(high));
  if (k === 0) sigma = share * (high < Infinity ? high : 1 / (1 - share));
  else if (high === Infinity) sigma = low / (1 - share);
  return 1 / (1 + sigma * sigma);
}

/**
 * Return the real time t in 0..T at which x_t/√ᾱ_t = x_0 + σ ε has this σ.
 * @param {Schedule} schedule
 * @param {number} sigma at least 0
 */
export function timeAt(schedule, sigma) {
  const { T, alphaBar, formula } = schedule;
  const k = alphaBar.findLastIndex((at) => sigmaOf(at) <= sigma);
  if (k === T) return T;
  const [low, high] = [sigmaOf(alphaBar[k]), sigmaOf(alphaBar[k + 1])];
  if (sigma === low) return k;
  if (formula && hasFormula(schedule, k)) {
    const wanted = 1 / (1 + sigma * sigma);
    let [from, to] = [k, k + 1];
    for (let middle = (from + to) / 2; from < middle && middle < to; middle = (from + to) / 2)
      if (alphaBarAt(schedule, middle) > wanted) from = middle;
      else to = middle;
    return from;
  }
  if (k === 0) return high < Infinity ? sigma / high : sigma / (1 + sigma);
  return high < Infinity ? k + Math.log(sigma / low) / Math.log(high / low) : k + 1 - low / sigma;
}

/**
 * Return β_1..β_T after √ᾱ is shifted and scaled so that ᾱ_T = 0 and ᾱ_1 stays the same.
 * @param {Float64Array} alphaBar
 */
function zeroTerminalSnr(alphaBar) {
  const roots = Array.from(alphaBar.subarray(1), Math.sqrt);
  const [first, last] = [roots[0], roots[roots.length - 1]];
  const squares = [1, ...roots.map((root) => (((root - last) * first) / (first - last)) ** 2)];
  return roots.map((_, i) => 1 - squares[i + 1] / squares[i]);
}

/**
 * Return ᾱ_t, ᾱ_s, β_{t|s} and β̃ of a step t → s, and the weights of x_0 and x_t in the posterior mean.
 * @param {Schedule} schedule @param {number} t @param {number} s
 */
export function step(schedule, t, s) {
  const [at, as] = [alphaBarAt(schedule, t), alphaBarAt(schedule, s)];
  const alpha = at / as;
  // the table's β is exact, but 1 − α loses digits where β is small
  const ofStep = t - s === 1 && Number.isInteger(t) ? schedule.beta[t] : 1 - alpha;
  return {
    at,
    as,
    beta: ofStep,
    betaTilde: ((1 - as) / (1 - at)) * ofStep,
    ofX0: (Math.sqrt(as) * ofStep) / (1 - at),
    ofXt: (Math.sqrt(alpha) * (1 - as)) / (1 - at),
  };
}

/**
 * Return the time τ and the factor `scale` of x_t for the network of a rectified flow: scale · x_t = (1 − τ) x_0 + τ ε.
 * See `RectifiedFlow` in ddpm_core/coordinates.py.
 * @param {Schedule} schedule @param {number} t
 */
export function flowAt(schedule, t) {
  const alphaBar = alphaBarAt(schedule, t);
  const [signal, noise] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  return { tau: noise / (signal + noise), scale: 1 / (signal + noise) };
}

/**
 * Return, for each t = 0..T of a schedule, the network's time index at which its training schedule had the same σ. The
 * index is interpolated linearly in ln σ. See `TrainedOn` in ddpm_core/coordinates.py.
 * @param {Schedule} trained the training schedule @param {{ alphaBar: Float64Array }} schedule
 */
export function timesOfTraining(trained, { alphaBar }) {
  const logSigma = (/** @type {number} */ at) => Math.log(Math.sqrt((1 - at) / at));
  const known = Array.from(trained.alphaBar.subarray(1), logSigma).filter(Number.isFinite);
  const last = known.length - 1;
  return alphaBar.map((at, t) => {
    const wanted = logSigma(at);
    if (t === 0 || wanted <= known[0]) return 0;
    if (wanted === Number.POSITIVE_INFINITY) return trained.T - 1;
    if (wanted >= known[last]) return last;
    const after = known.findIndex((one) => one > wanted);
    return after - 1 + (wanted - known[after - 1]) / (known[after] - known[after - 1]);
  });
}

/**
 * Return the coefficients of Eqs. 2, 4 and 7 at each t = 0..T: see `tables` in ddpm_core/plane/forward.py.
 * @param {Schedule} of
 */
export function tables(of) {
  const steps = Array.from(of.beta, (_, t) => (t ? step(of, t, t - 1) : { ofX0: 0, ofXt: 0, betaTilde: 0 }));
  return {
    beta: of.beta,
    signal: of.alphaBar.map(Math.sqrt),
    noise: of.alphaBar.map((at) => Math.sqrt(1 - at)),
    of_x_0: Float64Array.from(steps, ({ ofX0 }) => ofX0),
    of_x_t: Float64Array.from(steps, ({ ofXt }) => ofXt),
    beta_tilde: Float64Array.from(steps, ({ betaTilde }) => betaTilde),
  };
}

/**
 * Return Γ_t = E‖ε_θ(x_t, t)‖² / (d (1 − ᾱ_t)) for t = 0..T, interpolated from an analytic_variance.json. d is the
 * number of values of an image. See `table` in ddpm_core/analytic.py.
 * @param {Schedule} schedule @param {{ times: number[], gamma: number[] }} estimate
 */
export function gammaTable({ T, alphaBar }, { times, gamma }) {
  const noise = alphaBar.map((at) => 1 - at);
  const moments = gamma.map((value, i) => value * noise[times[i]]);
  const last = alphaBar[T] === 0 ? times.findLast((t) => t < T) : undefined;
  const ratio = (/** @type {number} */ t) => alphaBar[t] / noise[t];
  let i = 0; // index of the first entry of `times` that is at least t
  const at = Float64Array.from(alphaBar, (_, t) => {
    while (i < times.length && times[i] < t) i += 1;
    if (i === times.length) return moments[i - 1];
    if (i === 0 || times[i] === t) return moments[i];
    const [from, to, here] = [times[i - 1], times[i], t].map(Math.log);
    return ((moments[i] - moments[i - 1]) / (to - from)) * (here - from) + moments[i - 1];
  });
  return Float64Array.from(alphaBar, (_, t) => {
    const moment = last !== undefined && t >= last ? 1 - (ratio(t) / ratio(last)) * (1 - at[last]) : at[t];
    return moment / Math.max(noise[t], noise[1]);
  });
}
