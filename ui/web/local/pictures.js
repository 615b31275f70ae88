// Pictures in the worker: rows of pixels, on their way to the page as BMP, and in files as PNG and GIF, which carry the
// settings of their run as ui/export/files.py writes them.
import { $ } from "./python.js";

/** 8 bits in each of 1 or 3 channels, row by row. @typedef {{ width: number, height: number, channels: number, data: Uint8Array }} Picture */

export const SLIDE = 1000; // pixels: the least width of a film or a strip, so that it fills half of a slide
const STRIP = 10; // moments of a strip
const PAPER = 255;
const GAP = 128; // the grey level between pictures
const LEVELS = [6, 7, 6]; // of red, green and blue in a GIF's palette
const BAYER = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5]; // thresholds of 4 × 4 pixels, in 16ths

/** @param {number} width @param {number} height @param {number} channels @returns {Picture} */
const blank = (width, height, channels, level = PAPER) => {
  return { width, height, channels, data: new Uint8Array(width * height * channels).fill(level) };
};

/** Pictures of one size as one, row by row. @param {Picture[]} pictures @param {number} columns @param {number} [gap] pixels */
export function grid(pictures, columns, gap = 2) {
  const [{ width, height, channels }] = pictures;
  const across = Math.min(columns, pictures.length);
  const down = Math.ceil(pictures.length / across);
  const whole = blank(across * (width + gap) - gap, down * (height + gap) - gap, channels, GAP);
  for (const [i, { data }] of pictures.entries()) {
    const [left, top] = [(i % across) * (width + gap), Math.floor(i / across) * (height + gap)];
    for (let y = 0; y < height; y++)
      whole.data.set(
        data.subarray(y * width * channels, (y + 1) * width * channels),
        ((top + y) * whole.width + left) * channels,
      );
  }
  return whole;
}

/** @param {Uint8Array} bytes */
export function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}

/** @param {string} text base64 or base64url */
export const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));

/** Pictures side by side, as a data-URI that takes no time to write. @param {Picture[]} pictures */
export function uri(pictures) {
  const { width, height, channels, data } = grid(pictures, pictures.length, 0);
  const row = Math.ceil((width * 3) / 4) * 4;
  const file = new Uint8Array(54 + row * height);
  const view = new DataView(file.buffer);
  file.set([66, 77]);
  for (const [at, value] of [
    [2, file.length],
    [10, 54],
    [14, 40],
    [18, width],
    [22, height],
    [34, row * height],
  ])
    view.setUint32(at, value, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = ((height - 1 - y) * width + x) * channels;
      for (let c = 0; c < 3; c++) file[54 + y * row + x * 3 + c] = data[from + (channels === 1 ? 0 : 2 - c)];
    }
  return `data:image/bmp;base64,${base64(file)}`;
}

/** @param {string} how "deflate" @param {Uint8Array} bytes */
export async function packed(how, bytes, unpack = false) {
  const kind = /** @type {CompressionFormat} */ (how);
  const stream = unpack ? new DecompressionStream(kind) : new CompressionStream(kind);
  const whole = new Blob([/** @type {any} */ (bytes)]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(whole).arrayBuffer());
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** @param {Uint8Array[]} parts @returns {Uint8Array<ArrayBuffer>} */
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
  let crc = 0xffffffff;
  for (const byte of bytes.subarray(4, bytes.length - 4)) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  view.setUint32(bytes.length - 4, ~crc);
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
    chunk("IDAT", await packed("deflate", rows)),
    chunk("IEND", new Uint8Array()),
  ]);
}

/**
 * An endless GIF of pictures of one size: greys as they are, colours of an even palette, dithered.
 * @param {Iterable<Picture>} pictures @param {number} count how many they are @param {string} about its comment
 */
export function gif(pictures, count, about) {
  const parts = [];
  const little = (/** @type {number} */ n) => [n & 255, n >> 8];
  const each = Math.max(2, Math.round(400 / count)); // hundredths of a second: 4 seconds in all, 50 pictures a second at most
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
    const wait = little(i === count ? each + 150 : each);
    parts.push(
      Uint8Array.of(0x21, 0xf9, 4, 0, ...wait, 0, 0, 0x2c, 0, 0, 0, 0, ...little(width), ...little(height), 0, 8),
    );
    parts.push(blocks(lzw(indexed(picture))));
  }
  return joined([...parts, Uint8Array.of(0x3b)]);
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

/**
 * A picture with a text above each of its columns and beside each of its rows, on paper.
 * @param {Picture} picture @param {number} scale each pixel becomes a square of that many
 * @param {string[]} above @param {string[]} [beside] @param {string[]} [below] lines @returns {Picture}
 */
export function labelled(picture, scale, above, beside = [], below = []) {
  const [width, height] = [picture.width * scale, picture.height * scale];
  const size = Math.max(14, Math.min(Math.round(width / above.length / 8), 28));
  const [left, top] = [beside.length ? 2 * size : 0, 2 * size];
  const canvas = new OffscreenCanvas(left + width, top + height + top * below.length);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  const small = new OffscreenCanvas(picture.width, picture.height);
  const { data, channels } = picture;
  const image = new ImageData(picture.width, picture.height);
  for (let i = 0; i < image.data.length; i++)
    image.data[i] = i % 4 === 3 ? 255 : data[(i >> 2) * channels + (channels === 1 ? 0 : i % 4)];
  small.getContext("2d")?.putImageData(image, 0, 0);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, left, top, width, height);
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
    const above = lanes.map(([lane]) => `${titles[lane]}   t = ${t}`);
    yield labelled(whole, Math.ceil(SLIDE / whole.width), above);
  }
}
