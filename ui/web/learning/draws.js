// The random numbers of a training. Each number depends only on the training's seed, its purpose and an index (of an
// example, for instance). So a training repeats exactly, whichever worker draws the numbers.

import { gaussian, uniform } from "../process/noise.js";

const APART = 2 ** 48; // number of streams for each purpose
const PURPOSES = ["noise", "example", "order", "weights", "sample", "error"];
/** The purpose of a random number: each purpose has its own stream. @typedef {"noise" | "example" | "order" | "weights" | "sample" | "error"} Purpose */

/** Return the number of a random stream. @param {Purpose} purpose @param {number} number index of an example or of another thing */
const stream = (purpose, number) => PURPOSES.indexOf(purpose) * APART + number;

/** Return n standard normal numbers. @param {number} seed @param {Purpose} purpose @param {number} number index of an example or of another thing @param {number} n */
export const normals = (seed, purpose, number, n) => gaussian(String(seed), stream(purpose, number), n);

/** Return n uniform numbers in [0, 1). @param {number} seed @param {Purpose} purpose @param {number} number index of an example or of another thing @param {number} n */
export const uniforms = (seed, purpose, number, n) => uniform(String(seed), stream(purpose, number), n);
