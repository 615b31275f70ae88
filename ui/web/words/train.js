// Train's words.
import { duration } from "./units.js";

/** The numbers of a training run. @typedef {{ total: number, images: (step: number) => number, points: (number | null)[][] }} Run */
/** @import { TrainingNow, TrainState } from "../messages/protocol.d.ts" */

/** @type {Record<TrainState, string>} */
const STATES = {
  idle: "Ready",
  starting: "Starting",
  waiting: "Waiting",
  running: "Training",
  pausing: "Saving, then pausing",
  paused: "Paused",
  stopping: "Saving, then stopping",
  stopped: "Stopped",
  finished: "Finished",
  error: "Failed",
  silent: "Silent",
};

/** @param {number} n */
export const whole = (n) => Math.round(n).toLocaleString("en");

/** What the run does, in a line. @param {TrainingNow} answer @param {boolean} [example] whether a recorded one is shown */
export function status({ state, text, followed }, example = false) {
  if (state === "idle" && example) return "A recorded training";
  if (state === "waiting") return `The computer is busy with other programs. Waiting (${text})`;
  const what = followed && state === "running" ? "Following" : STATES[state];
  if (state === "silent") return "The other training has written nothing for two minutes";
  return text ? `${what}: ${text}` : what;
}

/**
 * How far it is: images, images a second, time left.
 * @param {TrainingNow} answer
 * @param {Run} run
 */
export function facts({ state, step = 0, left }, run) {
  if (state === "idle" && run.total) return [`${whole(run.images(run.total))} images`];
  if (!run.total) return [];
  const items = [`${whole(run.images(step))} of ${whole(run.images(run.total))} images`];
  const speeds = run.points.slice(-5).flatMap(([, , speed]) => (speed === null ? [] : [speed]));
  if (speeds.length && ["running", "pausing", "paused"].includes(state))
    items.push(`${whole(speeds.reduce((a, b) => a + b) / speeds.length)} images/s`);
  if (left && state === "running") items.push(`about ${duration(Math.max(1, left))} left`);
  return items;
}

/**
 * What there is to see in samples, by how far the error has fallen.
 * @param {number} step
 * @param {number | null} error
 * @param {number | null} first the error at the start
 */
export function sentence(step, error, first) {
  if (step === 0) return "Random weights: noise goes in, noise comes out.";
  if (!error || !first) return "";
  const share = error / first;
  if (share > 0.75) return "It learns how bright a picture is, and where: spots.";
  if (share > 0.52) return "Spots become strokes.";
  if (share > 0.44) return "Strokes find their places: some digits can be read.";
  return "It knows what the pictures are made of; from here on it refines.";
}

/**
 * Whether samples are copies of drawings, by how far they are from them.
 * @param {number} step
 * @param {number} likeness
 */
export function copies(step, likeness) {
  if (step === 0) return "It has not seen your drawings yet.";
  const what =
    likeness < 0.25
      ? "It copies"
      : likeness < 0.6
        ? "Your drawings, moved and stretched"
        : likeness < 1.6
          ? "New ones, no copies"
          : "Not like your drawings yet";
  return `${what}: ${likeness.toFixed(2)} (0 is a copy, 1 is as varied as yours).`;
}

/** @param {Run} run @param {number} step @param {number} seconds */
export const moment = (run, step, seconds) => {
  if (!step) return "before the first step";
  const images = whole(run.images(step));
  return seconds ? `after ${images} images, ${duration(Math.max(1, seconds))}` : `after ${images} images`;
};

export const WORDS = {
  title: "Training",
  start: "Train",
  anew: "Train anew",
  pause: "Pause",
  on: "Go on",
  stop: "Stop",
  hurry: "Start anyway",
  following: "Follow another training",
  folder: "The folder that a training on this computer writes to",
  example: "runs/mnist-tiny",
  follow: "Follow",
  use: "Use this model",
  keep: "Keep",
  averaged: "Averaged network",
  saved: "(saved)",
  pairs: "Each one beside your most similar drawing",
  latest: "Latest weights",
  earlier: "averaged, an earlier run",
  live: "Live",
  compared: "Earlier runs of this visit",
  grey: "Earlier runs, in grey:",
  welcome:
    "A small U-Net begins with random weights. It sees real digits with noise added, and learns to take the noise away (Algorithm 1 of the paper). Every few seconds it draws the same samples from the same noise (Algorithm 2): noise turns into strokes, and strokes into digits.",
  here: " Press <b>Train</b> to see this on your machine. You can use the page meanwhile.",
  looking: "Looking…",
  cancel: "Cancel",
  keepThen: (/** @type {string} */ instead) => `Keep it, then ${instead.toLowerCase()}`,
  dropped: "This training is not kept. It will be deleted.",
  kept: (/** @type {string} */ folder) => `Kept in ${folder}.`,
  copy: "Copy the command that continues it",
  command: "The command:",
  other: "Follow the other training",
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
  folder: "Or a folder, or a data set",
  named: "The network learns the pictures named below",
  drawn: (/** @type {number} */ count, /** @type {number} */ fewest, /** @type {number} */ most) =>
    count < fewest
      ? `${count} of ${most} drawings. Draw at least ${fewest - count}${count ? " more" : ""}.`
      : `${count} of ${most}, enough to train`,
  drawing: (/** @type {number} */ number) => `Drawing ${number}`,
};

/** The words about what a training shows. */
export const SHOWN = {
  progress: "Images seen",
  time: "Time of the training",
  error: "Error of the guess x̂₀",
  loss: "Loss (log)",
  samples: (/** @type {string} */ when) => `Samples ${when}`,
  averaged: (/** @type {string} */ when) => `Averaged network, ${when}`,
  latest: "Latest weights",
  left: (/** @type {number} */ error) => `error of the guess: ${error.toFixed(1)} grey levels`,
  all: (/** @type {number} */ images) => `${whole(images)} images in all`,
  title: "A network learns to draw",
  ema: (/** @type {string} */ when) => `Samples with the averaged weights ${when}`,
  raw: (/** @type {string} */ when) => `Samples with the latest weights ${when}`,
  pairs: (/** @type {string} */ when) => `Samples, each beside the most similar drawing, ${when}`,
  earlier: (/** @type {string} */ run) => `Samples of an earlier run, ${run}`,
  levels: (/** @type {number} */ error) => `${error.toFixed(1)} grey levels`,
  run: (/** @type {string} */ title, /** @type {number} */ images) => `${title} · ${whole(images)} images`,
  beside: "Show its samples beside this run's",
};
