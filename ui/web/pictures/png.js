// Reads PNG files of this project without a canvas, as some browsers change the pixels that are read from a canvas.

import { unpacked } from "../messages/bytes.js";

/** @import { Picture } from "./resize.js" */

/** Return the neighbour that is nearest to left + up − corner (Paeth's predictor). @param {number} left @param {number} up @param {number} corner */
export function nearest(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** Return the picture of a PNG with 8 bits of red, green and blue, not interlaced. @param {Uint8Array} content @returns {Promise<Picture>} */
export async function ofPng(content) {
  const view = new DataView(content.buffer, content.byteOffset);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const parts = [];
  for (let at = 8; at < content.length; at += 12 + view.getUint32(at)) {
    const isData = view.getUint32(at + 4) === 0x49444154; // the name "IDAT"
    if (isData) parts.push(content.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const rows = await unpacked(new Uint8Array(await new Blob(/** @type {any} */ (parts)).arrayBuffer()));
  const run = 3 * width;
  const data = new Uint8Array(run * height);
  for (let i = 0; i < data.length; i++) {
    const [row, column] = [Math.floor(i / run), i % run];
    const left = column < 3 ? 0 : data[i - 3];
    const up = row ? data[i - run] : 0;
    const corner = column < 3 || !row ? 0 : data[i - run - 3];
    const filter = rows[row * (run + 1)];
    const guess = [0, left, up, (left + up) >> 1, nearest(left, up, corner)][filter];
    data[i] = rows[row * (run + 1) + 1 + column] + guess;
  }
  return { width, height, channels: 3, data };
}
