// Train's words.
import { duration } from "../../words/units.js";

/** @import { Followed } from "../../messages/protocol.d.ts" */
/** How a training stands: see parts/train/standing.js. @typedef {"idle" | "kept" | "preparing" | "starting" | "running" | "paused" | "stopped" | "finished" | "failed"} Standing */
/** A button of the part. @typedef {"start" | "pause" | "resume" | "stop"} Action */

/** @param {number} n */
export const whole = (n) => Math.round(n).toLocaleString("en");

export const WORDS = {
  title: "Training",
  live: "Live",
  private: "Nothing leaves this computer: the network learns in your browser.",
  noLink: "A link carries these settings, but not your pictures.",
  compare: "Compare with another",
  alone: "Only one network",
  lane: (/** @type {string} */ name) => `Network ${name}`,
  use: "Use this model",
  keep: "Keep",
  welcome:
    "A small U-Net begins with random weights. It sees pictures with noise, and learns to take the noise away (Algorithm 1). Every few seconds it draws from the same noise (Algorithm 2). Noise turns into strokes, and strokes into digits.",
  here: "Press Train to see this in your browser. You can use the page meanwhile.",
  cancel: "Cancel",
  keepThen: (/** @type {string} */ instead) => `Keep it, then ${instead.toLowerCase()}`,
  dropped: "This training is not kept. It will be deleted.",
  open: "Open a kept model",
  example: "A recorded training",
};

/** The buttons. @type {Record<Action, string>} */
export const ACTIONS = { start: "Train", pause: "Pause", resume: "Go on", stop: "Stop" };
export const ANEW = "Train anew";

/** How a training stands. @type {Record<Standing, string>} */
const STATES = {
  idle: "Ready",
  kept: "Your training was kept",
  preparing: "Reading the pictures",
  starting: "Starting",
  running: "Training",
  paused: "Paused",
  stopped: "Stopped",
  finished: "Finished",
  failed: "Failed",
};

/** How a training that is followed stands. @type {Record<Followed["state"], string>} */
export const FOLLOWED = {
  running: "Following",
  finished: "The other training has finished",
  silent: "The other training has written nothing for two minutes",
};

/** Describe in one line what the training does now. @param {Standing} state @param {string} error why it has failed */
export const status = (state, error) => (state === "failed" && error ? `${STATES.failed}: ${error}` : STATES[state]);

/** The numbers of a training. @typedef {{ images: number, total: number, rate: number, left: number | null }} Numbers */

/** How far it is: images, images a second, time left. @param {Numbers} numbers @param {boolean} runs whether it goes on now */
export function facts({ images, total, rate, left }, runs) {
  if (!total) return "";
  const items = [images ? `${whole(images)} of ${whole(total)} images` : `${whole(total)} images`];
  if (runs && rate) items.push(`${whole(rate)} images/s`);
  if (runs && left !== null) items.push(`about ${duration(Math.max(1, left))} left`);
  return items.join(" · ");
}

/** How long a training takes. @param {{ all: number, first: number } | null} seconds null where that is not known @param {boolean} digits whether it learns them */
export function expected(seconds, digits) {
  if (!seconds) return "The first seconds will show how long it takes.";
  const what = digits ? "First digits" : "First shapes";
  return `About ${duration(seconds.all)} on this computer. ${what} after about ${duration(seconds.first)}.`;
}

/** What this computer is short of. */
export const MACHINE = {
  noSimd: "This browser can't train: it has no WebAssembly SIMD. This is a recorded training.",
  noMemory: "This browser has too little memory to train. This is a recorded training.",
  battery: (/** @type {number} */ percent) => `Your battery is at ${percent} %. Training uses much power.`,
  saves: "You save data: pictures are loaded when you press Train.",
};

/** What a learned model is called. */
export const MODELS = {
  /** @param {"digits" | "drawings" | "own"} kind of pictures @param {number} images seen @param {number | null} lane of several */
  title: (kind, images, lane) =>
    `${kind === "own" ? "pictures" : kind}-${images}${lane === null ? "" : `-${"ab"[lane]}`}`,
};

export const NO_WEIGHTS = "The weights of the digits could not be loaded: try again.";

/** How a title names a choice of a lane. @type {Record<string, (title: string) => string>} */
export const CHOICE = {
  prediction: (title) => `predicts ${title}`,
  objective: (title) => `sees ${title}`,
  width: (title) => `width ${title}`,
  rate: (title) => `rate ${title}`,
  batch: (title) => `${title} pictures a step`,
  schedule: (title) => `${title} schedule`,
  average: (title) => (title === "true" ? "averaged" : "not averaged"),
};

/** The questions that one press sets up. @type {Record<string, string>} */
export const QUESTIONS = {
  prediction: "Does it matter what the network predicts?",
  average: "What does averaging do?",
  rate: "Too quick?",
  width: "Half the network?",
};

/** The words of one's own pictures. */
export const OWN = {
  drop: "Drop pictures or folders here",
  files: "Choose pictures",
  folder: "Choose a folder",
  reading: (/** @type {number} */ done) => `Reading: ${whole(done)} pictures`,
  found: (/** @type {number} */ count, /** @type {number} */ side, /** @type {string[]} */ classes) =>
    `${whole(count)} pictures, ${side}×${side} pixels${classes.length ? `, ${classes.length} classes` : ""}.`,
  none: "Choose at least five pictures.",
  how: "Each is cropped to a square and made small. Subfolders become classes.",
};

/** The words of the drawing pad. */
export const PAD = {
  sheet:
    "Sheet: draw here. Keys: arrows move the pen, Space puts it down and lifts it, N begins the next drawing, Z undoes",
  drawings: "Your drawings",
  undo: "Undo",
  clear: "Clear",
  next: "Next drawing",
  title: (/** @type {number} */ most) => `Draw the same thing ${most} times`,
  how: (/** @type {number} */ variants) =>
    `The network learns each drawing in ${variants} variants: shifted, turned, stretched. As usual, it begins with the weights of the digits, which know lines.`,
  drawn: (/** @type {number} */ count, /** @type {number} */ fewest, /** @type {number} */ most) =>
    count < fewest
      ? `${count} of ${most} drawings. Draw at least ${fewest - count}${count ? " more" : ""}.`
      : `${count} of ${most}, enough to train`,
  drawing: (/** @type {number} */ number) => `Drawing ${number}`,
};

/** The words of following another training. */
export const FOLLOW = {
  title: "Follow a training of this computer",
  folder: "The folder that “python -m train fit” writes to",
  example: "runs/mnist-tiny",
  follow: "Follow",
  leave: "Follow no more",
};

/** What there is to see in digits while the error is above such a share of their spread. @type {[least: number, seen: string][]} */
const FALLS = [
  [1, "It knows nothing yet: its guess is worse than a plain grey."],
  [0.74, "It learns how bright a picture is, and where: spots."],
  [0.64, "Spots become strokes."],
  [0.585, "Strokes find their places: some digits can be read."],
  [0, "It knows what digits are made of. From here on it refines."],
];
const SPREAD = 66; // of digits around their mean, in grey levels: the error of a guess that knows nothing else

/** What there is to see in samples of digits. @param {number} step @param {number | null} error */
export function sentence(step, error) {
  if (step === 0) return "Random weights: noise goes in, noise comes out.";
  return (error && FALLS.find(([least]) => error / SPREAD > least)?.[1]) || "";
}

/** Whether samples are copies, by how far they are from the pictures. @param {number} step @param {number} likeness */
export function copies(step, likeness) {
  if (step === 0) return "It has not seen your pictures yet.";
  const what =
    likeness < 0.25
      ? "It copies"
      : likeness < 0.6
        ? "Your pictures, moved and stretched"
        : likeness < 1.6
          ? "No copies"
          : "Not like your pictures yet";
  return `${what}: ${likeness.toFixed(2)} (0 is a copy, 1 is as varied as yours).`;
}

/** @param {{ step: number, images: number, seconds: number }} moment */
export const when = ({ step, images, seconds }) => {
  if (!step) return "before the first step";
  const seen = `after ${whole(images)} images`;
  return seconds ? `${seen}, ${duration(Math.max(1, seconds))}` : seen;
};

/** The words about what a training shows. */
export const SHOWN = {
  progress: "Images seen",
  time: "Time of the training",
  error: "Error of the guess",
  byTime: "Error at each t",
  noise: "t = T, noise",
  picture: "t = 0",
  loss: "Loss (log)",
  averaged: "Averaged network",
  latest: "Latest weights",
  pairs: "Each beside the most similar of yours",
  samples: (/** @type {string} */ when) => `Samples ${when}`,
  lane: (/** @type {string} */ name, /** @type {string} */ title) => (title ? `${name}: ${title}` : name),
  drawn: (/** @type {string} */ what, /** @type {string} */ when) => `${what}: samples ${when}`,
  paired: (/** @type {string} */ when) => `Samples, each beside the most similar of your pictures, ${when}`,
  all: (/** @type {number} */ images) => `${whole(images)} images in all`,
  title: "A network learns to draw",
  levels: (/** @type {number[]} */ errors) => errors.map((error) => error.toFixed(1)).join(" · "),
  ofGuess: (/** @type {string} */ levels) => `error of the guess: ${levels} grey levels`,
  axis: (/** @type {string} */ count, /** @type {boolean} */ isOfSteps) => `${count} ${isOfSteps ? "steps" : "images"}`,
};
