// The words at the arrows of the loop: what one step does, from the run's own numbers.

import { isOwn } from "../process/samplers.js";
import { number } from "./numbers.js";
import { countOfSteps, samplerName } from "./units.js";

/** @import { Row } from "../process/runs.js" */
/** @import { Values } from "../messages/client.js" */
/** @typedef {{ towards: string, noise: string, fresh: boolean }} Back what a step does with the guess; fresh: whether it adds noise */

/** What the arrows say if no step is shown. @type {Back} */
export const BACK = { towards: "a small step towards the guess", noise: "fresh noise", fresh: true };

const SMALL = 0.2; // weights of the guess: below it a step is small,
const LARGE = 0.6; // from here on it is large

/** Sentences about the network's task. */
export const ASKED = "It guesses the finished picture.";

/**
 * How much of x̂_0 a step takes: its coefficient in the mean of x_s (DDPM, Eq. 7), in DDIM's step (Song et al. 2021, Eq. 12), which
 * is also the first order of the solvers, or in a consistency model's, which takes it whole.
 * @param {number} alphaBar of t @param {number} next of s @param {number | null} sigma null: not known @param {string} sampler
 */
export function weight(alphaBar, next, sigma, sampler) {
  if (sampler === "consistency") return Math.sqrt(next);
  if (sampler === "ddpm" || sampler === "langevin") return (Math.sqrt(next) * (1 - alphaBar / next)) / (1 - alphaBar);
  const kept = Math.sqrt(Math.max(0, 1 - next - (sigma ?? 0) ** 2) / (1 - alphaBar)); // the factor by which the noise of x_t is scaled in x_s
  return Math.sqrt(next) - kept * Math.sqrt(alphaBar);
}

/**
 * The variance of the noise in x_s after some steps of a chain. A step keeps a part of the noise in x_t and adds σ². After
 * large steps with β, the sum is more than the 1 − ᾱ_s that the network expects. If only the network knows σ, returns 1 − ᾱ_s.
 * @param {Row[]} steps from the first on @param {(number | null)[]} sigma of each @param {number} next ᾱ_s of the last one @param {string} sampler
 */
export function noiseAfter(steps, sigma, next, sampler) {
  return steps.reduce((noise, [, , alphaBar], k) => {
    const after = steps[k + 1]?.[2] ?? next;
    const added = sigma[k];
    if (added === null || isOwn(sampler)) return 1 - after;
    // At ᾱ_t = 0 there is only noise: the step keeps as much of it as fits beside σ² into 1 − ᾱ_s.
    if (!alphaBar) return Math.max(added ** 2, 1 - after);
    const kept = (Math.sqrt(after) - weight(alphaBar, after, added, sampler)) / Math.sqrt(alphaBar); // of x_t
    return kept ** 2 * noise + added ** 2;
  }, 1 - steps[0][2]);
}

/**
 * What a step does with the guess.
 * @param {Row} step @param {number} next ᾱ_s @param {number | null} sigma null: not known
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

/** What the models that come with the page have seen, and what they draw. @type {Record<string, [many: string, one: string]>} */
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
  if (many && ref !== name) learned = `has learned from a teacher that has seen ${many}`; // some students saw none
  const numbers = latent ? "numbers" : "pixels";
  return `This network ${learned}. It turns random ${numbers}, pure noise, into ${one}, step by step.`;
}

/** How much noise a step adds, in a word. @type {Record<string, string>} */
const NOISE = { beta: "much noise", beta_tilde: "little noise", analytic: "analytic noise" };

/** How a run goes, in a few words. @param {Values} values of a form */
export function how({ steps, sampler, variance, seed }) {
  const way = sampler === "ddpm" ? (NOISE[String(variance)] ?? "learned noise") : samplerName(String(sampler));
  return `${countOfSteps(Number(steps))}, ${way}, seed ${seed}`;
}

/** At the network: opens what is inside. */
export const INSIDE = { network: "network", open: "look inside", title: "See each block at work" };
