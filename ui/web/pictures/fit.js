// Converts a visitor's picture for a model: a square of the picture, in the model's size and channels.
import { round } from "../process/floats.js";
import { piece } from "./compose.js";
import { resized } from "./resize.js";

/** @import { Square } from "./crop.js" */
/** @import { Picture } from "./resize.js" */

const SMALLEST = 32; // pixels: least side of a picture in the part Forward; smaller pictures are enlarged
export const SIZE = 128; // pixels: largest side of a picture in the part Forward; single grains of noise are still visible
const GREY = 128; // grey level behind transparent pixels

/**
 * Convert an RGBA picture to 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) channels. If the result has no alpha,
 * transparent pixels become grey.
 * @param {Picture} picture @param {number} channels @returns {Picture}
 */
export function withChannels(picture, channels) {
  if (channels === 4) return picture;
  const { width, height, data } = picture;
  const out = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; from < data.length; from += 4, to += channels) {
    const alpha = data[from + 3];
    let colours = [data[from], data[from + 1], data[from + 2]];
    if (channels !== 2 && alpha < 255) colours = colours.map((level) => onGrey(level, alpha));
    const [red, green, blue] = colours;
    if (channels === 3) out.set(colours, to);
    else out[to] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    if (channels === 2) out[to + 1] = alpha;
  }
  return { width, height, channels, data: out };
}

/**
 * Return the level of a pixel on an opaque grey background, with the integer arithmetic of Pillow's `alpha_composite`.
 * @param {number} level of the pixel, 0…255 @param {number} alpha of the pixel, 0…255
 */
function onGrey(level, alpha) {
  const x = 128 * (level * alpha + GREY * (255 - alpha) + 128);
  return ((x >> 8) + x) >> 15;
}

/** Swap light and dark, but keep alpha. @param {Picture} picture @returns {Picture} */
function negative(picture) {
  const { channels } = picture;
  const isAlpha = (/** @type {number} */ i) => channels % 2 === 0 && i % channels === channels - 1;
  return { ...picture, data: picture.data.map((level, i) => (isAlpha(i) ? level : 255 - level)) };
}

/**
 * Return a square of a picture in the model's size and channels. A square that exceeds the picture is moved inside.
 * @param {Picture} whole with 4 channels @param {Square} square in units of the picture's shorter side
 * @param {{ size: number, channels: number }} model pixels a side, and channels of the model's pictures
 * @param {boolean} invert whether to swap light and dark
 */
export function fitted(whole, { left, top, side }, { size, channels }, invert) {
  const short = Math.min(whole.width, whole.height);
  const pixels = Math.min(Math.max(1, round(side * short)), short);
  const x = Math.min(Math.max(0, round(left * short)), whole.width - pixels);
  const y = Math.min(Math.max(0, round(top * short)), whole.height - pixels);
  const part = withChannels(piece(whole, x, y, pixels, pixels), channels);
  return resized(invert ? negative(part) : part, size, size, pixels >= size ? "lanczos" : "bicubic");
}

/** Return the middle square of a picture in RGB, with SMALLEST to SIZE pixels a side. @param {Picture} whole with 4 channels */
export function middleOf(whole) {
  const { width, height } = whole;
  const short = Math.min(width, height);
  const size = Math.min(Math.max(short, SMALLEST), SIZE);
  const [left, top] = [(width - short) / 2, (height - short) / 2];
  const filter = short < SMALLEST ? "nearest" : "lanczos";
  return resized(withChannels(whole, 3), size, size, filter, [left, top, left + short, top + short]);
}
