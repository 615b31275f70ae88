// Writes NumPy arrays and ZIP files.

import { checksum, joined, little, utf8 } from "./bytes.js";

/** Return a .npy file of float32 numbers. @param {Float32Array} numbers @param {number[]} shape */
export function npy(numbers, shape) {
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const padded = `${head.padEnd(117)}\n`; // NumPy aligns the data to 64 bytes: 10 bytes of signature + 118 bytes of this head = 128
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  return joined([[0x93], utf8("NUMPY"), [1, 0], little(padded.length), utf8(padded), bytes]);
}

/**
 * Return a ZIP of files. It is not compressed, as its largest files are PNGs, which are compressed already.
 * @param {[name: string, content: Uint8Array][]} files
 */
export function zip(files) {
  const parts = [];
  const index = [];
  let at = 0;
  for (const [name, content] of files) {
    const title = utf8(name);
    const { length } = content;
    // These are version 2.0, the flag for a name in UTF-8, no compression, and the date 1 January 1980.
    const about = [
      ...shorts(20, 0x800, 0, 0, 33),
      ...longs(checksum(content), length, length),
      ...shorts(title.length, 0),
    ];
    parts.push([...utf8("PK"), 3, 4, ...about], title, content);
    index.push([...utf8("PK"), 1, 2, ...shorts(20), ...about, ...little(0, 10), ...longs(at)], title);
    at += 30 + title.length + length;
  }
  const entries = joined(index);
  const { length } = files;
  const end = [...utf8("PK"), 5, 6, ...shorts(0, 0, length, length), ...longs(entries.length, at), ...shorts(0)];
  return joined([...parts, entries, end]);
}

/** Return the bytes of numbers, two bytes each. @param {...number} all */
const shorts = (...all) => all.flatMap((n) => little(n));

/** Return the bytes of numbers, four bytes each. @param {...number} all */
const longs = (...all) => all.flatMap((n) => little(n, 4));
