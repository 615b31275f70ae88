// Combines pictures, and writes them as BMP, which is the quickest format to write.

/** @import { Picture } from "./resize.js" */

const GREY = 128; // grey level between pictures, and behind transparent pixels
const GAP = 2; // pixels between pictures

/** Return whether the last channel is alpha. @param {number} channels 1 to 4 */
const hasOpacity = (channels) => channels % 2 === 0;

/** Return an opaque picture of one grey level. @param {number} width @param {number} height @param {number} channels @returns {Picture} */
export function blank(width, height, channels, level = 255) {
  const data = new Uint8Array(width * height * channels).fill(level);
  if (hasOpacity(channels)) for (let i = channels - 1; i < data.length; i += channels) data[i] = 255;
  return { width, height, channels, data };
}

/**
 * Copy a picture into a larger picture.
 * @param {Picture} whole the larger picture @param {Picture} picture @param {number} left @param {number} top
 */
export function put(whole, { width, height, channels, data }, left, top) {
  for (let y = 0; y < height; y++)
    whole.data.set(
      data.subarray(y * width * channels, (y + 1) * width * channels),
      ((top + y) * whole.width + left) * channels,
    );
}

/** Return a rectangle of a picture. @param {Picture} picture @param {number} left @param {number} top @param {number} width @param {number} height @returns {Picture} */
export function piece(picture, left, top, width, height) {
  const { channels, data } = picture;
  const out = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * channels;
    out.set(data.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, data: out };
}

/**
 * Return one picture that shows pictures of one size, row by row.
 * @param {Picture[]} pictures @param {number} columns @param {number} [gap] pixels between the pictures
 * @param {number} [level] grey level of the gap
 */
export function grid(pictures, columns, gap = GAP, level = GREY) {
  const [{ width, height, channels }] = pictures;
  const across = Math.min(columns, pictures.length);
  const down = Math.ceil(pictures.length / across);
  const whole = blank(across * (width + gap) - gap, down * (height + gap) - gap, channels, level);
  for (const [i, one] of pictures.entries())
    put(whole, one, (i % across) * (width + gap), Math.floor(i / across) * (height + gap));
  return whole;
}

/** Enlarge a picture: each pixel becomes a square. @param {Picture} picture @param {number} scale pixels a side of the square @returns {Picture} */
export function scaled({ width, height, channels, data }, scale) {
  const row = width * scale * channels;
  const out = new Uint8Array(row * height * scale);
  for (let y = 0; y < height; y++) {
    const first = y * scale * row;
    for (let x = 0, at = first; x < width; x++)
      for (let copy = 0; copy < scale; copy++)
        for (let c = 0; c < channels; c++) out[at++] = data[(y * width + x) * channels + c];
    for (let copy = 1; copy < scale; copy++) out.copyWithin(first + copy * row, first, first + row);
  }
  return { width: width * scale, height: height * scale, channels, data: out };
}

/** Return a picture without alpha; transparent pixels become grey. @param {Picture} picture @returns {Picture} */
export function opaque(picture) {
  const { channels, data } = picture;
  if (!hasOpacity(channels)) return picture;
  const colours = channels - 1;
  const out = Uint8Array.from({ length: (data.length / channels) * colours }, (_, i) => {
    const pixel = channels * Math.floor(i / colours);
    const opacity = data[pixel + colours] / 255;
    return Math.round(data[pixel + (i % colours)] * opacity + GREY * (1 - opacity));
  });
  return { ...picture, channels: colours, data: out };
}

/** Return a BMP file with pictures side by side. @param {Picture[]} pictures of one size */
export function bmp(pictures) {
  const { width, height, channels, data } = grid(pictures, pictures.length, 0);
  const row = Math.ceil((width * 3) / 4) * 4;
  const file = new Uint8Array(54 + row * height);
  const view = new DataView(file.buffer);
  file.set([66, 77]);
  for (const [at, value] of [
    [2, file.length],
    [10, 54],
    [14, 40],
    [18, width],
    [22, height],
    [34, row * height],
  ])
    view.setUint32(at, value, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = ((height - 1 - y) * width + x) * channels;
      for (let c = 0; c < 3; c++) file[54 + y * row + x * 3 + c] = data[from + (channels === 1 ? 0 : 2 - c)];
    }
  return file;
}
