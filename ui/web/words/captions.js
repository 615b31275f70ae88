// Names of runs, and sentences about the settings that two lanes (the runs A and B) share.

import { countOfSteps } from "./units.js";

/** The parts of the name of a run or a lane. */
export const NAME = {
  against: " against ",
  ways: (/** @type {number} */ lanes) => `${lanes} ways`,
  seed: (/** @type {number} */ seed) => `seed ${seed}`,
  touched: (/** @type {number} */ t) => `changed at t = ${t}`,
  prompt: (/** @type {string} */ prompt) => (prompt ? `“${prompt}”` : "no prompt"),
  guidance: (/** @type {string | null} */ scale) => (scale === null ? "its guidance" : `w = ${scale}`),
  ownTimes: "its own times",
  without: (/** @type {string} */ option) => `no ${option}`,
};

/** For each sampler, how it computes xₛ. @type {Record<string, string>} */
const USES = {
  ddim: "DDIM uses the newest x̂₀ alone",
  "dpm++": "DPM++ uses the newest x̂₀ and the one before",
  heun: "Heun uses the mean of two ε, at xₜ and near xₛ",
  unipc: "UniPC uses the newest x̂₀ and the one before, and corrects xₜ with the newest first",
};

/** The part of the condition in which two lanes differ. @typedef {keyof typeof CONDITIONS} Condition */
const CONDITIONS = {
  words: "the prompts",
  scales: "the scales of guidance",
  both: "the prompts and the scales of guidance",
};

const SILENT = "Both begin with the same noise and add none.";
const ALIKE = "Both begin with the same noise, and each step adds the same noise z";

/** Sentences about what two lanes share. */
export const SHARED = {
  /** Return the sentence for two lanes whose steps add no noise. @param {Condition | null} condition */
  silent: (condition) => (condition ? `${SILENT} Only ${CONDITIONS[condition]} differ.` : SILENT),
  /**
   * Return the sentence for two samplers whose steps add no noise: how each computes xₛ. Return "" if `USES` lacks one
   * of them.
   * @param {string} a @param {string} b
   */
  samplers: (a, b) => (USES[a] && USES[b] ? `${SILENT} To get xₛ, ${USES[a]}; ${USES[b]}.` : ""),
  oneSilent: (/** @type {string} */ name) => `Both begin with the same noise; ${name} adds none after it.`,
  otherSteps: "Both begin with the same noise; their steps differ, so the noise of the steps is not shared.",
  noise: `${ALIKE}.`,
  otherSigma: `${ALIKE}; only its σ differs.`,
  /** @param {Condition} condition @param {boolean} sameSigma */
  condition: (condition, sameSigma) =>
    `${ALIKE}; only ${sameSigma ? "" : "its σ and "}${CONDITIONS[condition]} differ.`,
};

/** Sentences about the last noise that each of two lanes adds. */
export const LAST = {
  grey: (/** @type {string} */ sigma, /** @type {string} */ levels) => `${sigma} (${levels} grey levels)`,
  /**
   * Return the sentence about the last noise of both lanes in this run.
   * @param {string[]} names of the lanes @param {string[]} sigmas of their last noisy steps @param {string[]} hard
   * names of the lanes whose noise the final step can hardly remove
   * @param {number | null} steps null if the lanes have different numbers of steps
   */
  here([a, b], [ofA, ofB], hard, steps) {
    const when = steps === null ? "Last noisy step" : `Last noisy step at ${countOfSteps(steps)}`;
    const end = hard.length ? `; the final step can hardly remove that of ${hard.join(" or ")}.` : ".";
    return `${when}: ${a} adds σ = ${ofA}, ${b} adds σ = ${ofB}${end}`;
  },
  elsewhere: (/** @type {number} */ steps, /** @type {string[]} */ [a, b]) =>
    `At ${countOfSteps(steps)}: ${a} and ${b}.`,
};

/** Join sentences; leave out empty ones. @param {...string} all */
export const sentences = (...all) => all.filter(Boolean).join(" ");

/** Return the sentence about words that a model has never seen, "" if there are none. @param {string[]} words */
export function unknown(words) {
  const named = words.map((word) => `“${word}”`).join(" and ");
  return named && `I don’t know ${named}: what is drawn is a guess.`;
}
