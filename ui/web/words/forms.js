// The words of the fields of all forms: title, as a sentence calls it; label, above the control, where that differs; help.

/** @typedef {{ title: string, label?: string, help?: string, placeholder?: string, open?: string, example?: string, allowed?: string, sentences?: Record<string, string>, titles?: Record<string, string> }} FieldWords */

/** How σ² is chosen: the word first. */
const VARIANCES = {
  ...{ beta: "much, βₜ", beta_tilde: "little, β̃ₜ", analytic: "analytic" },
  ...{ learned: "learned", learned_range: "learned, between" },
};

/** The words of the fields of a run. @satisfies {Record<string, FieldWords>} */
export const RUN = {
  checkpoint: { title: "checkpoint", label: "Model" },
  prompt: { title: "The prompt", help: "What to draw, in words", placeholder: "a red apple" },
  negative: {
    title: "The negative prompt",
    help: "Words that guidance leads away from",
    placeholder: "blurred",
  },
  steps: {
    title: "Steps",
    help: "Each step runs the network once; Heun runs it twice, and Langevin corrections run it again",
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
      quadratic: "Closer together where little noise is left; begins at ⅘ of T, whose xₜ is x_T",
      quadratic_T: "The same, stretched to begin at T",
      optimised: "Found by a search for this model and sampler",
    },
  },
  eta: { title: "η", label: "Noise, η", help: "Of each step: 0 adds none, 1 as much as β̃ₜ" },
  guidance: {
    title: "Guidance",
    help: "How closely the picture follows the class or the words, w: 1 is as learned, more is closer",
    open: "its own",
  },
  count: { title: "The number of images", label: "Pictures", help: "Each next one has the next seed" },
  clip: {
    title: "Clip x̂_0",
    label: "Clip the guess, x̂₀",
    help: "Keeps the guessed picture in the range of pixels",
  },
  attention: {
    title: "attention",
    help: "Shows where the network looks for each word; one more evaluation",
  },
  touch: { title: "touch" },
  picture: { title: "picture" },
};

/** In lane B, where that differs from A. */
export const LANE_B = {
  checkpoint: "Its pictures must have A's size and channels",
  same: "as A",
};

/** The words of Grid's own fields. @satisfies {Record<string, FieldWords>} */
export const GRID = {
  rows: { title: "kind of rows", label: "A row for each" },
  columns: { title: "Columns", label: "A column for each number of steps", example: "5, 10, 50" },
  count: { title: "The number of images", label: "Pictures in a cell" },
};

/** The words of Latents' own fields. @satisfies {Record<string, FieldWords>} */
export const LATENTS = {
  mode: {
    title: "mode",
    label: "What to do",
    titles: { reconstruct: "Reconstruct", interpolate: "Interpolate" },
  },
  seed: { ...RUN.seed, help: "Of the first picture and its noise; the rows have the next ones" },
  seed_b: { ...RUN.seed, title: "The second seed", help: "Of the second picture, and of its noise" },
  times: {
    title: "Times",
    label: "Times t",
    help: "A row for each: at T only noise is left, at 0 the picture",
    placeholder: "1000, 750, 500, 250",
    example: "750, 500, 250",
  },
  count: { title: "The number of columns", label: "Columns" },
};

const METHODS = { ddnm: "DDNM", replacement: "Replacement", repaint: "RePaint", pigdm: "ΠGDM", dps: "DPS" };

/** The words of Repair's own fields. @satisfies {Record<string, FieldWords>} */
export const REPAIR = {
  seed: { ...RUN.seed, help: "Of the sample, and of the completions' noise" },
  task: {
    title: "task",
    label: "What is left",
    titles: { mask: "Erased", downsample: "Small", grey: "No colour", blur: "Blurred" },
  },
  hidden: { title: "mask" },
  method: {
    title: "method",
    titles: METHODS,
    sentences: {
      ddnm: "Corrects each guess so that it fits what is left: quick",
      replacement: "Puts what is left, noised to each step's level, into that step: the rest may not fit it",
      repaint: "Replacement that repeats each part of the chain ten times, so that the rest fits: ten times as long",
      pigdm: "Follows the gradient of how well each guess fits: slow on a CPU",
      dps: "Like ΠGDM, with a simpler rule that fits less closely: slow on a CPU",
    },
  },
  method_b: { title: "second method", label: "Beside it", titles: { none: "nothing", ...METHODS } },
  count: { title: "The number of completions", label: "Completions" },
};

/** The words of Between words: one field for each corner. @satisfies {Record<string, FieldWords>} */
export const BETWEEN = {
  checkpoint: { ...RUN.checkpoint, help: "One that takes words" },
  a: { title: "The words top left", label: "Top left", placeholder: "a red apple" },
  b: { title: "The words top right", label: "Top right", placeholder: "a red apple" },
  c: { title: "The words bottom left", label: "Bottom left", placeholder: "a red apple" },
  d: { title: "The words bottom right", label: "Bottom right", placeholder: "a red apple" },
  seed: { ...RUN.seed, help: "The same seed gives the same noise" },
};

/** The words of the own fields of The network. @satisfies {Record<string, FieldWords>} */
export const NETWORK = {
  off: { title: "What is switched off" },
  graft: { title: "The graft" },
  graft_block: { title: "The block of the graft" },
  first: { title: "The first step without it" },
  last: { title: "The last step without it" },
  block: { title: "The block" },
  place: { title: "The place" },
};

/** A field of one lane, which a sentence names. @param {string} title @param {string} lane */
export const ofLane = (title, lane) => `${title} of lane ${lane.toUpperCase()}`;

/** The words of the fields of In the plane. @satisfies {Record<string, FieldWords>} */
export const PLANE = {
  shape: { title: "shape", label: "Data", titles: { drawing: "Draw" } },
  drawing: { title: "drawing" },
  denoiser: { title: "denoiser", titles: { exact: "exact ε", trained: "trained ε" } },
  variance: { title: "variance", label: "Noise", titles: VARIANCES },
  sampler: { title: "sampler" },
  steps: { title: "Steps" },
  cloud: { title: "The number of points", label: "Points" },
  seed: { ...RUN.seed, help: "The same seed gives the same noise, in both" },
  width: { title: "The width", label: "Width of the data", help: "Around each of its centres" },
  training: { title: "The steps of the training", label: "Training steps", help: "Of a trained ε" },
};

/** The words of Likelihood's own fields. @satisfies {Record<string, FieldWords>} */
export const LIKELIHOOD = {
  count: { title: "The number of pictures", label: "How many pictures" },
  labels: {
    title: "kind of labels",
    label: "Classes",
    help: "The condition that the model gets for each picture",
    titles: { classes: "their own", none: "none" },
  },
};

/** Of What noise destroys. @satisfies {Record<string, FieldWords>} */
export const FORWARD = {
  picture: { title: "picture" },
  schedule: {
    title: "schedule",
    help: "How the variance βₜ of each small step grows",
    sentences: {
      linear: "βₜ in a straight line, as in the paper",
      cosine: "ᾱₜ follows cos²: keeps the picture longer",
      quadratic: "√βₜ in a straight line: gentler start",
    },
  },
  t: { title: "Time", label: "Time t", help: "How many of the 1000 small steps of noise" },
  seed: { ...RUN.seed, label: "Noise", help: "ε: a draw of N(0, 1) for each pixel and colour, fixed by its seed" },
};

/** The words of the fields of Train. @satisfies {Record<string, FieldWords>} */
export const TRAIN = {
  data: {
    title: "kind of pictures",
    label: "Pictures",
    titles: { digits: "3,000 digits", drawings: "My drawings", own: "My pictures" },
  },
  two: { title: "Two networks" },
  prediction: {
    title: "prediction",
    label: "The network predicts",
    titles: { v: "a mix, v", epsilon: "the noise, ε", x0: "the picture, x₀", flow: "a flow" },
    sentences: {
      v: "A mix of noise and picture. It is about equally hard at every t.",
      epsilon: "As in the paper. At large t, a small error is a large error of the picture.",
      x0: "The picture itself. At small t, the input shows it already.",
      flow: "The way from picture to noise, ε − x₀, in a straight line.",
    },
  },
  objective: {
    title: "loss",
    label: "Which t it sees most",
    titles: { lognormal: "middle t", uniform: "every t", min_snr: "weighted" },
    sentences: {
      lognormal: "Those at which shapes are decided (Karras et al. 2022).",
      uniform: "All alike, as in the paper (Eq. 14). Half of them are almost only noise.",
      min_snr: "All alike. The SNR weights the loss, up to 5 (Hang et al. 2023).",
    },
  },
  schedule: { title: "schedule", label: "Schedule of the noise", titles: { linear: "linear", cosine: "cosine" } },
  width: {
    title: "width",
    label: "Width of the network",
    titles: { "8 16 32": "half", "16 32 64": "as usual", "32 64 128": "double" },
    sentences: {
      "8 16 32": "8, 16 and 32 channels. A quarter of the weights: quicker, coarser.",
      "16 32 64": "16, 32 and 64 channels, as the digits model of this page.",
      "32 64 128": "32, 64 and 128 channels. Four times the weights: slower.",
    },
  },
  rate: {
    title: "learning rate",
    titles: { 0.001: ".001", 0.003: ".003", 0.012: ".012" },
    sentences: {
      0.001: "Small steps: steady, and slower.",
      0.003: "Suits these networks.",
      0.012: "Large steps: quick at first, but they may go too far.",
    },
  },
  batch: { title: "batch", label: "Pictures of a step" },
  average: { title: "average", label: "Average the weights", help: "Of many steps (EMA). Samples use the average." },
  length: {
    title: "length",
    titles: { 12800: "short", 25600: "as usual", 64000: "long" },
    sentences: {
      12800: "The network sees 12,800 pictures.",
      25600: "The network sees 25,600 pictures.",
      64000: "The network sees 64,000 pictures.",
    },
  },
  seed: { ...RUN.seed, help: "Of the first weights, and of all noise" },
};
