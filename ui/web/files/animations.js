// Writes animations as GIF and WebP files.

import { piece } from "../pictures/compose.js";
import { UserError } from "../process/errors.js";
import { NOTHING } from "../words/wrong.js";
import { joined, little, utf8 } from "./bytes.js";
import { indexed } from "./palette.js";

/** @import { Rest } from "./file.d.ts" */
/** @import { Picture } from "../pictures/resize.js" */

/**
 * Return an endless GIF of pictures of one size. Grey pictures get 64 grey levels, colour pictures a palette of at most
 * 256 colours per frame. After the first picture, a frame has only the rectangle that differs from the previous
 * picture.
 * @param {Iterable<Picture>} pictures of 1 or 3 channels @param {number} count of the pictures @param {string} about
 * text of the file's comment @param {Rest} rest
 */
async function gif(pictures, count, about, rest) {
  const parts = [];
  /** @type {Picture | null} */
  let before = null;
  let i = 0;
  for (const picture of pictures) {
    const { width, height } = picture;
    if (!before) {
      const again = [0x21, 0xff, 11, ...utf8("NETSCAPE2.0"), 3, 1, 0, 0, 0];
      parts.push([...utf8("GIF89a"), ...little(width), ...little(height), 0x70, 0, 0], again);
      parts.push([0x21, 0xfe], blocks(utf8(about)));
    }
    i += 1;
    const [left, top, part] = changed(picture, before);
    const { colours, pixels } = indexed(part);
    const bits = Math.max(1, Math.ceil(Math.log2(colours.length / 3)));
    const place = [left, top, part.width, part.height].flatMap((one) => little(one));
    parts.push([0x21, 0xf9, 4, 4, ...little(pause(i, count) / 10), 0, 0, 0x2c, ...place, 0x80 | (bits - 1)]);
    const depth = Math.max(2, bits); // GIF demands an LZW code size of at least 2 bits
    parts.push(colours, new Uint8Array(3 * 2 ** bits - colours.length), [depth], blocks(lzw(pixels, depth)));
    before = picture;
    await rest(i, count);
  }
  return new Blob([...parts.map((part) => new Uint8Array(part)), Uint8Array.of(0x3b)]);
}

/**
 * Return the smallest rectangle with all pixels that differ from the previous picture, and its position in pixels.
 * @param {Picture} picture @param {Picture | null} before the previous picture
 * @returns {[left: number, top: number, part: Picture]}
 */
function changed(picture, before) {
  if (!before) return [0, 0, picture];
  const { width, height, channels, data } = picture;
  const row = width * channels;
  let [top, bottom, left, right] = [height, 0, width, 0];
  for (let y = 0; y < height; y++) {
    const [first, end] = [y * row, (y + 1) * row];
    let from = first;
    while (from < end && data[from] === before.data[from]) from += 1;
    if (from === end) continue;
    let to = end - 1;
    while (data[to] === before.data[to]) to -= 1;
    [top, bottom] = [Math.min(top, y), y + 1];
    left = Math.min(left, Math.floor((from - first) / channels));
    right = Math.max(right, Math.floor((to - first) / channels) + 1);
  }
  if (!bottom) [top, bottom, left, right] = [0, 1, 0, 1]; // a frame needs at least one pixel
  return [left, top, piece(picture, left, top, right - left, bottom - top)];
}

/**
 * Return an endless WebP of pictures of one size, lossless if the browser can write lossless WebP. Throw a UserError if
 * the browser can't write WebP at all.
 * @param {Iterable<Picture>} pictures @param {number} count of the pictures @param {string} about description in the
 * file @param {Rest} rest
 */
async function webp(pictures, count, about, rest) {
  const parts = [];
  const size = [0, 0];
  for (const picture of pictures) {
    const canvas = canvasOf(picture);
    const file = await canvas.convertToBlob({ type: "image/webp", quality: 1 });
    if (file.type !== "image/webp") throw new UserError(NOTHING.webp);
    size.splice(0, 2, canvas.width - 1, canvas.height - 1);
    const wait = pause(parts.length + 1, count);
    const head = [...little(0, 6), ...size.flatMap((side) => little(side, 3)), ...little(wait, 3), 2];
    parts.push(riff("ANMF", [head, ...pixelChunks(new Uint8Array(await file.arrayBuffer()))]));
    await rest(parts.length, count);
  }
  const text = utf8(`${about}\0`);
  const exif = [...utf8("II"), 42, 0, ...little(8, 4), 1, 0, 0x0e, 1, 2, 0, ...little(text.length, 4)]; // 0x010e: the tag ImageDescription
  return riff("RIFF", [
    utf8("WEBP"),
    riff("VP8X", [[0x0a, 0, 0, 0, ...size.flatMap((side) => little(side, 3))]]),
    riff("ANIM", [little(0, 6)]),
    ...parts,
    riff("EXIF", [exif, little(26, 4), little(0, 4), text]),
  ]);
}

/** Return a canvas with a picture of 1 or 3 channels. @param {Picture} picture */
function canvasOf({ width, height, channels, data }) {
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let i = 0, at = 0; i < image.data.length; i += 4, at += channels)
    for (let c = 0; c < 4; c++) image.data[i + c] = c === 3 ? 255 : data[at + (channels === 1 ? 0 : c)];
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}

/**
 * Return the chunks of a WebP that hold its pixels: a frame of an animation contains only these chunks.
 * @param {Uint8Array} file
 */
function pixelChunks(file) {
  const kept = [];
  for (let at = 12, size = 0; at < file.length; at += size) {
    size = 8 + new DataView(file.buffer).getUint32(at + 4, true);
    size += size % 2;
    if (/^(VP8[ L]|ALPH)/.test(String.fromCharCode(...file.subarray(at, at + 4))))
      kept.push(file.subarray(at, at + size));
  }
  return kept;
}

/** Return a chunk of the RIFF format. @param {string} name @param {(Uint8Array | number[])[]} parts of its content */
function riff(name, parts) {
  const content = joined(parts);
  return joined([utf8(name), little(content.length, 4), content, little(0, content.length % 2)]);
}

/**
 * Return for how many ms an animation shows picture i of `count`: 1.5 s for the last picture, and at least 20 ms for
 * each earlier picture, about 4 s in total.
 * @param {number} i from 1 on @param {number} count
 */
const pause = (i, count) => (i === count ? 1500 : Math.max(20, 10 * Math.round(400 / count)));

/** The writers of animations, by kind of file. @type {Record<string, (pictures: Iterable<Picture>, count: number, about: string, rest: Rest) => Promise<Blob | Uint8Array<ArrayBuffer>>>} */
export const ANIMATED = { gif, webp };

/**
 * Divide bytes into blocks of at most 255 bytes. As GIF requires, a block's length comes before each block.
 * @param {Uint8Array} bytes
 */
function blocks(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 255) {
    const part = bytes.subarray(at, at + 255);
    parts.push(Uint8Array.of(part.length), part);
  }
  return joined([...parts, Uint8Array.of(0)]);
}

const CODES = 4096; // largest number of codes in the LZW table of a GIF

/**
 * The LZW table. longer[code << 8 | pixel] is the code of the sequence `code` with this pixel added, 0 if there is
 * none.
 */
const longer = new Uint16Array(CODES << 8);

/**
 * Compress pixels with LZW, as GIF requires.
 * @param {Uint8Array} pixels numbers of `depth` bits @param {number} depth 2 to 8
 */
function lzw(pixels, depth) {
  let out = new Uint8Array(pixels.length + 16);
  const again = 1 << depth; // the code that empties the table; the code after it marks the end of the data
  let [at, bits, held, size, next] = [0, 0, 0, depth + 1, again + 2];
  const put = (/** @type {number} */ code) => {
    held |= code << bits;
    for (bits += size; bits >= 8; bits -= 8) {
      if (at === out.length) out = joined([out, new Uint8Array(at)]);
      out[at++] = held & 255;
      held >>>= 8;
    }
  };
  longer.fill(0);
  put(again);
  let code = pixels[0];
  for (let i = 1; i < pixels.length; i++) {
    const key = (code << 8) | pixels[i];
    if (longer[key]) {
      code = longer[key];
      continue;
    }
    put(code);
    if (next === CODES) {
      put(again);
      longer.fill(0);
      [next, size] = [again + 2, depth + 1];
    } else {
      longer[key] = next;
      if (next === 1 << size) size += 1;
      next += 1;
    }
    code = pixels[i];
  }
  put(code);
  put(again + 1);
  if (bits) out[at++] = held & 255;
  return out.subarray(0, at);
}
