// What stands beside rows of pictures: of Latents and of Repair.

import { round } from "../local/process/floats.js";

/** @import { Plan } from "../shared/drawing/rows.js" */
/** sources: above the rows. what: which pictures a row has. @typedef {Pick<Plan, "sources" | "what">} About */

/** @type {About} */
export const RECONSTRUCTED = { sources: ["The picture, x₀"], what: "reconstructions" };
/** @type {About} */
export const BETWEEN = { sources: ["First picture", "Second picture"], what: "pictures between the two" };
/** @type {About} */
export const COMPLETED = { sources: ["The picture", "What is left, y"], what: "completions" };

/** A row by its time. @param {number} t */
export const ofTime = (t) => `t = ${t}`;

/** A column by the seed of its noise. @param {number} seed */
export const ofSeed = (seed) => `seed ${seed}`;

/** A column by the share of the second picture. @param {number} weight λ, 0 to 1 */
export const ofWeight = (weight) => `λ ${round(100 * weight) / 100}`;
