// Comparisons that one press sets up, in Compare and from elsewhere.

/** @import { Values } from "./client.js" */

const PLAIN = {
  sampler: "ddpm",
  spacing: "auto",
  eta: 0,
  checkpoint_b: "same",
  sampler_b: "ddpm",
  spacing_b: "same",
  eta_b: 0,
};

/** Comparisons that a button sets up. @type {Record<string, Values>} */
export const PRESETS = {
  "10 steps: which noise is right?": { ...PLAIN, steps: 10, variance: "beta", steps_b: 10, variance_b: "beta_tilde" },
  "And at 1000 steps?": {
    ...PLAIN,
    steps: 1000,
    variance: "beta",
    steps_b: 1000,
    variance_b: "beta_tilde",
  },
  "A better solver?": {
    ...PLAIN,
    steps: 10,
    sampler: "ddim",
    spacing: "quadratic",
    steps_b: 10,
    sampler_b: "unipc",
  },
  "Teacher or student?": {
    ...PLAIN,
    checkpoint: "mnist-tiny",
    steps: 10,
    sampler: "ddim",
    checkpoint_b: "mnist-tiny-consistency",
    steps_b: 2,
    sampler_b: "consistency",
  },
};
