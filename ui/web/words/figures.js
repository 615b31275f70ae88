// The words of figures: names of pictures and controls, and sentences.
// The card and the training have the most: theirs stand in card.js and learned.js.

const megabytes = (/** @type {number} */ bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
const steps = (/** @type {number} */ n) => (n === 1 ? "1 step" : `${n} steps`);
export const at = (/** @type {number} */ t) => `t = ${t}`;
export const NOISE_NAME = "noise";

/** A link to the lab that continues with the values of a figure. @typedef {{ text: string, query: Record<string, string> }} LabLink */

const DIGITS = { checkpoint: "mnist-tiny" };

export const WORDS = {
  /** The name of each figure for screen readers. @type {Record<string, string>} */
  names: {
    pad: "Draw a digit",
    noise: "Your picture with noise",
    guess: "The network’s guess of your picture",
    jump: "One jump, or many steps",
    step: "One step, as a sum",
    inside: "Inside the network",
    words: "Pictures between four words",
    learned: "A network learns digits",
    few: "Many steps and few",
    same: "One guess, many names",
    card: "Your card",
  },
  /** The link from each figure to the lab. @type {Record<string, (values: any) => LabLink>} */
  lab: {
    noise: ({ t }) => ({ text: "More pictures and schedules in the lab", query: { tab: "forward", t: String(t) } }),
    guess: ({ t }) => ({
      text: "What a noisy picture still knows, in the lab",
      query: { tab: "latents", ...DIGITS, times: String(t) },
    }),
    jump: () => ({ text: "Watch whole runs in the lab", query: { tab: "watch", ...DIGITS, steps: "50" } }),
    step: () => ({
      text: "Compare β and β̃ in the lab",
      query: { tab: "compare", ...DIGITS, steps: "20", variance: "beta", steps_b: "20", variance_b: "beta_tilde" },
    }),
    inside: () => ({
      text: "Every block, cut and graft in the lab",
      query: { tab: "network", ...DIGITS, graft: "6", graft_block: "middle", steps: "20" },
    }),
    words: () => ({ text: "The square with other models, in the lab", query: { tab: "between" } }),
    learned: () => ({ text: "Train with your own pictures in the lab", query: { tab: "train" } }),
    few: () => ({
      text: "Teacher and student side by side, in the lab",
      query: {
        tab: "compare",
        ...DIGITS,
        steps: "2",
        sampler: "ddim",
        checkpoint_b: "mnist-tiny-2-steps",
        steps_b: "2",
        sampler_b: "ddim",
      },
    }),
  },
  embed: "Embed",
  embedded: "Copied. Paste this line into the HTML of your page.",
  frame: (/** @type {string} */ address, /** @type {number} */ height, /** @type {string} */ title) =>
    `<iframe src="${address}" width="480" height="${height}" style="border: 0; max-width: 100%" title="${title}"></iframe>`,
  unloaded: "This figure could not be loaded. Is there a connection?",
  again: "Try again",
  noModel: "The model of this figure is not on this page.",
  loading: (/** @type {number} */ done, /** @type {number} */ all) =>
    `Loading the network: ${megabytes(done)} of ${megabytes(all)} MB.`,
};

export const PAD = {
  sheet:
    "Drawing sheet of 28 × 28 pixels. Arrow keys move the pen, Space puts it down or lifts it, Delete clears the sheet.",
  undo: "Undo",
  clear: "Clear",
  ours: "Or take one of these:",
  take: (/** @type {number} */ n) => `Take this ${n}`,
  whose: {
    ours: "",
    reader: "This is your picture now, in all figures below.",
    link: "Somebody sent you this picture. Draw over it to use your own.",
  },
};

export const NOISE = {
  picture: "Your picture",
  noise: "Pure noise",
  sum: "Your picture with noise",
  t: NOISE_NAME,
  at,
  xt: "your picture with noise, xₜ",
};

export const GUESS = {
  t: NOISE_NAME,
  at,
  xt: "with noise, xₜ",
  noisy: "Your picture with noise",
  guess: "the guess, x̂₀",
  others: "Your picture with five other noises, and each guess:",
  other: (/** @type {number} */ i) => `Your picture with noise number ${i}`,
  ofOther: (/** @type {number} */ i) => `The guess for noise number ${i}`,
};

export const JUMP = {
  start: "yours, t = 1000",
  one: "1 jump",
  end: "The end of the run",
  n: "length of the run",
  steps,
  path: "On the way: the picture, and below it the guess.",
  pathName: "Seven steps of the run: each picture with its guess",
  other: "Other noise",
};

export const STEP = {
  guess: "the guess",
  present: "the picture",
  noise: "fresh noise",
  next: "the next picture",
  k: "step",
  ends: /** @type {[string, string]} */ (["1", "20"]),
  at: (/** @type {number} */ all) => (/** @type {number} */ k) => `${k} of ${all}`,
  kind: "Fresh noise:",
  kinds: { beta: "β, more", beta_tilde: "β̃, less" },
  ended: (/** @type {number} */ n) => `Where five runs of ${n} steps end:`,
  ending: (/** @type {string} */ kind, /** @type {number} */ i) => `Run ${i} with ${kind}`,
};

export const INSIDE = {
  x: "What goes in",
  guess: "guess",
  own: "yours",
  end: "result",
  block: (/** @type {string} */ name) => `The output of block “${name}”`,
  side: (/** @type {number} */ side) => `${side} × ${side}`,
  k: "step",
  at: STEP.at,
  graft: "Graft a 6",
  back: "Take the 6 out",
};

const CORNERS = ["red apple", "green frog", "yellow sun", "blue whale"];
const PLACES = ["top left", "top right", "bottom left", "bottom right"];
/** The words of the square between four words. */
export const BETWEEN = {
  corners: CORNERS,
  square: "A square between four words. Arrow keys move through it.",
  corner: (/** @type {number} */ i) => `Word ${PLACES[i]}`,
  live: (/** @type {number} */ bytes) => `Your own words (${megabytes(bytes)} MB)`,
  filling: "How much of the square is drawn",
  unreachable: "The recorded pictures could not be loaded. Load the page again.",
};

export const FEW = {
  many: (/** @type {number} */ n) => `${n} steps`,
  two: (/** @type {number} */ n) => `${n} steps`,
  student: (/** @type {number} */ n) => `student, ${n} steps`,
  asked: (/** @type {number} */ label) => `a ${label}`,
  picture: (/** @type {number} */ label, /** @type {string} */ name) => `A ${label}: ${name}`,
  other: "Other noise",
};

export const SAME = {
  t: NOISE_NAME,
  at,
  xt: "xₜ",
  names: { x0: "the picture, x̂₀", eps: "the noise, ε", v: "v", score: "the score", flow: "the flow" },
};
