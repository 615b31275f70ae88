// How a network learns in the browser, in the words that page and workers share.

/**
 * How one lane learns.
 * @typedef {object} Recipe
 * @property {"epsilon" | "x0" | "v" | "flow"} prediction
 * @property {"lognormal" | "uniform"} times how t is drawn
 * @property {"" | "min_snr"} weight of the loss
 * @property {"linear" | "cosine" | "flow"} schedule flow for a flow, and for nothing else
 * @property {number[]} widths channels of each level, such as [16, 32, 64]
 * @property {number} lr the highest learning rate
 * @property {number} batch pictures of a step, a multiple of 8
 * @property {number} average the decay of the moving average of the weights, at most; 0: there is none
 * @property {number} dropout the share of labels that are left out
 * @property {number} images the length: pictures that the network sees in all
 * @property {number} seed
 * @property {boolean} starts whether it starts from the weights of mnist-tiny
 */

/** What a lane has learned at some step: see `Grid`. @typedef {{ averaged: Uint8Array, latest: Uint8Array | null, errors: number[], loss: number }} Lane */
/**
 * Samples of the same noise for each lane; pictures have their channels last.
 * @typedef {object} Grid
 * @property {number} step
 * @property {number} images that the network has seen
 * @property {number} seconds of learning until then
 * @property {Lane[]} lanes errors: the root mean square of x̂_0's errors, in grey levels, at each of TIMES
 */

/** The times at which the error of x̂_0 is measured, as shares of T. */
export const TIMES = [0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95];
