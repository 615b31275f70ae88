// The words of fields that several parts have. title: the name in a sentence. label: the name above the control, if it differs. help: an explanation.

/** @typedef {{ title: string, label?: string, help?: string, placeholder?: string, open?: string, example?: string, allowed?: string, sentences?: Record<string, string>, titles?: Record<string, string> }} FieldWords */

/** The titles of the choices of σ². */
export const VARIANCES = {
  ...{ beta: "much, βₜ", beta_tilde: "little, β̃ₜ", analytic: "analytic" },
  ...{ learned: "learned", learned_range: "learned, between" },
};

/** The words of the fields of a run. @satisfies {Record<string, FieldWords>} */
export const RUN = {
  checkpoint: { title: "checkpoint", label: "Model" },
  prompt: { title: "The prompt", help: "What to draw, in words", placeholder: "a red apple" },
  negative: {
    title: "The negative prompt",
    help: "The picture is led away from these words",
    placeholder: "blurred",
  },
  steps: {
    title: "Steps",
    help: "Each step evaluates the network once; Heun twice, and Langevin once more for each correction",
    allowed: "1 to the model's T (1000 for most)",
  },
  variance: {
    title: "variance",
    label: "Noise added back",
    help: "Each step adds fresh noise; σ² is its variance",
    titles: VARIANCES,
  },
  seed: {
    title: "The seed",
    help: "The same seed gives the same starting noise",
    allowed: "0 to 4,294,967,295 (2³² − 1)",
  },
  label: { title: "class", label: "What to draw", help: "“any” lets the model choose" },
  sampler: { title: "sampler", help: "How a step is made" },
  spacing: {
    title: "spacing",
    help: "Which times t the steps visit",
    sentences: {
      auto: "Whichever suits the sampler",
      linspace: "Evenly spaced, from T down to 1",
      leading: "Evenly spaced, down to 1; begins a little below T",
      trailing: "Evenly spaced, from T; ends a little above 1",
      quadratic: "Closer together where little noise is left; begins at ⅘ of T, with pure noise",
      quadratic_T: "The same, stretched to begin at T",
      optimised: "Found by a search for this model and sampler",
    },
  },
  guidance: {
    title: "Guidance",
    help: "How closely the picture follows the class or the prompt, w: 1 is as learned, larger is closer",
    open: "its own",
  },
  count: { title: "The number of images", label: "Pictures", help: "Each picture has the next seed" },
  clip: {
    title: "Clip x̂_0",
    label: "Clip the guess, x̂₀",
    help: "Keeps the guessed picture in the range of pixels",
  },
  attention: {
    title: "attention",
    help: "Shows where the network looks for each word; one more evaluation a step",
  },
  touch: { title: "touch" },
  picture: { title: "picture" },
};

/** The words of numeric options of samplers. @type {Record<string, FieldWords>} */
export const OPTIONS = {
  eta: { title: "η", label: "Noise, η", help: "Noise of each step: 0 adds none, 1 adds as much as β̃ₜ" },
  S_churn: { title: "S_churn", help: "Noise that the steps add" },
  S_max: { title: "S_max", open: "no limit" },
};

/** Words that differ between lane B's fields and lane A's. */
export const LANE_B = {
  checkpoint: "Its pictures must have A's size and channels",
  same: "as A",
};
