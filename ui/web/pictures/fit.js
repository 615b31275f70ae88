// A visitor's picture as a model takes it: a square of it, in the model's size and channels.
import { resized } from "./resize.js";

/** @import { Square } from "./crop.js" */
/** @import { Picture } from "./resize.js" */

const SMALLEST = 32; // pixels a side: smaller pictures are enlarged for Forward
export const SIZE = 128; // pixels a side, for Forward: the grain of the noise can be seen
const GREY = 128; // what transparent parts lie on

/** Rounded, a half to the even number, as Python does. @param {number} x */
const rounded = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

/** @param {Picture} picture @param {number} left @param {number} top @param {number} side @returns {Picture} */
function cropped({ width, channels, data }, left, top, side) {
  const out = new Uint8Array(side * side * channels);
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * width + left) * channels;
    out.set(data.subarray(from, from + side * channels), y * side * channels);
  }
  return { width: side, height: side, channels, data: out };
}

/**
 * Turn red, green, blue and alpha into so many channels: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha. Where there is
 * no alpha, transparent parts lie on grey.
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

/** Pillow's `alpha_composite` on an opaque grey. @param {number} level @param {number} alpha */
function onGrey(level, alpha) {
  const x = 128 * (level * alpha + GREY * (255 - alpha) + 128);
  return ((x >> 8) + x) >> 15;
}

/** Light for dark, alpha as it is. @param {Picture} picture @returns {Picture} */
function negative(picture) {
  const { channels } = picture;
  const isAlpha = (/** @type {number} */ i) => channels % 2 === 0 && i % channels === channels - 1;
  return { ...picture, data: picture.data.map((level, i) => (isAlpha(i) ? level : 255 - level)) };
}

/**
 * A square of a picture, in shares of its shorter side, as a model takes it; one that sticks out is moved inside.
 * @param {Picture} whole with 4 channels @param {Square} square
 * @param {{ size: number, channels: number }} model pixels a side, and channels of its pictures
 * @param {boolean} invert swap light and dark
 */
export function fitted(whole, { left, top, side }, { size, channels }, invert) {
  const short = Math.min(whole.width, whole.height);
  const pixels = Math.min(Math.max(1, rounded(side * short)), short);
  const x = Math.min(Math.max(0, rounded(left * short)), whole.width - pixels);
  const y = Math.min(Math.max(0, rounded(top * short)), whole.height - pixels);
  const part = withChannels(cropped(whole, x, y, pixels), channels);
  return resized(invert ? negative(part) : part, size, size, pixels >= size ? "lanczos" : "bicubic");
}

/** The middle of a picture, a square of SMALLEST to SIZE pixels a side in colour. @param {Picture} whole with 4 channels */
export function middleOf(whole) {
  const { width, height } = whole;
  const short = Math.min(width, height);
  const size = Math.min(Math.max(short, SMALLEST), SIZE);
  const [left, top] = [(width - short) / 2, (height - short) / 2];
  const filter = short < SMALLEST ? "nearest" : "lanczos";
  return resized(withChannels(whole, 3), size, size, filter, [left, top, left + short, top + short]);
}
