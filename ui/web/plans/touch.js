// A touch: what a hand has changed of x_t on the way from noise to a picture. In an address it is strokes, as in
// "490-noise-100-7.7-8.7_490-255.0.0-50-3.3": when (t), what, how strong (in per cent), and the cells, each as column.row.
import { UserError } from "../process/errors.js";
import { FIELD, RUN } from "../words/wrong.js";

/** @import { Facts } from "./plan.js" */

/** t: about when. what: "noise", "clean" for less of it, or a colour, "255.0.0". strength: in per cent. @typedef {{ t: number, what: string, strength: number, cells: [column: number, row: number][] }} Stroke */

/** A stroke as a state is changed by it: "noise", "clean" or a colour in [−1, 1]; its share of 1; its cells. @typedef {[what: string | number[], strength: number, cells: [column: number, row: number][]]} Change */

/** By s of each state x_s that is touched: √ᾱ_s, and its changes. @typedef {Map<number, [signal: number, changes: Change[]]>} Touches */

const CELLS = 16; // a side, about: a cell is a whole square of pixels
const MOST = 40_000; // characters
const STROKES = 200;
const STROKE = /^\d{1,7}-(noise|clean|\d{1,3}\.\d{1,3}\.\d{1,3})-\d{1,3}(-\d{1,3}\.\d{1,3})+$/;

/** Strokes, in the order in which they were made. @param {string} title of their field @param {unknown} value @returns {Stroke[]} */
export function strokes(title, value) {
  const text = String(value || "").trim();
  if (!fits(text)) throw new UserError(FIELD.manyStrokes(title, STROKES, MOST));
  const parts = text ? text.split("_") : [];
  const found = parts.every((part) => STROKE.test(part)) ? parts.map(stroke) : null;
  if (found?.every(({ what, strength }) => strength <= 100 && Math.max(...colour(what, 3)) <= 1)) return found;
  throw new UserError(FIELD.strokes(title));
}

/** Whether one run may have so many strokes. @param {string} text of strokes */
export const fits = (text) => text.length <= MOST && text.split("_").length <= STROKES;

/** @param {string} text @returns {Stroke} */
function stroke(text) {
  const [t, what, strength, ...cells] = text.split("-");
  const places = cells.map((cell) => /** @type {[number, number]} */ (cell.split(".").map(Number)));
  return { t: Number(t), what, strength: Number(strength), cells: places };
}

/** Strokes as a text. @param {Stroke[]} all */
export const written = (all) =>
  all
    .map(({ t, what, strength, cells }) => [t, what, strength, ...cells.map((place) => place.join("."))].join("-"))
    .join("_");

/** @param {string} what */
const isColour = (what) => what !== "noise" && what !== "clean";

/**
 * Of a stroke, in [−1, 1] and as the model has it: grey, or red, green and blue; then opacity. 0 of others.
 * @param {string} what @param {number} channels @returns {number[]}
 */
function colour(what, channels) {
  if (!isColour(what)) return new Array(channels).fill(0);
  const rgb = what.split(".").map((one) => Number(one) / 127.5 - 1);
  const opaque = channels === 2 || channels === 4 ? [1] : [];
  return [...(channels < 3 ? [rgb.reduce((sum, one) => sum + one, 0) / 3] : rgb), ...opaque];
}

/** Pixels, or numbers of a latent, a side of a cell. @param {number} size of the image */
export const cellSize = (size) => Math.max(1, Math.floor((size + CELLS / 2) / CELLS));

/**
 * Each stroke at the state of the run that is nearest to its t. Throws for a run without such a state.
 * @param {Stroke[]} all @param {number[]} times the s of the run
 */
export function placed(all, times) {
  const way = times.filter((s) => s > 0);
  if (!way.length) throw new UserError(RUN.oneStep);
  const nearest = (/** @type {number} */ t) =>
    way.reduce((best, s) => (Math.abs(s - t) < Math.abs(best - t) ? s : best));
  return all.map((one) => ({ ...one, t: nearest(one.t) }));
}

/**
 * The changes of each state that is touched. Throws for what this model does not allow.
 * @param {Stroke[]} all placed @param {Facts} facts
 * @returns {Touches}
 */
export function touches(all, { image_size, channels, latent, schedule }) {
  const side = Math.ceil(image_size / cellSize(image_size));
  if (all.some(({ cells }) => cells.flat().some((place) => place >= side))) throw new UserError(RUN.outside(side));
  if (latent && all.some(({ what }) => isColour(what))) throw new UserError(RUN.noColours);
  /** @type {Touches} */
  const found = new Map();
  for (const { t, what, strength, cells } of all) {
    const changes = found.get(t)?.[1] ?? [];
    changes.push([isColour(what) ? colour(what, channels) : what, strength / 100, cells]);
    found.set(t, [Math.sqrt(schedule.alphaBar[t]), changes]);
  }
  return found;
}
