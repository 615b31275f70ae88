// The texts of the part "In the plane".
import { fixed, number } from "../../words/numbers.js";
import { countOf, countOfSteps } from "../../words/units.js";

export const WORDS = {
  lead: "Each point is a picture of one pixel with two values. Both clouds start at the same x<sub>T</sub>; the grey, q(x<sub>t</sub>), is where they belong at each t. With the exact ε, every error comes from the sampler. A trained network adds errors.",
  drawn: "What is drawn",
  score: "Score",
  paths: "Paths of 8 points",
  large: "One below the other",
  arrows:
    "Arrows: the score ∇ log q(x<sub>t</sub>), it points to where points are denser. Colour: the score of the trained network. Grey: the exact score.",
  none: "No points yet",
  title: (/** @type {unknown} */ shape) => `In the plane: ${shape}`,
  missing: "Draw your data first",
  time: "Time t",
  learning: "the network so far",
  data: "the data",
  nothing: "nothing yet",
  slide: (/** @type {string} */ lanes, /** @type {number} */ t) => `${lanes} · t = ${t}`,
  points: (/** @type {number} */ count, /** @type {number} */ t, /** @type {string} */ said) =>
    `${countOf(count, "point")} at t = ${t}. ${said}`,
};

/** The texts of the board on which visitors draw data. */
export const BOARD = {
  help: "Draw with a finger or the mouse. On a keyboard: arrow keys move the cross, Space sets a point, Backspace takes the last one away.",
  board: "Drawing board",
  undo: "Undo",
  clear: "Clear",
  count: (/** @type {number} */ count) => countOf(count, "point"),
  full: (/** @type {string} */ points) => `${points}, no more are possible`,
  cross: (/** @type {string} */ said, /** @type {number} */ x, /** @type {number} */ y) =>
    `${said} · cross at ${x}, ${y}`,
};

/** The texts of charts and tables. */
export const CHARTS = {
  marginal: (/** @type {string} */ coordinate) => `Marginal of ${coordinate}`,
  lane: (/** @type {string} */ lane, /** @type {number} */ t) => `${lane} at t = ${t}`,
  truth: (/** @type {number} */ t) => `q(xₜ) at t = ${t}`,
  table:
    "Spread is the trace of the covariance. ± is the standard error; values more than three standard errors away are bold.",
  heads: ["", "Mean of x₁", "Mean of x₂", "Spread"],
  loss: "Loss of the training (Eq. 14)",
  steps: countOfSteps,
  at: (/** @type {number} */ step, /** @type {number} */ steps, /** @type {number} */ loss) =>
    step ? `step ${step} of ${steps} · ${three(loss)}` : "starting",
  least: (/** @type {number} */ loss) =>
    `Dashed: ${three(loss)}, the loss of the exact ε. No network has a lower loss.`,
};

/** Write a number with three decimals. @param {number} v */
export const three = (v) => (v > -0.0005 ? fixed(Math.abs(v), 3) : `−${fixed(-v, 3)}`);

/**
 * Compare the spread of a cloud with the true spread.
 * @param {number} trace the spread @param {number} error the standard error of `trace`
 * @param {number} truth the true spread @param {number} errors number of standard errors up to which a difference counts as chance
 */
export function verdict(trace, error, truth, errors) {
  const [found, wanted] = [`${three(trace)} ± ${three(error)}`, three(truth)];
  if (Math.abs(trace - truth) <= errors * error) return `Spread ${found}, as it should be (${wanted})`;
  if (trace > 2 * truth) return `Spread ${found}: ${number(trace / truth)} times what it should be (${wanted})`;
  const percent = Math.round(100 * Math.abs(trace / truth - 1));
  return trace > truth
    ? `Spread ${found}: ${percent} % above what it should be (${wanted})`
    : `Spread ${found}: ${percent} % below what it should be (${wanted})`;
}

/** Return a title with the names of both lanes. @param {string[]} names */
export const against = (names) => names.join(" against ");
