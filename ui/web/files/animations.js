// GIF and WebP files of pictures that follow each other.

import { joined, little, utf8 } from "./bytes.js";
import { painted } from "./labels.js";

/** @import { Picture } from "./pictures.js" */

const LEVELS = [6, 7, 6]; // of red, green and blue in a GIF's palette
const BAYER = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5]; // thresholds of 4 × 4 pixels, in 16ths

/**
 * An endless GIF of pictures of one size: greys as they are, colours of an even palette, dithered.
 * @param {Iterable<Picture>} pictures @param {number} count how many they are @param {string} about its comment
 */
function gif(pictures, count, about) {
  const parts = [];
  let i = 0;
  for (const picture of pictures) {
    const { width, height, channels } = picture;
    if (!i) {
      const palette = Uint8Array.from({ length: 768 }, (_, at) => {
        const [n, c] = [Math.floor(at / 3), at % 3];
        if (channels === 1) return n;
        const level = Math.floor(n / LEVELS.slice(0, c).reduce((a, b) => a * b, 1)) % LEVELS[c];
        return Math.round((255 * level) / (LEVELS[c] - 1));
      });
      const comment = utf8(about);
      const head = [...utf8("GIF89a"), ...little(width), ...little(height), 0xf7, 0, 0];
      const again = [0x21, 0xff, 11, ...utf8("NETSCAPE2.0"), 3, 1, 0, 0, 0];
      parts.push(Uint8Array.from(head), palette, Uint8Array.from(again), Uint8Array.of(0x21, 0xfe), blocks(comment));
    }
    i += 1;
    const wait = little(pause(i, count) / 10);
    parts.push(
      Uint8Array.of(0x21, 0xf9, 4, 0, ...wait, 0, 0, 0x2c, 0, 0, 0, 0, ...little(width), ...little(height), 0, 8),
    );
    parts.push(blocks(lzw(indexed(picture))));
  }
  return joined([...parts, Uint8Array.of(0x3b)]);
}

/**
 * An endless WebP of pictures of one size, without loss where the browser can.
 * @param {Iterable<Picture>} pictures @param {number} count how many they are @param {string} about its description
 */
async function webp(pictures, count, about) {
  const parts = [];
  const size = [0, 0];
  for (const picture of pictures) {
    const canvas = painted(picture);
    const file = await canvas.convertToBlob({ type: "image/webp", quality: 1 });
    if (file.type !== "image/webp") throw new Error("This browser can't write WebP: take the GIF");
    size.splice(0, 2, canvas.width - 1, canvas.height - 1);
    const wait = pause(parts.length + 1, count);
    const head = [...little(0, 6), ...size.flatMap((side) => little(side, 3)), ...little(wait, 3), 2];
    parts.push(riff("ANMF", [head, ...bare(new Uint8Array(await file.arrayBuffer()))]));
  }
  const text = utf8(`${about}\0`);
  const exif = [...utf8("II"), 42, 0, ...little(8, 4), 1, 0, 0x0e, 1, 2, 0, ...little(text.length, 4)]; // ImageDescription
  return riff("RIFF", [
    utf8("WEBP"),
    riff("VP8X", [[0x0a, 0, 0, 0, ...size.flatMap((side) => little(side, 3))]]),
    riff("ANIM", [little(0, 6)]),
    ...parts,
    riff("EXIF", [exif, little(26, 4), little(0, 4), text]),
  ]);
}

/** The chunks of a WebP that have its pixels: an animation has the others once. @param {Uint8Array} file */
function bare(file) {
  const kept = [];
  for (let at = 12, size = 0; at < file.length; at += size) {
    size = 8 + new DataView(file.buffer).getUint32(at + 4, true);
    size += size % 2;
    if (/^(VP8[ L]|ALPH)/.test(String.fromCharCode(...file.subarray(at, at + 4))))
      kept.push(file.subarray(at, at + size));
  }
  return kept;
}

/** @param {string} name @param {(Uint8Array | number[])[]} parts */
function riff(name, parts) {
  const content = joined(parts);
  return joined([utf8(name), little(content.length, 4), content, little(0, content.length % 2)]);
}

/** How long the i-th of so many pictures is shown, in ms: 4 seconds in all, 50 a second at most; the last one stands. @param {number} i from 1 on @param {number} count */
const pause = (i, count) => (i === count ? 1500 : Math.max(20, 10 * Math.round(400 / count)));

/** @type {Record<string, (pictures: Iterable<Picture>, count: number, about: string) => any>} */
export const ANIMATED = { gif, webp };

/** In blocks of at most 255 bytes, as a GIF has them. @param {Uint8Array} bytes */
function blocks(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 255) {
    const part = bytes.subarray(at, at + 255);
    parts.push(Uint8Array.of(part.length), part);
  }
  return joined([...parts, Uint8Array.of(0)]);
}

/** The palette's number of each pixel. @param {Picture} picture */
function indexed({ width, channels, data }) {
  if (channels === 1) return data;
  return Uint8Array.from({ length: data.length / 3 }, (_, i) => {
    const threshold = (BAYER[(Math.floor(i / width) % 4) * 4 + ((i % width) % 4)] + 0.5) / 16;
    let [index, unit] = [0, 1];
    for (const [c, levels] of LEVELS.entries()) {
      index += unit * Math.floor((data[3 * i + c] / 255) * (levels - 1) + threshold);
      unit *= levels;
    }
    return index;
  });
}

/** @param {Uint8Array} pixels numbers of 8 bits */
function lzw(pixels) {
  const out = [];
  let [bits, held, size] = [0, 0, 9];
  const put = (/** @type {number} */ code) => {
    held |= code << bits;
    for (bits += size; bits >= 8; bits -= 8) {
      out.push(held & 255);
      held >>>= 8;
    }
  };
  /** @type {Map<number, number>} */
  let known = new Map();
  let next = 258;
  put(256);
  let code = pixels[0];
  for (let i = 1; i < pixels.length; i++) {
    const key = code * 256 + pixels[i];
    const longer = known.get(key);
    if (longer !== undefined) {
      code = longer;
      continue;
    }
    put(code);
    if (next === 4096) {
      put(256);
      [known, next, size] = [new Map(), 258, 9];
    } else {
      known.set(key, next);
      if (next === 1 << size) size += 1;
      next += 1;
    }
    code = pixels[i];
  }
  put(code);
  put(257);
  if (bits) out.push(held & 255);
  return Uint8Array.from(out);
}
