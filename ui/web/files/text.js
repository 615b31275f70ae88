// Pictures of a model's size as text, as ui/pictures/as_text.py has them: base64url of their packed bytes.

import { base64, bytesOf, packed } from "../local/pictures/pictures.js";

/** @import { Picture } from "../local/pictures/pictures.js" */
/** @import { Facts } from "../plans/plan.js" */

/** The pixels of pictures as text, by their text. @type {Map<string, Uint8Array>} */
const unpacked = new Map();

/** Unpack a picture as text: `fromText` has no time to wait for it. @param {unknown} text */
export async function unpack(text) {
  if (!text || unpacked.has(String(text))) return;
  const data = await Promise.resolve(String(text))
    .then(bytesOf)
    .then((bytes) => packed("deflate", bytes, true))
    .catch(() => new Uint8Array());
  unpacked.set(String(text), data);
}

/** A picture as text. @param {Picture} picture */
export async function pack({ data }) {
  const text = urlSafe(await packed("deflate", data));
  unpacked.set(text, data);
  return text;
}

/**
 * The picture of a text that was unpacked. Throws for anything but a picture of the model's size.
 * @param {unknown} text @param {Facts} model @returns {Picture}
 */
export function fromText(text, { image_size: size, channels }) {
  const data = unpacked.get(String(text));
  if (data?.length === size * size * channels) return { width: size, height: size, channels, data };
  throw new Error(`The picture must have the model's size, ${size}×${size}: choose it again`);
}

/** Bytes as text, as they are: a script has no time to wait until they are packed. @param {Uint8Array} bytes */
export const toText = (bytes) => urlSafe(stored(bytes));

/** @param {Uint8Array} bytes */
const urlSafe = (bytes) => base64(bytes).replaceAll("+", "-").replaceAll("/", "_");

/** Bytes as zlib has them, without packing them: in blocks of at most 65535. @param {Uint8Array} bytes */
function stored(bytes) {
  const out = [0x78, 1];
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  for (let at = 0; at < bytes.length || !at; at += 65535) {
    const part = bytes.subarray(at, at + 65535);
    const n = part.length;
    out.push(at + n < bytes.length ? 0 : 1, n & 255, n >> 8, ~n & 255, (~n >> 8) & 255, ...part);
  }
  return Uint8Array.from([...out, b >> 8, b & 255, a >> 8, a & 255]);
}
