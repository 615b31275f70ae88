// The texts of the part "What noise destroys".
import { MEANINGS } from "../../words/meanings.js";
import { fixed, fraction, number } from "../../words/numbers.js";
import { countOf, countOfSteps } from "../../words/units.js";

/** @import { Comparison } from "../../process/forward.js" */
/** @import { Weights } from "../../process/schedule.js" */

/** Return the signal-to-noise ratio of x_t for a picture of variance 1. @param {Weights} table @param {number} t */
export const snr = (table, t) => (table.signal[t] / table.noise[t]) ** 2;

/** Return the signal-to-noise ratio of this picture as [[text, explanation]]; [] before a picture is loaded. @param {number} ratio @param {number} variance the picture's variance */
function ratioOfPicture(ratio, variance) {
  if (!variance) return [];
  const about = `the variance of this picture, ${number(variance)}, times SNR. Below 1, the noise is stronger`;
  return [[`this picture ${number(ratio)}`, about]];
}

/**
 * Return the numbers of x_t, each as [text, explanation].
 * @param {Weights} table
 * @param {number} t
 * @param {number} T
 * @param {number} variance the picture's variance on the scale −1..1; 0 before a picture is loaded
 */
export function readouts(table, t, T, variance) {
  return [
    [`t ${t} of ${T}`, "how many small steps of noise have been added"],
    [`β ${t ? number(table.beta[t]) : "0"}`, MEANINGS.βₜ],
    [`ᾱ ${fraction(table.signal[t] ** 2)}`, MEANINGS.ᾱ],
    [`SNR ${t ? number(snr(table, t)) : "∞"}`, MEANINGS.SNR],
    ...ratioOfPicture(variance * snr(table, t), variance),
    [
      `noise ${number(table.noise[t] * 127.5)} grey levels`,
      "standard deviation √(1 − ᾱ) of the noise in xₜ, on the scale 0 to 255",
    ],
  ];
}

/** Return a sentence that says how much of the picture can still be seen in x_t. @param {number} t @param {number} alphaBar @param {number} variance the picture's variance */
export function sentence(t, alphaBar, variance) {
  if (t === 0) return "The picture as it is.";
  if (alphaBar > 0.97) return "A little grain: nothing is lost yet.";
  if (variance * alphaBar > 1 - alphaBar)
    return "Details are lost first; the picture is still stronger than the noise.";
  if (alphaBar > 0.08) return "The noise is stronger than the picture: shapes and colours are left.";
  if (alphaBar > 0.004) return "Only the largest shapes can be guessed.";
  return "Almost pure noise: the same N(0, I) for every picture.";
}

/** Format a weight; small weights keep their leading digits. @param {number} v */
const formatWeight = (v) => (v < 0.0005 ? number(v) : fixed(v));

/** Return the formula of the posterior mean with its weights as numbers. @param {number} t @param {number} ofX0 the weight of x_0 @param {number} ofXt the weight of x_t */
export const mean = (t, ofX0, ofXt) =>
  t ? `μ̃ = ${formatWeight(ofX0)} x₀ + ${formatWeight(ofXt)} xₜ` : "At t = 0 there is no step back.";

/** Format a standard deviation, with its value in grey levels. @param {number} sigma */
const formatSigma = (sigma) => `${number(sigma)} (${number(sigma * 127.5)} grey levels)`;

/**
 * Return the two possible standard deviations of the step back, each as [name, value, explanation]; [] at t = 0.
 * @param {Weights} table
 * @param {number} t
 */
export function deviations(table, t) {
  if (!t) return [];
  return [
    ["√β̃ₜ", formatSigma(Math.sqrt(table.beta_tilde[t])), "with x₀ known"],
    ["√βₜ", formatSigma(Math.sqrt(table.beta[t])), "with x₀ ~ N(0, I)"],
  ];
}

/** Return a sentence that compares √β̃ₜ with √βₜ. @param {Weights} table @param {number} t */
export function remark(table, t) {
  if (!t) return "";
  if (t === 1) return "At t = 1 the posterior is certain: β̃ is 0 and the mean is x₀.";
  const percent = 100 * Math.sqrt(table.beta_tilde[t] / table.beta[t]);
  if (percent < 99) return `√β̃ is ${number(percent)} % of √β here: near t = 0 the choice of σ matters.`;
  return `√β̃ is ${percent.toFixed(2)} % of √β here: over one small step the two are nearly the same.`;
}

/** Format a share as a percentage. @param {number} share */
const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** Return a sentence that says how far the distributions after the small steps and after the jump are apart. @param {number} t @param {Pick<Comparison, "gap" | "chance">} found */
export function verdict(t, { gap, chance }) {
  if (t === 0) return "At t = 0 nothing is added.";
  if (gap <= chance)
    return `Their distributions are at most ${percent(gap)} apart. Two samples of one distribution differ by less than ${percent(chance)} in 19 of 20 cases. So no difference can be seen.`;
  return `Their distributions are ${percent(gap)} apart. Two samples of one distribution differ by more than ${percent(chance)} in 1 of 20 cases, and this is one of them: try new noise.`;
}

/** Return the label of the button that computes t small steps. @param {number} t */
export const press = (t) => `Take ${countOfSteps(t)}`;

/** Return the description of the picture after t small steps. @param {number} t */
export const walked = (t) => `x_t after ${countOf(t, "small step")}`;

export const WORDS = {
  title: "What noise destroys",
  pictures: "Picture",
  choose: "x<sub>0</sub>: one of these, or your own",
  given: "Pictures that come with the page",
  picture: "picture",
  noise: "noise",
  noised: "noised",
  x0: "The picture, x_0",
  epsilon: "The noise, epsilon",
  schedules: "The three schedules over t, with a marker at the chosen t",
  posterior: "One step back: q(x<sub>t−1</sub> | x<sub>t</sub>, x<sub>0</sub>)",
  posteriorAbout:
    "If x<sub>0</sub> is known, the step before x<sub>t</sub> is a Gaussian with this mean and deviation (Eqs. 6, 7). The network never sees x<sub>0</sub>: it learns to aim for this mean.",
  mean: "mean",
  walk: "t small steps, or one jump?",
  walkAbout:
    "Eq. 2 adds a little noise t times; Eq. 4 adds it all at once. Both give x<sub>t</sub> the same distribution, so training can jump to any t.",
  steps: "t steps",
  jump: "one jump",
  take: "Take the steps",
  added:
    "The added noise, (x<sub>t</sub> − √ᾱ<sub>t</sub> x<sub>0</sub>) / √(1 − ᾱ<sub>t</sub>), over all pixels; the thin line is N(0, 1)",
  beta: "Noise of a step, βₜ (log)",
  signal: "Signal left, ᾱₜ",
  snr: "Signal to noise, SNR (log)",
  xt: (/** @type {string | null} */ picture, /** @type {number} */ t) =>
    `x_t: ${picture ?? "your picture"} noised up to t = ${t}`,
  back: (/** @type {number} */ t) => `Mean of the step from t = ${t} to ${Math.max(0, t - 1)}`,
  change: (/** @type {number} */ gain) => `What the mean removes from x_t, ${gain} times enlarged`,
  gain: (/** @type {number} */ gain) => (gain > 1 ? `shown × ${gain}` : ""),
  slide: (/** @type {number} */ signal, /** @type {number} */ noise, /** @type {number} */ t) => ({
    x0: `x₀, the picture, × ${fraction(signal)}`,
    eps: `ε, the noise, × ${fraction(noise)}`,
    xt: `x_t, their sum: t = ${t}`,
  }),
  schedule: (/** @type {string} */ name) => `${name} schedule`,
  histogram: "Histogram of the added noise: small steps and one jump",
  shown: (/** @type {number} */ t, /** @type {string} */ schedule) => `shown: t = ${t}, ${schedule}`,
  walking: "Walking…",
  jumped: (/** @type {number} */ t) => `x_t after one jump to t = ${t}`,
  rows: ["mean", "deviation", "draws of ε"],
  eq2: "Eq. 2",
  eq4: "Eq. 4",
};
