// Eqs. 4 and 7 of the paper for pixels. A picture is an array of the red, green and blue values of each pixel in turn.
// Each value is a grey level (0..255) minus 127.5, so 0 is the middle grey, as on the paper's scale −1..1. The noise ε
// is an array in the same order, with standard deviation 1.

import { gaussian } from "../../process/noise.js";

const MIDDLE = 127.5;
const GAINS = [1, 2, 5, 10, 20, 50, 100, 200, 500];
const SEEN = 60; // a standard deviation, in grey levels, that is easy to see

/** Return ε for a picture of this size. A run with this seed begins with the same noise, as its x_T. @param {number} seed @param {number} size the picture's side in pixels */
export function noiseOf(seed, size) {
  const pixels = size ** 2;
  const drawn = gaussian(BigInt(seed), 0, 3 * pixels); // contains all red values, then all green values, then all blue values
  return drawn.map((_, i) => drawn[(i % 3) * pixels + Math.floor(i / 3)]);
}

/**
 * Return x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε (Eq. 4) in grey levels. One standard deviation of ε is MIDDLE grey levels.
 * @param {Float32Array} x0
 * @param {Float32Array} epsilon
 * @param {number} signal √ᾱ_t
 * @param {number} noise √(1 − ᾱ_t)
 */
export const noised = (x0, epsilon, signal, noise) => x0.map((v, i) => signal * v + noise * MIDDLE * epsilon[i]);

/**
 * Return a·x + b·y.
 * @param {number} a
 * @param {Float32Array} x
 * @param {number} b
 * @param {Float32Array} y
 */
export const sum = (a, x, b, y) => x.map((v, i) => a * v + b * y[i]);

/** Return the root mean square. @param {Float32Array} values */
export const rms = (values) => Math.sqrt(values.reduce((total, v) => total + v * v, 0) / values.length);

/** Return the variance of a picture on the scale −1..1. @param {Float32Array} x0 */
export function variance(x0) {
  const mean = x0.reduce((total, v) => total + v, 0) / x0.length;
  return Math.max(0, rms(x0) ** 2 - mean ** 2) / MIDDLE ** 2;
}

/**
 * Return the factor by which values of this standard deviation are multiplied to make them visible.
 * @param {number} deviation in grey levels
 */
export const visibleGain = (deviation) => GAINS.findLast((gain) => gain * deviation <= SEEN) ?? 1;

/**
 * Multiply a picture by a gain, and write it as the red, green, blue and alpha values of a canvas.
 * @param {Uint8ClampedArray} pixels the values of the canvas; this type of array clamps and rounds
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
