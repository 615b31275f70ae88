// NumPy's arrays, and many files in one.

import { checksum, joined, little, utf8 } from "./bytes.js";

/** float32 numbers as NumPy keeps them. @param {Float32Array} numbers @param {number[]} shape */
export function npy(numbers, shape) {
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const padded = `${head.padEnd(117)}\n`; // with the ten bytes before it, a multiple of 64
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  return joined([[0x93], utf8("NUMPY"), [1, 0], little(padded.length), utf8(padded), bytes]);
}

/** Files in one, as they are: PNG is packed already. @param {[name: string, content: Uint8Array][]} files */
export function zip(files) {
  const parts = [];
  const index = [];
  let at = 0;
  for (const [name, content] of files) {
    const title = utf8(name);
    const { length } = content;
    // Version 2, a name in UTF-8, not packed, the first of January 1980.
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

/** @param {...number} all of two bytes */
const shorts = (...all) => all.flatMap((n) => little(n));

/** @param {...number} all of four bytes */
const longs = (...all) => all.flatMap((n) => little(n, 4));
