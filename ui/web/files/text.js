// Pictures of a model's size as text, as ui/pictures/as_text.py has them: base64url of their packed bytes.

import { unpackedUpTo } from "../shared/pictures/text.js";
import { base64 } from "../shared/run/bytes.js";

/** @import { Picture } from "./pictures.js" */
/** @import { Facts } from "../plans/plan.js" */

const MOST = 2 ** 23; // bytes of a picture, unpacked

/** The pixels of pictures as text, by their text. @type {Map<string, Uint8Array>} */
const known = new Map();

/** Unpack a picture as text, at most so many bytes: `fromText` has no time to wait for it. @param {unknown} text */
export async function unpack(text) {
  if (!text || known.has(String(text))) return;
  const data = await unpackedUpTo(String(text), MOST).catch(() => null);
  known.set(String(text), data ?? new Uint8Array());
}

/**
 * The picture of a text that was unpacked. Throws for anything but a picture of the model's size.
 * @param {unknown} text @param {Facts} model @returns {Picture}
 */
export function fromText(text, { image_size: size, channels }) {
  const data = known.get(String(text));
  if (data?.length === size * size * channels) return { width: size, height: size, channels, data };
  throw new Error(`The picture must have the model's size, ${size}×${size}: choose it again`);
}

/** Bytes as text, as they are: a script has no time to wait until they are packed. @param {Uint8Array} content */
export const toText = (content) => urlSafe(stored(content));

/** @param {Uint8Array} content */
export const urlSafe = (content) => base64(content).replaceAll("+", "-").replaceAll("/", "_");

/** Bytes as zlib has them, without packing them: in blocks of at most 65535. @param {Uint8Array} content */
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
