// PNG files.

import { packed } from "../shared/run/bytes.js";
import { checksum, joined, utf8 } from "./bytes.js";

/** @import { Picture } from "./pictures.js" */

/** A PNG file. @param {Picture} picture @param {string} [about] the settings, as its Description */
export async function png({ width, height, channels, data }, about = "") {
  const head = new Uint8Array(13);
  new DataView(head.buffer).setUint32(0, width);
  new DataView(head.buffer).setUint32(4, height);
  head.set([8, channels === 1 ? 0 : 2], 8);
  const row = width * channels;
  const rows = new Uint8Array((row + 1) * height);
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  const text = utf8(`Description\0\0\0\0\0${about}`);
  return joined([
    Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10),
    chunk("IHDR", head),
    ...(about ? [chunk("iTXt", text)] : []),
    chunk("IDAT", await packed(rows)),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** @param {string} name @param {Uint8Array} content */
function chunk(name, content) {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(utf8(name), 4);
  bytes.set(content, 8);
  view.setUint32(bytes.length - 4, checksum(bytes.subarray(4, bytes.length - 4)));
  return bytes;
}
