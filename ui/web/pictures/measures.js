// Measures pixels of canvases: red, green, blue and alpha, each 0…255.
import { keepsNoise } from "../words/player.js";

/** Return the variance of all colour values of a picture, in grey levels². @param {Uint8ClampedArray} pixels */
function variance(pixels) {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < pixels.length; i++)
    if (i % 4 < 3) {
      sum += pixels[i];
      squares += pixels[i] ** 2;
    }
  const n = (3 * pixels.length) / 4;
  return Math.max(0, squares / n - (sum / n) ** 2);
}

/**
 * Return the share (0…1) of the picture in the variance of x_s = √ᾱ_s x_0 + noise. The guess x̂_0 stands for x_0.
 * @param {number} alphaBar ᾱ_s @param {number} noise variance of the noise in x_s @param {Uint8ClampedArray} guess
 * pixels of x̂_0
 */
export function pictureShare(alphaBar, noise, guess) {
  const signal = (alphaBar * variance(guess)) / 127.5 ** 2;
  return signal / (signal + noise);
}

/** Measure the noise of a finished picture, and return the share (0…1) of the variance that is not noise. @param {Uint8ClampedArray} pixels a square */
export function cleanShare(pixels) {
  const grain = noise(pixels, Math.sqrt(pixels.length / 4)) ** 2;
  return grain ? Math.max(0, 1 - grain / variance(pixels)) : 1;
}

/**
 * Write |A − B|, multiplied by a gain, into A. The result is opaque.
 * @param {Uint8ClampedArray} a
 * @param {Uint8ClampedArray} b
 * @param {number} gain
 */
export function difference(a, b, gain) {
  for (let i = 0; i < a.length; i++) a[i] = i % 4 === 3 ? 255 : Math.abs(a[i] - b[i]) * gain;
}

/**
 * Return R² of a guess over the pixels of a picture. It is 1 if guess and picture are equal, and 0 or less if the
 * picture's mean colour would be at least as good a guess. Return null if the picture keeps noise, because then the
 * noise decides R², not the shape.
 * @param {Uint8ClampedArray} guess
 * @param {Uint8ClampedArray} picture a square
 * @param {number} [added] σ of the noise that the last step but one has added, in grey levels
 */
export function agreement(guess, picture, added = 0) {
  if (keepsNoise(noise(picture, Math.sqrt(picture.length / 4)), added)) return null;
  const means = [0, 0, 0, 0];
  for (let i = 0; i < picture.length; i++) means[i % 4] += (4 * picture[i]) / picture.length;
  let [apart, all] = [0, 0];
  for (let i = 0; i < picture.length; i++) {
    apart += (guess[i] - picture[i]) ** 2;
    all += (means[i % 4] - picture[i]) ** 2;
  }
  return apart ? 1 - apart / all : 1;
}

/**
 * Return the σ of the noise in a picture, in grey levels: the median of the finest diagonal differences / 0.6745. Edges
 * hardly change this median (Donoho and Johnstone 1994).
 * @param {Uint8ClampedArray | Uint8Array} pixels
 * @param {number} width @param {number} [channels] of each pixel; a second or fourth channel is alpha
 */
export function noise(pixels, width, channels = 4) {
  const row = channels * width;
  const colours = channels > 2 ? 3 : 1;
  const found = new Float32Array(((pixels.length / row) >> 1) * (width >> 1) * colours);
  let n = 0;
  for (let y = 0; y + 1 < pixels.length / row; y += 2)
    for (let x = 0; x + 1 < width; x += 2)
      for (let channel = 0; channel < colours; channel++) {
        const i = y * row + channels * x + channel;
        found[n++] = Math.abs(pixels[i] - pixels[i + channels] - pixels[i + row] + pixels[i + row + channels]) / 2;
      }
  found.sort();
  return (found[n >> 1] ?? 0) / 0.6745;
}
