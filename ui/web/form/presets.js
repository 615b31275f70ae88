// Comparisons that a button sets up, in Compare and in other parts. Their titles are in `COMPARISONS` of words/page.js.

import { DEFAULTS } from "../process/samplers.js";

/** @import { Values } from "../messages/client.js" */

/** The defaults of the samplers' options, without the options whose default null means the model's own value. */
const OPTIONS = Object.fromEntries(Object.entries(DEFAULTS).filter(([, usual]) => usual !== null));
const PLAIN = {
  ...{ sampler: "ddpm", spacing: "auto", ...OPTIONS },
  ...{ checkpoint_b: "same", prompt_b: "", guidance_b: "", sampler_b: "ddpm", spacing_b: "same" },
  ...Object.fromEntries(Object.entries(OPTIONS).map(([name, usual]) => [`${name}_b`, usual])),
};

export const TYPES = "emoji-tiny"; // the embedded model that draws the emoji for a typed word
/** Settings that draw a typed word quickly. */
export const TYPED = { steps: 20, sampler: "ddim", spacing: "trailing", ...OPTIONS };
const TWO = { ...PLAIN, ...TYPED, steps_b: 20, sampler_b: "ddim" };

/** Comparisons for models that take words. @type {Record<string, Values>} */
export const OF_WORDS = {
  words: { ...TWO, prompt: "red apple", prompt_b: "green apple", guidance: "" },
  guidance: { ...TWO, prompt: "red apple", guidance: 1, guidance_b: 7 },
  latents: {
    ...PLAIN,
    prompt: "red apple",
    guidance: "",
    steps: 10,
    variance: "beta",
    steps_b: 10,
    variance_b: "beta_tilde",
  },
};

/**
 * Comparisons of two models from the Hub that learned the same data set. Both models begin with the same noise.
 * @type {Record<string, Values>}
 */
export const OF_FAMILIES = {
  bedroomsScore: {
    ...PLAIN,
    ...{ checkpoint: "google/ddpm-ema-bedroom-256", steps: 50, variance: "beta_tilde" },
    ...{ checkpoint_b: "google/ncsnpp-bedroom-256", steps_b: 50, variance_b: "beta_tilde" },
  },
  bedroomsConsistency: {
    ...PLAIN,
    ...{ checkpoint: "google/ddpm-ema-bedroom-256", steps: 50, variance: "beta_tilde" },
    ...{ checkpoint_b: "openai/diffusers-cd_bedroom256_lpips", steps_b: 2, sampler_b: "consistency" },
  },
  churches: {
    ...PLAIN,
    ...{ checkpoint: "google/ddpm-ema-church-256", steps: 50, variance: "beta_tilde" },
    ...{ checkpoint_b: "google/ncsnpp-church-256", steps_b: 50, variance_b: "beta_tilde" },
  },
  cats: {
    ...PLAIN,
    ...{ checkpoint: "google/ddpm-ema-cat-256", steps: 50, variance: "beta_tilde" },
    ...{ checkpoint_b: "openai/diffusers-cd_cat256_lpips", steps_b: 2, sampler_b: "consistency" },
  },
};

/** Comparisons that a button sets up. @type {Record<string, Values>} */
export const PRESETS = {
  grain: {
    ...PLAIN,
    steps: 10,
    variance: "beta",
    steps_b: 10,
    variance_b: "beta_tilde",
  },
  long: {
    ...PLAIN,
    steps: 1000,
    variance: "beta",
    steps_b: 1000,
    variance_b: "beta_tilde",
  },
  solver: {
    ...PLAIN,
    steps: 10,
    sampler: "ddim",
    spacing: "quadratic",
    steps_b: 10,
    sampler_b: "unipc",
  },
  student: {
    ...PLAIN,
    checkpoint: "mnist-tiny",
    steps: 10,
    sampler: "ddim",
    checkpoint_b: "mnist-tiny-consistency",
    steps_b: 2,
    sampler_b: "consistency",
  },
};
