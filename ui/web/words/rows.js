// The words beside rows of pictures, in the parts Latents and Repair.

import { round } from "../process/floats.js";

/** sources: titles of the pictures above the rows. what: the kind of pictures in a row. @typedef {{ sources: string[], what: string }} About */

/** @type {About} */
export const RECONSTRUCTED = { sources: ["The picture, x₀"], what: "reconstructions" };
/** @type {About} */
export const BETWEEN = { sources: ["First picture", "Second picture"], what: "pictures between the two" };
/** @type {About} */
export const COMPLETED = { sources: ["The picture", "What is left, y"], what: "completions" };

/** The title of a row: its time. @param {number} t */
export const ofTime = (t) => `t = ${t}`;

/** The title of a column: the seed of its noise. @param {number} seed */
export const ofSeed = (seed) => `seed ${seed}`;

/** The title of a column: the weight of the second picture. @param {number} weight λ, 0 to 1 */
export const ofWeight = (weight) => `λ ${round(100 * weight) / 100}`;

export const WORDS = {
  picture: "The picture",
  second: "The second picture",
  sample: "Sample of the seed",
  step: "Step of the chains",
  at: (/** @type {number} */ step, /** @type {number} */ steps) => `step ${step} of ${steps}`,
  drawing: " is being drawn…",
  differ: (/** @type {string} */ row) => `Where the pictures of ${row} differ`,
  latent: (/** @type {string} */ row) => `Latent x_t at ${row}`,
  latents: (/** @type {string} */ row) => `Latent x_t at ${row}, second picture`,
};

/**
 * Return how much the pictures of a row differ, and how far they are from y, the pixels that were left, in words.
 * @param {number} spread grey levels @param {number | undefined} gap grey levels; undefined without y
 */
export function apart(spread, gap) {
  const said = spread < 0.05 ? "all the same" : `${levels(spread)} grey levels apart`;
  if (gap === undefined) return said;
  return gap < 0.05 ? `${said}; all fit y` : `${said}; ${levels(gap)} from y`;
}

/** Write a number of grey levels. @param {number} value */
const levels = (value) => value.toFixed(value < 9.95 ? 1 : 0);

/** Describe what a row shows. @param {string} title @param {string} what the number and kind of its pictures @param {number} s time, 0 at the end @param {boolean} state whether x_t is shown */
export function seen(title, what, s, state) {
  if (!s) return `${title}: ${what}, finished`;
  return state
    ? `${title}: ${what}, the state x_t at time ${s}`
    : `${title}: ${what}, best guess x̂_0 seen at time ${s}`;
}

/** The introductions of Latents, by its mode. */
export const LEAD = {
  reconstruct:
    "Each row adds noise to the picture up to t, and removes it several times, with other noise each time. The pictures of a row share what xₜ still knows (Fig. 7).",
  interpolate:
    "Each row adds noise to both pictures up to t, mixes them, and removes the noise, with the same noise for every mixture. A small t blends pixels; a large t invents (Figs. 8, 9).",
};

/** The words of Repair. */
export const REPAIR = {
  lead: "A part of the picture is erased, and the model completes the rest (inpainting), each time with other noise. Where all agree, the model knows what belongs there. Where they differ, it can only guess. The picture at the left is bright where they differ.",
  paint: "Paint over the picture with a finger or the mouse, or take one of these:",
  erased: "What is erased",
  back: "The brush brings back",
  state: "x<sub>t</sub> instead of x̂<sub>0</sub>",
  presets: {
    right: "Right half",
    left: "Left half",
    upper: "Upper half",
    lower: "Lower half",
    middle: "Middle",
    random: "Half at random",
    nothing: "Nothing",
  },
  brush: "Brush over the picture: arrow keys move it, Space erases or brings back",
};

/** The titles of the methods of restoration. @type {Record<string, string>} */
export const METHOD = { ddnm: "DDNM", replacement: "Replacement", repaint: "RePaint", pigdm: "ΠGDM", dps: "DPS" };
