// The texts of the part "How many bits does a picture need?".

import { general } from "../../words/floats.js";
import { countOf, countOfSteps, grey } from "../../words/units.js";

/**
 * Return a sentence that explains why β̃ₜ costs more bits than βₜ in a short chain, but makes cleaner pictures.
 * @param {number} steps of the chain @param {[betaTilde: number, beta: number]} noise the σ of the last noise that each variance
 * adds @param {[betaTilde: number, beta: number]} bits the bits/dim of each variance
 */
export const looksBetter = (steps, [clean, noisy], [more, less]) =>
  `At ${countOfSteps(steps)} β̃ₜ looks better but costs more bits. Its last noise is ${grey(clean)} grey levels, ` +
  `that of βₜ ${grey(noisy)}. But it takes ${general(more, 4)} bits/dim, and βₜ ${general(less, 4)}: β̃ₜ is too ` +
  "small for the errors that so few steps make.";

export const WORDS = {
  lead: "The chain can encode a picture without loss (Eq. 5). How many bits does it need for one colour of a pixel? Most of them describe differences that nobody sees. One pass over all t gives the bits of every variance and every shorter chain.",
  decoding: "Progressive decoding",
  guesses:
    "The receiver’s best guess x̂<sub>0</sub> from x<sub>t</sub> (Algorithm 4), for each t; at the right, the picture",
  pictures: "Pictures",
  set: "Test set",
  measuring: (/** @type {number} */ T) => `Measuring all ${T} steps of the first picture…`,
  row: (/** @type {number} */ picture, /** @type {number[]} */ times) =>
    `Picture ${picture}: guesses seen from ${times.map((t) => `t = ${t}`).join(", ")}, then the picture`,
  found: (/** @type {string} */ bits, /** @type {number} */ T, /** @type {string} */ variance) =>
    `${bits} bits/dim: all ${T} steps, with ${variance}`,
  rates: "Rate and distortion by t",
  slide: (/** @type {number[]} */ times) => `What the receiver guesses at t = ${times.join(", ")}, and the picture`,
  terms: "Bits/dim of each step, by t",
  distortion: "Error of x̂₀ (RMSE of 255) over bits/dim sent",
  paper: "the paper’s, Table 4",
  early: "The first picture by shorter chains, which cost more",
  all: (/** @type {number} */ steps) => `all ${steps} steps`,
  last: "of which L₀",
  /** Return the headings of a variance's two columns in the CSV file. @param {string} variance */
  columns: (variance) => [`L ${variance}`, `rate ${variance}`],
  rate: (/** @type {string} */ variance) => `rate, ${variance}`,
  published: ["rate, paper", "RMSE, paper"],
  table: "Rate: bits/dim that are sent before the receiver has xₜ. RMSE of its x̂₀, of 255",
  tableBeside:
    "Rate: bits/dim that are sent before the receiver has xₜ. RMSE of its x̂₀, of 255. Right: Table 4 of Ho, Jain & Abbeel 2020, the paper’s network with all test pictures",
};

/** Return the caption of a table: how many pictures its numbers include. @param {number} done the number of measured pictures @param {number} count the number of all pictures */
export function measured(done, count) {
  if (count === 1) return "1 picture; linspace steps";
  if (done === count) return `${count} pictures, ± standard error over them; linspace steps`;
  if (done === 1) return `1 of ${count} pictures so far; linspace steps`;
  return `${done} of ${count} pictures so far, ± standard error over them; linspace steps`;
}

/** Return the settings of a measurement in one line. @param {string} model @param {number | null} count the number of pictures; null for the visitor's own picture */
export function summary(model, count) {
  if (count === null) return `${model} · own picture`;
  return `${model} · ${countOf(count, "picture")}`;
}
