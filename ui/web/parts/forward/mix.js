// Eqs. 4 and 7 on pixels. Pictures are arrays of grey levels − 127.5, red, green and blue in turn, so that 0 is the 0 of
// [−1, 1]; ε is in units of its deviation.

import { gaussian } from "../../process/noise.js";

const MIDDLE = 127.5;
const GAINS = [1, 2, 5, 10, 20, 50, 100, 200, 500];
const SEEN = 60; // grey levels of deviation that are well seen

/** ε for a picture of this size: x_T of the seed's run. @param {number} seed @param {number} size pixels a side */
export function noiseOf(seed, size) {
  const pixels = size ** 2;
  const drawn = gaussian(BigInt(seed), 0, 3 * pixels); // channels outermost
  return drawn.map((_, i) => drawn[(i % 3) * pixels + Math.floor(i / 3)]);
}

/**
 * x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε in grey levels, where ε of one standard deviation is MIDDLE levels
 * @param {Float32Array} x0
 * @param {Float32Array} epsilon
 * @param {number} signal
 * @param {number} noise
 */
export const noised = (x0, epsilon, signal, noise) => x0.map((v, i) => signal * v + noise * MIDDLE * epsilon[i]);

/**
 * a·x + b·y
 * @param {number} a
 * @param {Float32Array} x
 * @param {number} b
 * @param {Float32Array} y
 */
export const sum = (a, x, b, y) => x.map((v, i) => a * v + b * y[i]);

/** @param {Float32Array} values */
export const rms = (values) => Math.sqrt(values.reduce((total, v) => total + v * v, 0) / values.length);

/** The variance of a picture, with its values in −1 to 1. @param {Float32Array} x0 */
export function variance(x0) {
  const mean = x0.reduce((total, v) => total + v, 0) / x0.length;
  return Math.max(0, rms(x0) ** 2 - mean ** 2) / MIDDLE ** 2;
}

/**
 * How many times a picture of this deviation is enlarged to be seen.
 * @param {number} deviation in grey levels
 */
export const visibleGain = (deviation) => GAINS.findLast((gain) => gain * deviation <= SEEN) ?? 1;

/**
 * Write a picture, times a gain, as the red, green, blue and opacity of a canvas, which clamps and rounds.
 * @param {Uint8ClampedArray} pixels
 * @param {Float32Array} values
 * @param {number} [gain]
 */
export function toPixels(pixels, values, gain = 1) {
  for (let i = 0, j = 0; i < values.length; i += 3, j += 4) {
    pixels[j] = MIDDLE + gain * values[i];
    pixels[j + 1] = MIDDLE + gain * values[i + 1];
    pixels[j + 2] = MIDDLE + gain * values[i + 2];
    pixels[j + 3] = 255;
  }
}
