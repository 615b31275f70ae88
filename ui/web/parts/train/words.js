// The texts of the part "Train".
import { duration } from "../../words/units.js";

/** @import { Followed } from "../../messages/protocol.d.ts" */
/** The state of a training: see standing.js. @typedef {"idle" | "kept" | "preparing" | "starting" | "running" | "paused" | "stopped" | "finished" | "failed"} Standing */
/** An action that has a button. @typedef {"start" | "pause" | "resume" | "stop"} Action */

/** Round a number to a whole number, and write it with commas, such as 25,600. @param {number} n */
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

/** The titles of the buttons. @type {Record<Action, string>} */
export const ACTIONS = { start: "Train", pause: "Pause", resume: "Go on", stop: "Stop" };
export const ANEW = "Train anew";

/** The title of each state. @type {Record<Standing, string>} */
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

/** The title of each state of a followed training. @type {Record<Followed["state"], string>} */
export const FOLLOWED = {
  running: "Following",
  finished: "The other training has finished",
  silent: "The other training has written nothing for two minutes",
};

/** Describe in one line what the training does now. @param {Standing} state @param {string} error why the training has failed */
export const status = (state, error) => (state === "failed" && error ? `${STATES.failed}: ${error}` : STATES[state]);

/** The progress of a training: images seen and in all, images per second (rate), seconds left (null if unknown). @typedef {{ images: number, total: number, rate: number, left: number | null }} Numbers */

/** Describe the progress: images, images per second, time left. @param {Numbers} numbers @param {boolean} runs whether the training is running */
export function facts({ images, total, rate, left }, runs) {
  if (!total) return "";
  const items = [images ? `${whole(images)} of ${whole(total)} pictures` : `${whole(total)} pictures`];
  if (runs && rate) items.push(`${whole(rate)} pictures/s`);
  if (runs && left !== null) items.push(`about ${duration(Math.max(1, left))} left`);
  return items.join(" · ");
}

/** Describe how long a training takes. @param {{ all: number, first: number } | null} seconds in all, and until its first samples can be recognised; null if unknown @param {boolean} digits whether its pictures are digits */
export function expected(seconds, digits) {
  if (!seconds) return "The first seconds will show how long it takes.";
  const what = digits ? "First digits" : "First shapes";
  return `About ${duration(seconds.all)} on this computer. ${what} after about ${duration(seconds.first)}.`;
}

/** Warnings about the visitor's computer. */
export const MACHINE = {
  noSimd: "This browser can't train: it has no WebAssembly SIMD. This is a recorded training.",
  noMemory: "This browser has too little memory to train. This is a recorded training.",
  battery: (/** @type {number} */ percent) => `Your battery is at ${percent} %. Training uses much power.`,
  saves: "You save data: pictures are loaded when you press Train.",
};

/** The names of trained models. */
export const MODELS = {
  /** Return a name such as digits-25600-a. @param {"digits" | "drawings" | "own"} kind of pictures @param {number} images seen @param {number | null} lane null if there is only one lane */
  title: (kind, images, lane) =>
    `${kind === "own" ? "pictures" : kind}-${images}${lane === null ? "" : `-${"ab"[lane]}`}`,
};

export const NO_WEIGHTS = "The weights of the digits could not be loaded: try again.";

/** For each field, a function that returns the words for the field's value in a lane's title. @type {Record<string, (title: string) => string>} */
export const CHOICE = {
  prediction: (title) => `predicts ${title}`,
  objective: (title) => `sees ${title}`,
  width: (title) => `width ${title}`,
  rate: (title) => `rate ${title}`,
  batch: (title) => `${title} pictures a step`,
  schedule: (title) => `${title} schedule`,
  average: (title) => (title === "true" ? "averaged" : "not averaged"),
};

/** The questions about training, as their buttons show them. @type {Record<string, string>} */
export const QUESTIONS = {
  prediction: "Does it matter what the network predicts?",
  average: "What does averaging do?",
  rate: "Too quick?",
  width: "Half the network?",
};

/** The texts about the visitor's own pictures. */
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

/** The texts of the drawing pad. */
export const PAD = {
  sheet:
    "Sheet: draw here. Keys: arrows move the pen, Space puts it down and lifts it, N begins the next drawing, Z undoes",
  drawings: "Your drawings",
  undo: "Undo",
  clear: "Clear",
  next: "Next drawing",
  title: (/** @type {number} */ most) => `Draw the same thing ${most} times`,
  how: (/** @type {number} */ variants) =>
    `The network learns each drawing in ${variants} variants: shifted, turned, stretched. By default, the network begins with the weights of the digits model, which can draw lines.`,
  drawn: (/** @type {number} */ count, /** @type {number} */ fewest, /** @type {number} */ most) =>
    count < fewest
      ? `${count} of ${most} drawings. Draw at least ${fewest - count}${count ? " more" : ""}.`
      : `${count} of ${most}, enough to train`,
  drawing: (/** @type {number} */ number) => `Drawing ${number}`,
};

/** The texts about following another training. */
export const FOLLOW = {
  title: "Follow a training of this computer",
  folder: "The folder that “python -m train fit” writes to",
  example: "runs/mnist-tiny",
  follow: "Follow",
  leave: "Stop following",
};

/** Sentences about samples of digits. A sentence holds while the error, divided by SPREAD, is above its limit. @type {[least: number, seen: string][]} */
const FALLS = [
  [1, "It knows nothing yet: its guess is worse than a plain grey."],
  [0.74, "It learns where pictures are bright: spots."],
  [0.64, "Spots become strokes."],
  [0.585, "Strokes find their places: some digits can be read."],
  [0, "It knows what digits are made of. From here on it refines."],
];
const SPREAD = 66; // in grey levels: the error of a network that always guesses the mean of all digits

/** Describe what samples of digits show. @param {number} step @param {number | null} error in grey levels */
export function sentence(step, error) {
  if (step === 0) return "Random weights: noise goes in, noise comes out.";
  return (error && FALLS.find(([least]) => error / SPREAD > least)?.[1]) || "";
}

/** Describe whether samples are copies. @param {number} step @param {number} likeness the distance of the samples from the training pictures, 0 for copies */
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

/** Describe the time of a moment by the images seen and the duration. @param {{ step: number, images: number, seconds: number }} moment */
export const when = ({ step, images, seconds }) => {
  if (!step) return "before the first step";
  const seen = `after ${whole(images)} pictures`;
  return seconds ? `${seen}, ${duration(Math.max(1, seconds))}` : seen;
};

/** The texts of samples and curves. */
export const SHOWN = {
  progress: "Pictures seen",
  time: "Time of the training",
  error: "Error of the guess",
  byTime: "Error at each t",
  noise: "t = T, noise",
  picture: "t = 0",
  loss: "Loss (log)",
  averaged: "Averaged weights",
  latest: "Latest weights",
  pairs: "Each beside the most similar of yours",
  samples: (/** @type {string} */ when) => `Samples ${when}`,
  lane: (/** @type {string} */ name, /** @type {string} */ title) => (title ? `${name}: ${title}` : name),
  drawn: (/** @type {string} */ what, /** @type {string} */ when) => `${what}: samples ${when}`,
  paired: (/** @type {string} */ when) => `Samples, each beside the most similar of your pictures, ${when}`,
  all: (/** @type {number} */ images) => `${whole(images)} pictures in all`,
  title: "A network learns to draw",
  levels: (/** @type {number[]} */ errors) => errors.map((error) => error.toFixed(1)).join(" · "),
  ofGuess: (/** @type {string} */ levels) => `error of the guess: ${levels} grey levels`,
  axis: (/** @type {string} */ count, /** @type {boolean} */ isOfSteps) =>
    `${count} ${isOfSteps ? "steps" : "pictures"}`,
};
