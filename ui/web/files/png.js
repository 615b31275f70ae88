// Writes PNG files.

import { packed } from "../messages/bytes.js";
import { nearest } from "../pictures/png.js";
import { checksum, joined, utf8 } from "./bytes.js";

/** @import { Picture } from "../pictures/resize.js" */

const TYPES = [0, 0, 4, 2, 6]; // PNG's number for the colour type, by the number of channels

/** Return the bytes of a PNG file. @param {Picture} picture @param {string} [about] text of its Description */
export async function png({ width, height, channels, data }, about = "") {
  const head = new Uint8Array(13);
  new DataView(head.buffer).setUint32(0, width);
  new DataView(head.buffer).setUint32(4, height);
  head.set([8, TYPES[channels]], 8);
  const row = width * channels;
  const rows = new Uint8Array((row + 1) * height);
  /** @type {Uint8Array} */
  let above = new Uint8Array(row);
  for (let y = 0; y < height; y++) {
    const here = data.subarray(y * row, (y + 1) * row);
    rows.set(filtered(here, above, channels), y * (row + 1));
    above = here;
  }
  const text = utf8(`Description\0\0\0\0\0${about}`);
  return joined([
    Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10),
    chunk("IHDR", head),
    ...(about ? [chunk("iTXt", text)] : []),
    chunk("IDAT", await packed(rows)),
    chunk("IEND", new Uint8Array()),
  ]);
}

const FILTERS = [2, 0, 1, 4]; // numbers of PNG filters: Up, None, Sub and Paeth

/**
 * Return the number of a PNG filter, then the row's remainders after this filter. Choose the filter with the smallest
 * remainders, as they compress best.
 * @param {Uint8Array} row @param {Uint8Array} above the previous row @param {number} channels
 */
function filtered(row, above, channels) {
  let best = new Uint8Array();
  let least = Number.POSITIVE_INFINITY;
  for (const filter of FILTERS) {
    const out = new Uint8Array(row.length + 1);
    out[0] = filter;
    let sum = 0;
    for (let i = 0; i < row.length; i++) {
      const left = i < channels ? 0 : row[i - channels];
      let expected = filter === 2 ? above[i] : filter === 1 ? left : 0;
      if (filter === 4) expected = nearest(left, above[i], i < channels ? 0 : above[i - channels]);
      const rest = (row[i] - expected) & 255;
      out[i + 1] = rest;
      sum += rest < 128 ? rest : 256 - rest;
    }
    if (sum < least) {
      best = out;
      least = sum;
    }
    if (!least) break; // no filter beats remainders of 0. They are common, as enlarged pictures repeat their rows
  }
  return best;
}

/** Return a chunk of a PNG. @param {string} name of 4 letters @param {Uint8Array} content */
function chunk(name, content) {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(utf8(name), 4);
  bytes.set(content, 8);
  view.setUint32(bytes.length - 4, checksum(bytes.subarray(4, bytes.length - 4)));
  return bytes;
}
