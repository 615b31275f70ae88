// The labels at the arrows of the loop, which say what one step of the run does.

import { isOwn } from "../process/samplers.js";
import { number } from "./numbers.js";
import { countOfSteps, samplerName } from "./units.js";

/** @import { Row } from "../process/runs.js" */
/** @import { Values } from "../messages/client.js" */
/**
 * @typedef {{ towards: string, noise: string, fresh: boolean }} Back the labels of a step. towards: how it uses the
 * guess. noise: which noise it adds. fresh: whether it adds noise
 */

/** The labels if no step is shown. @type {Back} */
export const BACK = { towards: "a small step towards the guess", noise: "fresh noise", fresh: true };

const SMALL = 0.2; // weight of the guess below which a step is called small
const LARGE = 0.6; // least weight of the guess at which a step is called large

export const ASKED = "It guesses the finished picture.";

/**
 * Return the weight of x̂_0 in x_s. For DDPM it is the coefficient of x_0 in the mean (Eq. 7). For DDIM it is the
 * coefficient of Song et al. 2021, Eq. 12, which is also the first order of the solvers. A consistency step uses x̂_0
 * alone.
 * @param {number} alphaBar ᾱ_t @param {number} next ᾱ_s @param {number | null} sigma null if not known
 * @param {string} sampler
 */
export function weight(alphaBar, next, sigma, sampler) {
  if (sampler === "consistency") return Math.sqrt(next);
  if (sampler === "ddpm" || sampler === "langevin") return (Math.sqrt(next) * (1 - alphaBar / next)) / (1 - alphaBar);
  const kept = Math.sqrt(Math.max(0, 1 - next - (sigma ?? 0) ** 2) / (1 - alphaBar)); // the factor by which the noise of x_t is scaled in x_s
  return Math.sqrt(next) - kept * Math.sqrt(alphaBar);
}

/**
 * Return the variance of the noise in x_s after some steps. A step keeps a part of the noise in x_t and adds σ². After
 * large steps with β, the sum is more than the 1 − ᾱ_s that the network expects. If a σ is not known, return 1 − ᾱ_s.
 * @param {Row[]} steps the first steps of a run @param {(number | null)[]} sigma σ of each step @param {number} next
 * ᾱ_s of the last step @param {string} sampler
 */
export function noiseAfter(steps, sigma, next, sampler) {
  return steps.reduce((noise, [, , alphaBar], k) => {
    const after = steps[k + 1]?.[2] ?? next;
    const added = sigma[k];
    if (added === null || isOwn(sampler)) return 1 - after;
    // if ᾱ_t = 0, x_t is only noise; the step keeps so much of this noise that its variance and σ² add up to 1 − ᾱ_s
    if (!alphaBar) return Math.max(added ** 2, 1 - after);
    const kept = (Math.sqrt(after) - weight(alphaBar, after, added, sampler)) / Math.sqrt(alphaBar); // the factor of x_t in x_s
    return kept ** 2 * noise + added ** 2;
  }, 1 - steps[0][2]);
}

/**
 * Return the labels of a step.
 * @param {Row} step @param {number} next ᾱ_s @param {number | null} sigma null if not known
 * @param {string} sampler
 * @returns {Back}
 */
export function back([, s, alphaBar], next, sigma, sampler) {
  const own = samplerName(sampler);
  if (s === 0) return { towards: "the last step takes the whole guess", noise: "no fresh noise", fresh: false };
  const share = weight(alphaBar, next, sigma, sampler);
  const percent = share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`;
  const size = share < SMALL ? "a small step" : share < LARGE ? "a step" : "a large step";
  let towards = sampler === "consistency" ? "the whole guess is taken" : `${size} towards the guess: ${percent}`;
  if (isOwn(sampler)) towards = `a step of ${own}`;
  if (sigma === 0) return { towards, noise: `${own} adds no fresh noise`, fresh: false };
  return { towards, noise: sigma === null ? "fresh noise" : `fresh noise: σₜ = ${number(sigma)}`, fresh: true };
}

/** For each model of the page: its training pictures, and what it draws. @type {Record<string, [many: string, one: string]>} */
const SEEN = {
  "mnist-tiny": ["thousands of digits", "a new one"],
  "cifar10-tiny": ["thousands of small photos", "a new one"],
  "emoji-tiny": ["684 emoji", "the one that you name"],
};

/** Describe in two sentences what a model was trained on and what it draws. @param {string} ref @param {boolean} latent whether it draws latents */
export function lead(ref, latent) {
  const name = Object.keys(SEEN).find((name) => ref.startsWith(name)) ?? "";
  const [many, one] = SEEN[name] ?? ["", "a new one"];
  let learned = many ? `has seen ${many}` : "has learned from pictures";
  if (many && ref !== name) learned = `has learned from a teacher that has seen ${many}`; // some students learned without pictures
  const numbers = latent ? "numbers" : "pixels";
  return `This network ${learned}. It turns random ${numbers}, pure noise, into ${one}, step by step.`;
}

/** The amount of noise that a step adds, by the variance. @type {Record<string, string>} */
const NOISE = { beta: "much noise", beta_tilde: "little noise", analytic: "analytic noise" };

/** Describe a run in a few words: its steps, its sampler or noise, and its seed. @param {Values} values of a form */
export function how({ steps, sampler, variance, seed }) {
  const way = sampler === "ddpm" ? (NOISE[String(variance)] ?? "learned noise") : samplerName(String(sampler));
  return `${countOfSteps(Number(steps))}, ${way}, seed ${seed}`;
}

/** The words of the button that opens the network's blocks. */
export const INSIDE = { network: "network", open: "look inside", title: "See each block at work" };
