// Pictures as rows of pixels, and on their way to the page as BMP.

import { base64 } from "../shared/run/bytes.js";

/** @typedef {import("../shared/pictures/resize.js").Picture} Picture */

const BETWEEN = 128; // the grey level between pictures

/** @param {number} width @param {number} height @param {number} channels @returns {Picture} */
export const blank = (width, height, channels, level = 255) => {
  return { width, height, channels, data: new Uint8Array(width * height * channels).fill(level) };
};

/** Pictures of one size as one, row by row. @param {Picture[]} pictures @param {number} columns @param {number} [gap] pixels */
export function grid(pictures, columns, gap = 2) {
  const [{ width, height, channels }] = pictures;
  const across = Math.min(columns, pictures.length);
  const down = Math.ceil(pictures.length / across);
  const whole = blank(across * (width + gap) - gap, down * (height + gap) - gap, channels, BETWEEN);
  for (const [i, { data }] of pictures.entries()) {
    const [left, top] = [(i % across) * (width + gap), Math.floor(i / across) * (height + gap)];
    for (let y = 0; y < height; y++)
      whole.data.set(
        data.subarray(y * width * channels, (y + 1) * width * channels),
        ((top + y) * whole.width + left) * channels,
      );
  }
  return whole;
}

/** Pictures side by side, as a data-URI that takes no time to write. @param {Picture[]} pictures */
export function uri(pictures) {
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
  return `data:image/bmp;base64,${base64(file)}`;
}
