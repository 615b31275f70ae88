// The player's words for a step.
import { fraction, number } from "./numbers.js";
import { countOfSteps } from "./units.js";

/** @import { MEANINGS } from "./meanings.js" */
/** @import { Row } from "../process/runs.js" */
/** @typedef {keyof typeof MEANINGS} Word */

/**
 * Return the readouts of one step, each with the word of `MEANINGS` that explains it.
 * @param {Row} step
 * @param {number} k index of the step, from 0
 * @param {number} n number of steps
 * @param {number | null} sigma null if not known
 * @param {boolean} [pixels] whether x has pixels: then σ is given in grey levels, too
 * @returns {[text: string, word: Word][]}
 */
export function readouts([t, s, alphaBar], k, n, sigma, pixels = true) {
  /** @type {[string, Word][]} */
  const items = [
    [`step ${k + 1}/${n}`, "step"],
    [`t ${t}→${s}`, "t"],
    [`ᾱ ${fraction(alphaBar)}`, "ᾱ"],
    [`SNR ${number(alphaBar / (1 - alphaBar))}`, "SNR"],
  ];
  if (sigma === 0) items.push(["σ 0: no noise added", "σ"]);
  else if (sigma !== null)
    items.push([`σ ${number(sigma)}${pixels ? ` (${number(sigma * 127.5)} grey levels)` : ""}`, "σ"]);
  return items;
}

const SHAPE = 0.5; // R² of a guess with the last guess, below which its shape is undecided; the mean of all digits has about 0.5
const DETAILS = 0.85; // R² of a guess with the last guess, above which it changes only in details

/**
 * Return a sentence about a step before the last one. If the agreement is known, the sentence says whether the guess is
 * decided, else how much noise the picture has.
 * @param {Row} step @param {number | null} agreement R² of x̂_0 with the last x̂_0; null if it is not known, or if the
 * last x̂_0 keeps noise
 * @param {number} share of the picture in x_t, 0 to 1, as in the bar
 */
export function sentence([, , alphaBar], agreement, share) {
  if (alphaBar >= 0.97) return "Only the last grain of noise is left to remove.";
  const noisy = alphaBar < 0.004 ? "The picture is almost pure noise." : "";
  if (agreement !== null) {
    if (agreement < SHAPE) return "The guess will change much: its shape is not decided yet.";
    const guess = agreement < DETAILS ? "The guess takes its shape." : "The guess has its shape: only details follow.";
    return noisy ? `${noisy} ${guess}` : guess;
  }
  if (noisy) return noisy;
  if (share < 0.08) return "The picture is mostly noise.";
  return share < 0.5 ? "The picture is still more noise than shape." : "The picture is more shape than noise now.";
}

/**
 * Return the texts at the two ends of a lane's bar of picture and noise. A text says 100 % only for a share of exactly
 * 1.
 * @param {number} share of the picture @param {boolean} [isLeast] whether the true share may be larger
 * @param {string} [lane] the lane's letter, A or B, if there are several lanes
 */
export function balance(share, isLeast = false, lane = "") {
  const percent = Math.round(100 * share);
  let [picture, noise] = [`${percent} %`, `${100 - percent} %`];
  if (percent === 100 && share < 1) [picture, noise] = ["more than 99 %", "less than 1 %"];
  else if (percent === 0 && share > 0) [picture, noise] = ["less than 1 %", "more than 99 %"];
  else if (isLeast && share < 1) [picture, noise] = [`at least ${picture}`, `at most ${noise}`];
  return [`${lane && `${lane}: `}picture ${picture}`, `noise ${noise}`];
}

const [FEW, MANY] = [0.05, 0.2]; // shares of the pixels that differ: below FEW almost nothing has changed, below MANY only a part of the picture

/**
 * Return a sentence about the effect of a touch, the visitor's change of x_t in lane B. For finished pictures the
 * sentence gives a reason, too.
 * @param {number} t of the touch @param {number} alphaBar ᾱ_t @param {number} after steps since the touch, negative
 * before it
 * @param {number} differ share of differing pixels @param {boolean} over whether the pictures are finished
 * @param {number | null} decided R² of A's guess at the touch with A's last guess; null if not known
 */
export function touched(t, alphaBar, after, differ, over, decided) {
  if (after < 0) return `A and B are alike until t = ${t}: there B was changed.`;
  if (after === 0) return `Here, at t = ${t}, B was changed.`;
  const same = `${Math.round(100 * (1 - differ))}\u00a0% of the pixels`;
  if (!over) return `${countOfSteps(after)} after the change, A and B share ${same}.`;
  const early = "Nothing was decided then: a small push leads elsewhere.";
  const late = "Too little noise was left for the network to rework the change.";
  if (differ < FEW) {
    const why = alphaBar < 0.02 ? "The change was one more grain of noise." : "The network took the change away.";
    return `Almost nothing changed: A and B share ${same}. ${alphaBar < 0.9 ? why : late}`;
  }
  const built = "The network built on the change.";
  const open = decided !== null && decided < DETAILS ? "Shapes were being decided then." : built;
  const why = alphaBar < 0.02 ? early : alphaBar < 0.9 ? open : late;
  return `${differ < MANY ? "A part changed" : "B is another picture"}: A and B share ${same}. ${why}`;
}

/** The sentence for a finished picture without visible noise, and for a picture that was decoded from a latent. */
export const DECODED = "The picture is finished.";

export const DECODED_ALL = "The pictures are finished.";

const NOISY = 4; // σ in grey levels: noise of at least this σ is visible

/** Whether a finished picture keeps noise that its last step could not remove. @param {number} noise measured in grey levels @param {number} added by the last step but one, in grey levels */
export const keepsNoise = (noise, added) => noise >= NOISY && added >= NOISY;

/** Write a measured noise with its unit. @param {string} sigma */
const levels = (sigma) => `${sigma} of 255 grey levels`;

/**
 * Return a sentence about the noise in finished pictures. A run of few steps can leave noise that its last step could
 * not remove. If the end of the run added no visible noise, the measured noise comes from x_T or is texture of the
 * picture, such as fur; then the sentence speaks of a fine texture.
 * @param {number[]} noise of each lane's picture, in grey levels
 * @param {number[]} added by each lane's last step but one, in grey levels
 */
export function ending(noise, added) {
  const [a, b = ""] = noise.map(number);
  const left = noise.map((sigma, i) => keepsNoise(sigma, added[i]));
  const clean = noise.every((sigma) => sigma < NOISY);
  if (noise.length < 2) {
    if (left[0]) return `The picture keeps noise that the last step could not remove: ${levels(a)}.`;
    return clean ? DECODED : `${DECODED} It has a fine texture; the last steps added almost no noise.`;
  }
  if (!left.includes(true))
    return clean
      ? DECODED_ALL
      : `${DECODED_ALL} The fine texture of A is ${a}, that of B ${levels(b)}; their last steps added almost no noise.`;
  if (!left.includes(false)) return `Both keep noise that their last step could not remove: A ${a}, B ${levels(b)}.`;
  const [noisy, other] = left[0] ? [0, 1] : [1, 0];
  const keeps = `${"AB"[noisy]} keeps noise that its last step could not remove (${levels(number(noise[noisy]))})`;
  const [name, there] = ["AB"[other], number(noise[other])];
  return noise[other] < NOISY
    ? `${keeps}; ${name} does not (${there}).`
    : `${keeps}. ${name} has a fine texture (${there}), but its run added almost no noise at its end.`;
}

/**
 * Return the text about the measured noise, the tooltip of the sentence.
 * @param {number[]} noise of each lane's picture, in grey levels
 */
export const measured = (noise) => `Noise measured: ${levels(noise.map(number).join(" and "))}`;

/**
 * Return a sentence about the noise in several finished pictures of each lane, for a slide.
 * @param {number[][]} noise of each lane's pictures, in grey levels
 * @param {number[]} added by each lane's last step but one, in grey levels
 */
export function endings(noise, added) {
  const said = noise.map((lane, i) => {
    const noisy = lane.filter((sigma) => keepsNoise(sigma, added[i])).length;
    const most = Math.max(...lane);
    const range = levels(`${number(Math.min(...lane))} to ${number(most)}`);
    if (!noisy) {
      const what = most < NOISY ? "almost no noise is left" : "their fine texture";
      return `${lane.length} finished pictures: ${what} (${range})`;
    }
    const which = noisy < lane.length ? `${noisy} of ${lane.length}` : `all ${lane.length}`;
    return `${which} pictures keep noise that the last step could not remove (${range})`;
  });
  const text = said.length > 1 ? said.map((one, i) => `${"AB"[i]}: ${one}`).join("; ") : said[0];
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** Name a step of a run. @param {number} step from 1 @param {number} steps of the run */
export const stepOf = (step, steps) => `step ${step} of ${steps}`;

export const WORDS = {
  player: "Player. Space plays, left and right step, Home and End jump.",
  step: "Step of the run",
  at: (/** @type {number} */ step, /** @type {number} */ steps, /** @type {number} */ t) =>
    `${stepOf(step, steps)} · t = ${t}`,
  kinds: "Picture shown",
  x: "The picture now",
  x0: "The network’s guess",
  views: "Shown of a latent",
  decoded: "decoded",
  latent: "latent",
  latentAbout: "The latent itself: a linear map turns the numbers at each position into a colour",
  gains: "Show the difference",
  off: "off",
  live: "Live",
  speed: "Playing speed",
  batch: "Image shown, by seed",
  numbers: "Numbers",
  attention: "Attention to",
  title: (/** @type {string} */ title, /** @type {string | undefined} */ last) => `${title} to ${last}`,
};

/** The words that change with the run and the step. */
export const SCREEN = {
  meaning: "What this word means",
  words: "All words",
  empty: "No picture yet",
  xShort: "Picture now",
  x0Short: "Its guess",
  difference: "Difference of A and B",
  apart: "Difference",
  untouched: "unchanged",
  changed: "changed",
  seed: (/** @type {string} */ seed) => `seed ${seed}`,
  waits: (/** @type {number} */ t) => `still noise, t = ${t}`,
  where: (/** @type {string | undefined} */ seed, /** @type {number} */ step, /** @type {number} */ steps) =>
    `seed ${seed}, step ${step} of ${steps}`,
  inLane: (/** @type {string} */ lane, /** @type {string} */ name, /** @type {string} */ where) =>
    `${lane}, ${name}, ${where}`,
  latents: (/** @type {number | null | undefined} */ side) => `${side}×${side} latents`,
  preview: "preview",
  time: (/** @type {number} */ s, /** @type {string} */ how) => (how ? `t = ${s} · ${how}` : `t = ${s}`),
  seen: (/** @type {number} */ t, /** @type {string} */ how) => (how ? `from t = ${t} · ${how}` : `from t = ${t}`),
  xNow: (/** @type {string} */ where, /** @type {number} */ s) => `Picture now, x_t: ${where}, t = ${s}`,
  x0Now: (/** @type {string} */ where, /** @type {number} */ t) =>
    `Best guess of the finished picture, x̂_0: ${where}, seen from t = ${t}`,
};

/** The words of the chart of noise and signal. */
export const CHART = {
  title: "Noise added and signal left at each step",
  at: (/** @type {number} */ t, /** @type {string[]} */ sigmas, /** @type {string} */ alphaBar) =>
    `t ${t}, sigma ${sigmas.join(" and ")}, alpha bar ${alphaBar}`,
  sigma: "σ, noise added (log)",
  noSigma: "σ = 0: no noise added",
  lane: (/** @type {string} */ lane, /** @type {string} */ name, /** @type {boolean} */ silent) =>
    silent ? `${lane}: ${name}, σ\u00a0=\u00a00` : `${lane}: ${name}`,
  alphaBar: "ᾱ, signal left",
};
