// Converts pictures to text for requests, addresses and scripts, and back. The text is the pixels, compressed by zlib,
// in base64url. ui/pictures/as_text.py uses the same format.

import { base64, bytes, packed, unpacking } from "../messages/bytes.js";
import { continueWithout, UserError } from "../process/errors.js";
import { anotherSize } from "../words/pictures.js";

/** @import { Picture } from "./resize.js" */

const MOST = 2 ** 23; // most bytes of an unpacked picture

/** The unpacked pixels of pictures, by their texts. @type {Map<string, Uint8Array>} */
const known = new Map();

/** Unpack a text before `fromText` needs its pixels, because `fromText` can't wait. @param {unknown} text */
export async function unpack(text) {
  if (!text || known.has(String(text))) return;
  const data = await unpackedUpTo(String(text), MOST).catch(continueWithout("a picture that is damaged")); // then `fromText` throws for this text
  known.set(String(text), data ?? new Uint8Array());
}

/**
 * Return the picture of a text that `unpack` has unpacked. Throw a UserError if the text is no picture of the model's
 * size.
 * @param {unknown} text @param {{ image_size: number, channels: number }} model @returns {Picture}
 */
export function fromText(text, { image_size: size, channels }) {
  const data = known.get(String(text));
  if (data?.length === size * size * channels) return { width: size, height: size, channels, data };
  throw new UserError(anotherSize(size));
}

/** Return a picture as text. @param {Pick<Picture, "data">} picture */
export const toText = async ({ data }) => urlSafe(await packed(data));

/**
 * Return bytes as text at once. They are not compressed, because compression is asynchronous.
 * @param {Uint8Array} content
 */
export const asText = (content) => urlSafe(stored(content));

/** Return bytes as base64url. @param {Uint8Array} content */
export const urlSafe = (content) => base64(content).replaceAll("+", "-").replaceAll("/", "_");

/**
 * Unpack at most `most` bytes of a text. Return null if the text is no base64.
 * @param {string} text @param {number} most
 */
async function unpackedUpTo(text, most) {
  if (!/^[\w+/-]+={0,2}$/.test(text) || text.length % 4) return null; // base64 without padding is refused, as on the server
  const found = new Uint8Array(most);
  let length = 0;
  const reader = unpacking(bytes(text)).getReader();
  while (length < most) {
    const { value, done } = await reader.read();
    if (done) break;
    found.set(value.subarray(0, most - length), length);
    length = Math.min(most, length + value.length);
  }
  reader.cancel();
  return found.slice(0, length);
}

/** Return bytes in the format of zlib without compression, in blocks of at most 65,535 bytes. @param {Uint8Array} content */
function stored(content) {
  const out = [0x78, 1];
  let [a, b] = [1, 0];
  for (const byte of content) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  for (let at = 0; at < content.length || !at; at += 65535) {
    const part = content.subarray(at, at + 65535);
    const n = part.length;
    out.push(at + n < content.length ? 0 : 1, n & 255, n >> 8, ~n & 255, (~n >> 8) & 255, ...part);
  }
  return Uint8Array.from([...out, b >> 8, b & 255, a >> 8, a & 255]);
}
