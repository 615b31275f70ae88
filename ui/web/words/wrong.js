// Error messages for visitors: what is wrong with a request, and what is allowed.

import { general } from "./floats.js";

/** Write a number for a sentence, such as 1,200. @param {number} value */
const amount = (value) => value.toLocaleString("en");

/** Errors in the value of a field. title: the field's name. value: the wrong value, quoted by `shown` of plans/fields.js. */
export const FIELD = {
  nothing: "nothing",
  far: (/** @type {string} */ value) =>
    `${value} is on another machine: choose a folder of this machine, or give the folder a drive letter`,
  reference: (/** @type {string} */ title) =>
    `Choose a ${title}: an embedded name, or a Hub id such as google/ddpm-cifar10-32`,
  choice: (/** @type {string} */ title, /** @type {string} */ value, /** @type {string[]} */ names) =>
    `There is no ${title} ${value}: choose from ${names.join(", ")}`,
  long: (/** @type {string} */ title, /** @type {number} */ most, /** @type {number} */ length) =>
    `${title} has at most ${most} characters, got ${amount(length)}`,
  onOff: (/** @type {string} */ title, /** @type {string} */ value) =>
    `${title} must be true or false, or empty for the model's default, got ${value}`,
  whole: (/** @type {string} */ title, /** @type {string} */ allowed, /** @type {string} */ value) =>
    `${title} must be a whole number from ${allowed}, got ${value}`,
  number: (
    /** @type {string} */ title,
    /** @type {number} */ low,
    /** @type {number} */ high,
    /** @type {string} */ value,
  ) => `${title} must be a number from ${low} to ${high}, got ${value}`,
  range: (/** @type {number} */ low, /** @type {number} */ high) => `${low} to ${high}`,
  wholes: (
    /** @type {string} */ title,
    /** @type {number} */ most,
    /** @type {unknown} */ example,
    /** @type {string} */ value,
  ) => `${title} are up to ${most} whole numbers such as ${example}, got ${value}`,
  times: (
    /** @type {string} */ title,
    /** @type {number} */ most,
    /** @type {unknown} */ example,
    /** @type {string} */ value,
  ) => `${title} are up to ${most} numbers such as ${example} or σ 80, 10, 0.5, got ${value}`,
  cells: "The erased area can't be read. Paint it again.",
  points: (/** @type {string} */ value) => `A drawing is points such as 12,-30 in hundredths, got ${value}`,
  drawing: (/** @type {number} */ most, /** @type {string} */ value) =>
    `A drawing has 1 to ${most} points from -100,-100 to 100,100, got ${value}`,
  strokes: (/** @type {string} */ title) => `${title} is strokes such as 490-noise-100-7.7: paint it again`,
  manyStrokes: (/** @type {string} */ title, /** @type {number} */ strokes, /** @type {number} */ letters) =>
    `${title} has at most ${strokes} strokes and ${amount(letters)} characters: undo some`,
};

/** Write a positive number for a sentence, with two significant digits if it is below 10. @param {number} value */
const some = (value) => (value >= 10 || Number.isInteger(value) ? amount(Math.round(value)) : general(value, 2));

/** Errors for runs that the model can't do. */
export const RUN = {
  long: (
    /** @type {number} */ steps,
    /** @type {number} */ images,
    /** @type {number} */ flop,
    /** @type {number} */ limit,
  ) => {
    const product = `${amount(Math.round(steps))} steps × ${general(images, 3)} images × ${general(flop / 1e9, 3)} GFLOP`;
    const needed = some((steps * images * flop) / 1e12);
    return `This run needs ${needed} TFLOP (${product}): take fewer steps or images (limit: run_tflop = ${some(limit)})`;
  },
  laneB: (/** @type {string} */ sentence) => `B: ${sentence}`,
  steps: (/** @type {number} */ T, /** @type {number} */ steps) =>
    `Steps must be a whole number from 1 to ${T} for this checkpoint, got ${steps}`,
  noPrompt: "This model takes no prompt: leave it empty",
  noClasses: (/** @type {string} */ any) => `This checkpoint has no classes: leave the class at '${any}'`,
  noClass: (/** @type {string} */ value, /** @type {string} */ any, /** @type {string} */ names) =>
    `This checkpoint has no class ${value}: choose from ${any}, ${names}`,
  few: (/** @type {string} */ names, /** @type {number} */ count) => `${names}, … (${count} in all)`,
  images: (/** @type {string} */ first, /** @type {string} */ second) =>
    `two models side by side must make images of the same size and number of channels: ${first}, ${second}`,
  makes: (/** @type {string | null | undefined} */ name, /** @type {number} */ size, /** @type {number} */ channels) =>
    channels === 1
      ? `${name || "the model"} makes ${size}×${size} pixels in 1 channel`
      : `${name || "the model"} makes ${size}×${size} pixels in ${channels} channels`,
  channels: (/** @type {number} */ channels) =>
    `this model makes images of ${channels} channels: only 1 to 4 can be shown as a picture`,
  sizes: (/** @type {number[]} */ sizes) =>
    `Two models beside each other must make pictures of one size, and these make ${sizes.map((size) => `${size}×${size}`).join(" and ")}`,
  student: (/** @type {string} */ sampler) =>
    `This model is a student made for ${sampler}, and this grid has no row for it`,
  cell: "No cell of this grid is possible with this model: choose other steps",
  oneStep: "A run of one step has nothing to change halfway: take more steps",
  outside: (/** @type {number} */ side) =>
    `The change lies outside this model's ${side}×${side} cells: undo it, and paint again`,
  noColours: "A latent has no colours: add noise to its cells, or take noise away",
};

/** How to install the lab. The installed lab has everything that the edition without a server lacks. */
export const INSTALL = "Install it with `pip install -r requirements.txt` and open it with `python app.py`.";

/** Errors for requests of other parts that the model can't do. */
export const PART = {
  gradients: `ΠGDM and DPS need gradients, which only the installed lab computes: choose another method here. ${INSTALL}`,
  between: "Between words needs a text-to-image model, such as emoji-tiny",
  latents: "this part of the page works only for models of pixels, but this model draws latents of an autoencoder",
  repair: "restoration works only for models of pixels, but this model draws latents of an autoencoder",
  likelihood: "the likelihood works only for models of pixels, but this model draws latents of an autoencoder",
  times: (/** @type {number} */ T, /** @type {number} */ highest) =>
    `Times go from 0 to ${T} for this checkpoint, got ${highest}`,
  erased: "Paint over a part of the picture, but not over all of it",
  grey: "The pictures of this model have no colour: choose another task",
  shrunk: (/** @type {number} */ times) =>
    `The pictures of this model can't be made ${times} times smaller: choose another task`,
  ownState: "this method works only with the samplers ddpm, ddim and consistency",
  noPictures: (/** @type {number} */ size, /** @type {number} */ channels) =>
    `No pictures of ${size}×${size} pixels in ${channels} channels come with the page: choose one of your own`,
  needsClass: (/** @type {number} */ last) => `this model needs a class label, 0 to ${last}`,
  teacher: "measure its teacher",
  consistency: "this model is a consistency student, which has no steps to measure: choose another",
  empty: "The drawing is empty: draw at least one point",
};

/** Errors in requests of the part "The network". */
export const NETWORK = {
  part: (/** @type {string} */ value) =>
    `A network has no part ${value}: choose such as middle, skips 28, attention, time`,
  prompt: (/** @type {number} */ length) => `The prompt has at most 300 characters, got ${amount(length)}`,
  noBlock: (/** @type {string} */ block, /** @type {string[]} */ names) =>
    `This network has no block '${block}': choose from ${names.join(", ")}`,
  block: (/** @type {string} */ value) => `A network has no block ${value}: choose such as down 1, middle, up 1`,
  graft: "A graft needs a model with classes or prompts",
  both: (/** @type {string} */ block) => `Block ${block} can't be switched off and grafted at once`,
  place: (/** @type {string} */ value) => `A position is two numbers from 0 to 99, down and right, got ${value}`,
  steps: (/** @type {number} */ count) =>
    `Steps go from 1 to ${count} here, and the first step must not be after the last step`,
};

/** Why there is no script of a run. */
export const SCRIPT = {
  grid: "A grid is many runs: open one of its cells",
  onlyHere: "Only this page has the model of this run",
  touched: "diffusers can't change a picture halfway",
  lanes: "diffusers repeats one run: open A or B in Watch",
  option: (/** @type {string} */ name) => `diffusers does not have the option ${name} of this sampler`,
  ddim: "diffusers repeats DDIM with trailing spacing, steps that divide T, and η = 0 only",
  sampler: "diffusers does not have this sampler",
  ddpm: "Diffusers can repeat DDPM only with β or β̃",
  prediction: "diffusers can't sample from this network's prediction",
  schedule: "This model draws on another schedule than that of its training, which diffusers can't",
  ownClass: "diffusers does not have the class of this network",
  channels: (/** @type {string} */ pipeline) => `the ${pipeline} of diffusers draws three channels`,
  scores: "For score models, diffusers only has DDPM and Langevin with βₜ (the authors’ reverse diffusion)",
  clip: "diffusers does not clip x̂₀ of score models: switch that off",
};

/** Why there is no file. */
export const NOTHING = {
  picture: "There is no picture yet: press Run",
  row: "There is no finished row of pictures yet: press Run",
  cloud: "There is no finished cloud yet: press Run",
  numbers: "There are no numbers yet: press Run",
  webp: "This browser can't write WebP: take the GIF",
};
