// A picture of a model's size as text, for requests and addresses: as ui/pictures/as_text.py has it.
import { base64, bytes, packed, unpacking } from "../run/bytes.js";

/** @import { Picture } from "./resize.js" */

/** The base64url of a picture's compressed bytes. @param {Picture} picture */
export async function toText({ data }) {
  return base64(await packed(data))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

/**
 * The picture of `toText`. Throws an Error with a sentence for anything but a picture of the model's size; nothing is
 * unpacked beyond the bytes that such a picture has.
 * @param {string} text @param {{ size: number, channels: number }} model
 * @returns {Promise<Picture>}
 */
export async function fromText(text, { size, channels }) {
  const wanted = size * size * channels;
  const data = await unpackedUpTo(text, wanted + 1).catch(() => null);
  if (data?.length !== wanted)
    throw new Error(`The picture must have the model's size, ${size}×${size}: choose it again`);
  return { width: size, height: size, channels, data };
}

/** The first bytes of a packed text, at most so many; null for what is no base64. @param {string} text @param {number} most */
export async function unpackedUpTo(text, most) {
  if (!/^[\w+/-]+={0,2}$/.test(text) || text.length % 4) return null; // a browser takes a text without its padding, the server takes none
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
