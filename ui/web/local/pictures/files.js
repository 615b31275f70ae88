// Files of a run: PNG, GIF, WebP, NumPy's arrays, ZIP. They carry the settings as ui/export/files.py writes them.

import { packed } from "../../shared/run/bytes.js";
import { $ } from "../python.js";
import { blank, grid } from "./pictures.js";

/** @import { Picture } from "./pictures.js" */

const SLIDE = 1000; // pixels: the least width of a film or a strip, so that it fills half of a slide
const STRIP = 10; // moments of a strip
const LEVELS = [6, 7, 6]; // of red, green and blue in a GIF's palette
const BAYER = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5]; // thresholds of 4 × 4 pixels, in 16ths

/** The number in so many bytes, the last ones first. @param {number} n */
const little = (n, bytes = 2) => Array.from({ length: bytes }, (_, i) => Math.floor(n / 256 ** i) & 255);
export const ascii = (/** @type {string} */ text) => new TextEncoder().encode(text);

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** @param {Uint8Array} bytes */
const checksum = (bytes) => ~bytes.reduce((crc, byte) => CRC[(crc ^ byte) & 255] ^ (crc >>> 8), 0xffffffff);

/** @param {(Uint8Array | number[])[]} parts @returns {Uint8Array<ArrayBuffer>} */
const joined = (parts) => {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

/** @param {string} name @param {Uint8Array} content */
function chunk(name, content) {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(content, 8);
  view.setUint32(bytes.length - 4, checksum(bytes.subarray(4, bytes.length - 4)));
  return bytes;
}

/** A PNG file. @param {Picture} picture @param {string} [about] the settings, as its Description */
export async function png({ width, height, channels, data }, about = "") {
  const head = new Uint8Array(13);
  new DataView(head.buffer).setUint32(0, width);
  new DataView(head.buffer).setUint32(4, height);
  head.set([8, channels === 1 ? 0 : 2], 8);
  const row = width * channels;
  const rows = new Uint8Array((row + 1) * height);
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  const text = new TextEncoder().encode(`Description\0\0\0\0\0${about}`);
  return joined([
    Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10),
    chunk("IHDR", head),
    ...(about ? [chunk("iTXt", text)] : []),
    chunk("IDAT", await packed(rows)),
    chunk("IEND", new Uint8Array()),
  ]);
}

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
      const comment = new TextEncoder().encode(about);
      const head = [...new TextEncoder().encode("GIF89a"), ...little(width), ...little(height), 0xf7, 0, 0];
      const again = [0x21, 0xff, 11, ...new TextEncoder().encode("NETSCAPE2.0"), 3, 1, 0, 0, 0];
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
  const text = ascii(`${about}\0`);
  const exif = [...ascii("II"), 42, 0, ...little(8, 4), 1, 0, 0x0e, 1, 2, 0, ...little(text.length, 4)]; // ImageDescription
  return riff("RIFF", [
    ascii("WEBP"),
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
  return joined([ascii(name), little(content.length, 4), content, little(0, content.length % 2)]);
}

/** How long the i-th of so many pictures is shown, in ms: 4 seconds in all, 50 a second at most; the last one stands. @param {number} i from 1 on @param {number} count */
const pause = (i, count) => (i === count ? 1500 : Math.max(20, 10 * Math.round(400 / count)));

/** @type {Record<string, (pictures: Iterable<Picture>, count: number, about: string) => any>} */
export const ANIMATED = { gif, webp };

/** float32 numbers as NumPy keeps them. @param {Float32Array[]} rows @param {number[]} shape of a row */
export function npy(rows, shape) {
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${[rows.length, ...shape].join(", ")}), }`;
  const padded = `${head.padEnd(117)}\n`; // with the ten bytes before it, a multiple of 64
  const numbers = rows.map((row) => new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
  return joined([[0x93], ascii("NUMPY"), [1, 0], little(padded.length), ascii(padded), ...numbers]);
}

/** Files in one, as they are: PNG is packed already. @param {[name: string, content: Uint8Array][]} files */
export function zip(files) {
  const parts = [];
  const index = [];
  let at = 0;
  for (const [name, content] of files) {
    const title = ascii(name);
    const sizes = [...little(content.length, 4), ...little(content.length, 4)];
    const day = [0, 0, 33, 0]; // there is none: the first of January 1980
    const about = [
      20,
      0,
      0,
      8,
      0,
      0,
      ...day,
      ...little(checksum(content) >>> 0, 4),
      ...sizes,
      ...little(title.length),
      0,
      0,
    ];
    parts.push([...ascii("PK"), 3, 4, ...about], title, content);
    index.push([...ascii("PK"), 1, 2, 20, 0, ...about, ...little(0, 10), ...little(at, 4)], title);
    at += 30 + title.length + content.length;
  }
  const entries = joined(index);
  const count = little(files.length);
  const end = [
    ...ascii("PK"),
    5,
    6,
    0,
    0,
    0,
    0,
    ...count,
    ...count,
    ...little(entries.length, 4),
    ...little(at, 4),
    0,
    0,
  ];
  return joined([...parts, entries, end]);
}

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

/** A picture on a canvas. @param {Picture} picture */
function painted({ width, height, channels, data }) {
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let i = 0; i < image.data.length; i++)
    image.data[i] = i % 4 === 3 ? 255 : data[(i >> 2) * channels + (channels === 1 ? 0 : i % 4)];
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}

/**
 * A picture with a text above each of its columns and beside each of its rows, on paper.
 * @param {Picture} picture @param {number} scale each pixel becomes a square of that many
 * @param {string[]} above @param {string[]} [beside] @param {string[]} [below] lines @returns {Picture}
 */
function labelled(picture, scale, above, beside = [], below = []) {
  const [width, height] = [picture.width * scale, picture.height * scale];
  const size = Math.max(14, Math.min(Math.round(width / above.length / 8), 28));
  const [left, top] = [beside.length ? 2 * size : 0, 2 * size];
  const canvas = new OffscreenCanvas(left + width, top + height + top * below.length);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  const { channels } = picture;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(painted(picture), left, top, width, height);
  context.fillStyle = "#202020";
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (const [i, text] of above.entries()) context.fillText(text, left + (i * width) / above.length, size);
  for (const [i, text] of beside.entries())
    context.fillText(text, size / 2, top + ((i + 0.5) * height) / beside.length);
  for (const [i, text] of below.entries()) context.fillText(text, left, height + top * (i + 1.5));
  const drawn = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const out = blank(canvas.width, canvas.height, channels);
  for (let i = 0; i < out.data.length; i++)
    out.data[i] = channels === 1 ? drawn[4 * i] : drawn[4 * Math.floor(i / 3) + (i % 3)];
  return out;
}

/** What is to be seen at a time: the pictures of each lane, by its number. @typedef {{ t: number, lanes: [number, Picture[]][] }} Moment */

/** Some moments from noise to x_0, a row for each image of each lane. @param {Moment[]} moments @param {string[]} names of two lanes, with their letters */
export function strip(moments, names) {
  /** @type {Moment[]} */
  const few = $.module("ddpm_core.imaging").thin(moments, STRIP);
  const [{ lanes }] = few;
  const rows = lanes[0][1].flatMap((_, n) => lanes.map(([lane]) => ({ n, lane })));
  const tiles = rows.flatMap(({ n, lane }) => few.map((one) => new Map(one.lanes).get(lane)?.[n] ?? lanes[0][1][n]));
  const beside = names.length ? rows.map(({ lane }) => "AB"[lane]) : [];
  const above = few.map(({ t }) => `t = ${t}`);
  return labelled(grid(tiles, few.length, 0), Math.ceil(SLIDE / (few.length * tiles[0].width)), above, beside, names);
}

/** A frame for each moment, the lanes side by side. @param {Moment[]} moments @param {string[]} titles of the lanes */
export function* film(moments, titles) {
  for (const { t, lanes } of moments) {
    const grids = lanes.map(([, pictures]) => grid(pictures, Math.ceil(Math.sqrt(pictures.length))));
    const whole = grid(grids, grids.length, 4);
    yield enlarged(
      whole,
      lanes.map(([lane]) => `${titles[lane]}   t = ${t}`),
    );
  }
}

/** As wide as half of a slide. @param {Picture} picture @param {string[]} [above] */
export const enlarged = (picture, above = []) => labelled(picture, Math.ceil(SLIDE / picture.width), above);
