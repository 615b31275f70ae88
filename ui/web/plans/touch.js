// A touch: the changes that a visitor made by hand in x_t, between noise and picture. An address contains a touch as
// strokes, such as "490-noise-100-7.7-8.7_490-255.0.0-50-3.3". A stroke is the time t, the kind of change, its
// strength in per cent, and its cells, each as column.row.
import { UserError } from "../process/errors.js";
import { FIELD, RUN } from "../words/wrong.js";

/** @import { Row } from "../process/runs.js" */
/** @import { Facts } from "./plan.js" */

/** A stroke. t: its approximate time. what: "noise", "clean" (less noise), or a colour such as "255.0.0". strength: in per cent. @typedef {{ t: number, what: string, strength: number, cells: [column: number, row: number][] }} Stroke */

/** A change of a state. what: "noise", "clean" or a colour in [−1, 1]. strength: from 0 to 1. @typedef {[what: string | number[], strength: number, cells: [column: number, row: number][]]} Change */

/** The changed states x_s, by their times s. signal: √ᾱ_s. changes: the changes of the state. @typedef {Map<number, [signal: number, changes: Change[]]>} Touches */

const CELLS = 16; // approximate number of cells on each side of an image; a cell covers a whole number of pixels
const MOST = 40_000; // largest length of the text of all strokes, in characters
const STROKES = 200;
const STROKE = /^\d{1,7}-(noise|clean|\d{1,3}\.\d{1,3}\.\d{1,3})-\d{1,3}(-\d{1,3}\.\d{1,3})+$/;

/** Read strokes from a text, in the order in which they were made. @param {string} title of their field @param {unknown} value @returns {Stroke[]} */
export function strokes(title, value) {
  const text = String(value || "").trim();
  if (!fits(text)) throw new UserError(FIELD.manyStrokes(title, STROKES, MOST));
  const parts = text ? text.split("_") : [];
  const all = parts.every((part) => STROKE.test(part)) ? parts.map(stroke) : null;
  if (all?.every(({ what, strength }) => strength <= 100 && Math.max(...colour(what, 3)) <= 1)) return all;
  throw new UserError(FIELD.strokes(title));
}

/** Return whether strokes are few enough for one run. @param {string} text of strokes */
export const fits = (text) => text.length <= MOST && text.split("_").length <= STROKES;

/** Read one stroke. @param {string} text @returns {Stroke} */
function stroke(text) {
  const [t, what, strength, ...cells] = text.split("-");
  const places = cells.map((cell) => /** @type {[number, number]} */ (cell.split(".").map(Number)));
  return { t: Number(t), what, strength: Number(strength), cells: places };
}

/** Write strokes as a text. @param {Stroke[]} all */
export const written = (all) =>
  all
    .map(({ t, what, strength, cells }) => [t, what, strength, ...cells.map((place) => place.join("."))].join("-"))
    .join("_");

/**
 * Find the last state that two runs share if one run has one more stroke than the other. Only states with a frame
 * count. Returns the time s of the state.
 * @param {string} before the first run's strokes @param {string} after the second run's strokes @param {{ steps: Row[], frames: { step: Row }[] }[]} lanes of the first run
 */
export function common(before, after, lanes) {
  const times = lanes.flatMap(({ steps }) => steps.map(([, s]) => s));
  const longer = before.length > after.length ? before : after;
  const [{ t }] = placed(longer.split("_").slice(-1).map(stroke), times);
  const [held, ...others] = lanes.map(({ frames }) => frames.map(({ step: [, s] }) => s));
  return held.findLast((s) => s > t && others.every((own) => own.includes(s)));
}

/** Return whether a stroke paints a colour. @param {string} what */
const isColour = (what) => what !== "noise" && what !== "clean";

/**
 * Return the colour of a stroke in the model's channels, in [−1, 1]: grey, or red, green and blue; then opacity. A
 * stroke without a colour gets zeros.
 * @param {string} what @param {number} channels @returns {number[]}
 */
function colour(what, channels) {
  if (!isColour(what)) return new Array(channels).fill(0);
  const rgb = what.split(".").map((level) => Number(level) / 127.5 - 1);
  const opaque = channels === 2 || channels === 4 ? [1] : [];
  return [...(channels < 3 ? [rgb.reduce((sum, level) => sum + level, 0) / 3] : rgb), ...opaque];
}

/** Return the side of a cell, in pixels of a picture or numbers of a latent. @param {number} size side of the image */
export const cellSize = (size) => Math.max(1, Math.floor((size + CELLS / 2) / CELLS));

/**
 * Move each stroke to the state of the run that is nearest to its t. Throws if the run has no state between noise and
 * picture.
 * @param {Stroke[]} all @param {number[]} times s of each step
 */
export function placed(all, times) {
  const states = times.filter((s) => s > 0);
  if (!states.length) throw new UserError(RUN.oneStep);
  const nearest = (/** @type {number} */ t) =>
    states.reduce((best, s) => (Math.abs(s - t) < Math.abs(best - t) ? s : best));
  return all.map((each) => ({ ...each, t: nearest(each.t) }));
}

/**
 * Return the changes of each state. Throws if the model does not allow a stroke.
 * @param {Stroke[]} all strokes from `placed` @param {Facts} facts
 * @returns {Touches}
 */
export function touches(all, { image_size, channels, latent, schedule }) {
  const side = Math.ceil(image_size / cellSize(image_size));
  if (all.some(({ cells }) => cells.flat().some((place) => place >= side))) throw new UserError(RUN.outside(side));
  if (latent && all.some(({ what }) => isColour(what))) throw new UserError(RUN.noColours);
  /** @type {Touches} */
  const byTime = new Map();
  for (const { t, what, strength, cells } of all) {
    const changes = byTime.get(t)?.[1] ?? [];
    changes.push([isColour(what) ? colour(what, channels) : what, strength / 100, cells]);
    byTime.set(t, [Math.sqrt(schedule.alphaBar[t]), changes]);
  }
  return byTime;
}
