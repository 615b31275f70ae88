// Opens ZIP files and reads NumPy arrays: the inverse of zip.js.

import { unpacking } from "../messages/bytes.js";
import { UserError } from "../process/errors.js";
import { ZIP } from "../words/learning.js";
import { checksum } from "./bytes.js";

const MOST = 500e6; // most unpacked bytes of a ZIP; a browser tab has memory for only a few times this size
const [HEAD, ENTRY, END] = [0x04034b50, 0x02014b50, 0x06054b50]; // signatures of a file, of an entry of the index, and of the end of the index
const [STORED, DEFLATED] = [0, 8];

/**
 * Return the files of a ZIP by their names. Throw a UserError if the file is no ZIP, damaged, encrypted, or larger than
 * MOST.
 * @param {Uint8Array} bytes @returns {Promise<Map<string, Uint8Array<ArrayBuffer>>>}
 */
export async function unzipped(bytes) {
  const entries = index(bytes);
  if (entries.reduce((sum, { size }) => sum + size, 0) > MOST) throw new UserError(ZIP.large(MOST / 1e6));
  /** @type {Map<string, Uint8Array<ArrayBuffer>>} */
  const files = new Map();
  for (const { name, method, content, size, crc } of entries) {
    if (name.endsWith("/")) continue; // an entry for a folder
    const damaged = (/** @type {unknown} */ cause = undefined) => {
      throw new UserError(ZIP.damaged(name), { cause });
    };
    const file = method === STORED ? content.slice() : await inflated(content, size).catch(damaged);
    if (file.length !== size || checksum(file) !== crc) damaged();
    files.set(name, file);
  }
  return files;
}

/**
 * Return the entries of a ZIP's index. Throw a UserError if the bytes are not a ZIP that browsers can unpack.
 * @param {Uint8Array} bytes
 */
function index(bytes) {
  try {
    return readIndex(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause; // DataView throws a RangeError for a position outside the file
    throw new UserError(ZIP.none, { cause });
  }
}

/**
 * Return the entries of a ZIP's index. Throw a RangeError if the bytes are not a ZIP that browsers can unpack.
 * @param {Uint8Array} bytes
 */
function readIndex(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  const least = end - 65_535; // up to 65,535 bytes of a comment may follow the record that ends the index
  while (end > least && view.getUint32(end, true) !== END) end--;
  if (view.getUint32(end, true) !== END) throw new RangeError("no end");
  let at = view.getUint32(end + 16, true);
  return Array.from({ length: view.getUint16(end + 10, true) }, () => {
    const [flags, method, title] = [8, 10, 28].map((place) => view.getUint16(at + place, true));
    const [crc, packed, size, head] = [16, 20, 24, 42].map((place) => view.getUint32(at + place, true));
    if (view.getUint32(at, true) !== ENTRY || view.getUint32(head, true) !== HEAD) throw new RangeError("no entry");
    if (flags & 1) throw new RangeError("encrypted");
    if (method !== STORED && method !== DEFLATED) throw new RangeError("a method of packing that browsers lack");
    const from = head + 30 + view.getUint16(head + 26, true) + view.getUint16(head + 28, true);
    if (from + packed > bytes.length) throw new RangeError("cut off");
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + title));
    at += 46 + title + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    return { name, method, content: bytes.subarray(from, from + packed), size, crc };
  });
}

/**
 * Unpack content. Return an empty array if it unpacks to more than `size` bytes, as a small file could unpack to
 * gigabytes.
 * @param {Uint8Array} content @param {number} size expected bytes
 */
async function inflated(content, size) {
  const out = new Uint8Array(size);
  let done = 0;
  for (const reader = unpacking(content, "deflate-raw").getReader(); ; ) {
    const { value } = await reader.read();
    if (!value) return out.subarray(0, done);
    if (done + value.length > size) return out.subarray(0, 0);
    out.set(value, done);
    done += value.length;
  }
}

/**
 * Return the content of a .npy file of bytes or texts.
 * @param {Uint8Array} file @returns {{ shape: number[], data: Uint8Array | string[] }}
 */
export function ofNpy(file) {
  const start = 10 + file[8] + 256 * file[9];
  const head = new TextDecoder().decode(file.subarray(10, start));
  const [, kind = "", sides = ""] = /'descr': '([^']*)'.*'shape': \(([\d, ]*)\)/.exec(head) ?? [];
  const shape = sides.match(/\d+/g)?.map(Number) ?? [];
  const data = file.subarray(start);
  if (kind === "|u1") return { shape, data };
  const letters = Number(kind.slice("<U".length)); // letters of each text, including padding; NumPy stores each letter in four bytes
  const codes = new Uint32Array(data.slice().buffer);
  const text = (/** @type {number} */ i) =>
    String.fromCodePoint(...codes.subarray(i * letters, (i + 1) * letters)).replaceAll("\0", "");
  return { shape, data: Array.from({ length: codes.length / letters }, (_, i) => text(i)) };
}
