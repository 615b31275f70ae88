// Pictures of one's own, which stay in the worker: a square of them, fitted to a model, as ui/pictures/as_text.py has it.

import { png } from "../../files/png.js";
import { base64, bytes as bytesOf, unpacked as inflated, packed } from "../../shared/run/bytes.js";
import { token } from "../../shared/run/client.js";
import { $, ValueError } from "../python.js";

/** @import { Lab } from "../lab.js" */
/** @import { Picture } from "../../files/pictures.js" */

const LONGEST = 512; // pixels of the longer side, of which the visitor chooses a square
const GREY = "#808080"; // what transparent parts lie on

/** The bytes of pictures as text, by their text. @type {Map<string, Uint8Array>} */
const unpacked = new Map();

/** Unpack a picture as text beforehand: `from_text` of ui/pictures/as_text.py is asked for it at once. @param {unknown} text */
export async function unpack(text) {
  if (!text || unpacked.has(String(text))) return;
  const bytes = await Promise.resolve(String(text))
    .then(bytesOf)
    .then(inflated)
    .catch(() => new Uint8Array());
  unpacked.set(String(text), bytes);
}

/** What the translated ui/pictures/as_text.py needs. */
export function natives() {
  const error = class extends Error {};
  $.native("zlib", {
    error,
    decompressobj: () => ({ decompress: (/** @type {any} */ bytes) => unpacked.get(bytes.text) ?? new Uint8Array() }),
    compress: (/** @type {Uint8Array} */ bytes) => stored(bytes),
  });
  $.native("base64", {
    b64decode(/** @type {string} */ text) {
      try {
        return Object.assign(bytesOf(text), { text });
      } catch {
        throw new ValueError("not base64");
      }
    },
    urlsafe_b64encode: (/** @type {Uint8Array} */ bytes) => ({
      decode: () => base64(bytes).replaceAll("+", "-").replaceAll("/", "_"),
    }),
  });
  $.native("ui.pictures.as_text", { uncovered });
  $.native("numpy", {
    prod: (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b, 1),
    frombuffer: (/** @type {Uint8Array} */ data) => ({
      reshape: (/** @type {number[]} */ [, height, width, channels]) => ({ width, height, channels, data }),
    }),
    linspace: (/** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ n) => ({
      tolist: () =>
        Array.from({ length: n }, (_, i) => $.float(i === n - 1 ? high : low + i * ((high - low) / (n - 1)))),
    }),
    ascontiguousarray: (/** @type {any} */ x) => ({ tobytes: () => x.data }),
  });
}

/** Which pixels are left: those whose cell, a bit of side × side, is 0. @param {Uint8Array} cells @param {number} side @param {number} size */
function uncovered(cells, side, size) {
  const at = (/** @type {number} */ i) => Math.floor(((i + 0.5) * side) / size);
  const data = Uint8Array.from({ length: size * size }, (_, i) => {
    const cell = at(Math.floor(i / size)) * side + at(i % size);
    return 1 - ((cells[cell >> 3] >> (7 - (cell & 7))) & 1);
  });
  const known = { data, all: () => data.every(Boolean), any: () => data.some(Boolean), astype: () => known };
  return known;
}

/** Bytes as zlib has them, without packing them: a script is to have them at once. @param {Uint8Array} bytes */
function stored(bytes) {
  const out = new Uint8Array(bytes.length + 11);
  const n = bytes.length;
  out.set([0x78, 1, 1, n & 255, n >> 8, ~n & 255, (~n >> 8) & 255]);
  out.set(bytes, 7);
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  out.set([b >> 8, b & 255, a >> 8, a & 255], n + 7);
  return out;
}

/** What was uploaded, by its path. @type {Map<string, OffscreenCanvas>} */
const kept = new Map();

/** @param {File} file @returns {Promise<{ path: string }>} */
async function add(file) {
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) throw new ValueError($.module("ui.pictures.uploads").UNREADABLE);
  const path = token();
  const scale = Math.min(1, LONGEST / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
  kept.set(path, drawn(image, [0, 0, image.width, image.height], width, height));
  return { path };
}

/** @param {unknown} path */
function find(path) {
  const found = kept.get(String(path));
  if (!found) throw new ValueError("This picture is no longer here: choose it again");
  return found;
}

/** The middle of one, for Forward: {size, pixels}. @param {string} path */
export function square(path) {
  const { SMALLEST, SIZE } = $.module("ui.pictures.uploads");
  const whole = find(path);
  const short = Math.min(whole.width, whole.height);
  const size = Math.min(Math.max(short, SMALLEST), SIZE);
  const middle = [(whole.width - short) / 2, (whole.height - short) / 2, short, short];
  return { size, pixels: base64(rgb(drawn(whole, middle, size, size), 3)) };
}

/** What source.js asks. @param {Lab} lab */
export function own(lab) {
  const here = (/** @type {any} */ ref) => {
    const model = lab.spec(String(ref ?? "").trim());
    $.module("ddpm_core.model").check_pixels(model, "a picture of one's own");
    return model;
  };
  const questions = {
    async whole(/** @type {any} */ { path }) {
      const { width, height } = find(path);
      return { uri: await pngUri({ width, height, channels: 3, data: rgb(find(path), 3) }), width, height };
    },
    async fit(/** @type {any} */ { path, left, top, side, invert, checkpoint }) {
      const { image_size: size, channels } = here(checkpoint);
      const whole = find(path);
      const short = Math.min(whole.width, whole.height);
      const pixels = Math.min(Math.max(1, Math.round(side * short)), short);
      const x = Math.min(Math.max(0, Math.round(left * short)), whole.width - pixels);
      const y = Math.min(Math.max(0, Math.round(top * short)), whole.height - pixels);
      const data = rgb(drawn(whole, [x, y, pixels, pixels], size, size), channels);
      if (invert) for (const [i, value] of data.entries()) data[i] = 255 - value;
      return shown({ width: size, height: size, channels, data });
    },
    async known(/** @type {any} */ { text, checkpoint }) {
      await unpack(text);
      return shown($.module("ui.pictures.as_text").from_text(text, here(checkpoint)));
    },
  };
  return { questions, upload: add };
}

/** @param {Picture} picture */
const pngUri = async (picture) => `data:image/png;base64,${base64(await png(picture))}`;

/** A picture for the page: {text, uri}. @param {Picture} picture */
async function shown(picture) {
  const bytes = await packed(picture.data);
  const text = base64(bytes).replaceAll("+", "-").replaceAll("/", "_");
  unpacked.set(text, picture.data);
  return { text, uri: await pngUri(picture) };
}

/**
 * A part of a picture, on grey, as large as this.
 * @param {CanvasImageSource} image @param {number[]} part left, top, width and height @param {number} width @param {number} height
 */
function drawn(image, [left, top, wide, high], width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = GREY;
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, wide, high, 0, 0, width, height);
  return canvas;
}

/** The pixels of a canvas in 1 or 3 channels. @param {OffscreenCanvas} canvas @param {number} channels */
function rgb(canvas, channels) {
  const { data } = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(
    0,
    0,
    canvas.width,
    canvas.height,
  );
  return Uint8Array.from({ length: (data.length / 4) * channels }, (_, i) => {
    const at = 4 * Math.floor(i / channels);
    if (channels === 3) return data[at + (i % 3)];
    return Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
  });
}
