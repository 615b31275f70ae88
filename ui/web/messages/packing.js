// Unpacks the server's answers and messages, whose format ui/serving/packing.py describes.
import { bytes } from "./bytes.js";

/** @import { Picture } from "./protocol.d.ts" */

/**
 * A leaf: an object in JSON that stands for bytes. type: the media type of a picture, or the number type of an array.
 * @typedef {{ type: string, shape?: number[] }} Leaf
 */
/** @typedef {Leaf & { at: number, size: number }} Packed a leaf whose bytes follow the head of the content */
/** @typedef {Leaf & { base64: string }} Written a leaf in a JSON file, with its bytes as text */

const LENGTHS = 8; // bytes before the head: two lengths of 4 bytes

/**
 * Return the value of a leaf. An array of uint8 has the shape (N, H, W, C) and becomes N pictures.
 * @param {Leaf} leaf @param {Uint8Array<ArrayBuffer>} content its bytes
 * @returns {Blob | Picture[] | Int8Array | Int16Array | Float32Array}
 */
function valueOfLeaf({ type, shape = [] }, content) {
  if (type === "uint8") return pictures(content, shape);
  if (type === "int8") return new Int8Array(content);
  const { buffer } = content.slice(); // a copy, because a typed array must begin at a multiple of its numbers' size
  if (type === "int16") return new Int16Array(buffer);
  return type === "float32" ? new Float32Array(buffer) : new Blob([content], { type });
}

/**
 * Divide an array of shape (N, H, W, C) into N pictures.
 * @param {Uint8Array} levels @param {number[]} shape @returns {Picture[]}
 */
function pictures(levels, [n, height, width, channels]) {
  const one = height * width * channels;
  const data = (/** @type {number} */ i) => levels.subarray(i * one, (i + 1) * one);
  return Array.from({ length: n }, (_, i) => ({ width, height, channels, data: data(i) }));
}

/**
 * Return the numbers of bytes of the head and of the rest.
 * @param {Uint8Array} content @returns {[head: number, rest: number]}
 */
function lengths({ buffer, byteOffset }) {
  const view = new DataView(buffer, byteOffset);
  return [view.getUint32(0, true), view.getUint32(4, true)];
}

/** Return the object that a piece of content packs. @param {Uint8Array<ArrayBuffer>} content */
export function unpacked(content) {
  const start = LENGTHS + lengths(content)[0];
  /** @param {Packed} leaf */
  const leaf = ({ at, size, ...about }) => valueOfLeaf(about, content.subarray(start + at, start + at + size));
  const head = new TextDecoder().decode(content.subarray(LENGTHS, start));
  return JSON.parse(head, (_, value) => (value?.type && value.size !== undefined ? leaf(value) : value));
}

/** Yield the object of each piece of content as soon as it has arrived. @param {ReadableStream<Uint8Array>} body @returns {AsyncGenerator<any>} */
export async function* unpacking(body) {
  const reader = body.getReader();
  let held = new Uint8Array(); // bytes of the next piece that have arrived
  while (true) {
    const { done, value } = await reader.read();
    if (done) return;
    const before = held;
    held = new Uint8Array(before.length + value.length);
    held.set(before);
    held.set(value, before.length);
    while (held.length >= LENGTHS) {
      const [head, rest] = lengths(held);
      const end = LENGTHS + head + rest;
      if (held.length < end) break;
      yield unpacked(held.subarray(0, end));
      held = held.subarray(end);
    }
  }
}

/** Replace the leaves of a JSON file by their values: the second argument of `JSON.parse`. @param {string} _ @param {any} value */
export const revived = (_, value) =>
  value?.type && value.base64 !== undefined ? valueOfLeaf(value, bytes(value.base64)) : value;
