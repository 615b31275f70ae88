// Pictures of one's own, which stay in the worker: a square of them, fitted to a model.

import { png } from "../../files/png.js";
import { fromText, pack, unpack } from "../../files/text.js";
import { checkPixels } from "../../plans/rows.js";
import { base64 } from "../../shared/run/bytes.js";
import { token } from "../../shared/run/client.js";

/** @import { Picture } from "../../files/pictures.js" */
/** @import { Lab } from "../lab.js" */
/** @import { Part } from "../parts/index.js" */

const LONGEST = 512; // pixels of the longer side, of which the visitor chooses a square
const [SMALLEST, LARGEST] = [32, 128]; // pixels a side of a picture of Forward
const GREY = "#808080"; // what transparent parts lie on
const UNREADABLE = "This file could not be read as a picture: choose a PNG, JPEG, WEBP, GIF, BMP, TIFF or PPM.";

/** What was uploaded, by its path. @type {Map<string, OffscreenCanvas>} */
const kept = new Map();

/** @param {File} file @returns {Promise<{ path: string }>} */
export async function add(file) {
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) throw new Error(UNREADABLE);
  const path = token();
  const scale = Math.min(1, LONGEST / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
  kept.set(path, drawn(image, [0, 0, image.width, image.height], width, height));
  return { path };
}

/** @param {unknown} path */
function find(path) {
  const found = kept.get(String(path));
  if (!found) throw new Error("This picture is no longer here: choose it again");
  return found;
}

/** The middle of one, for Forward: {size, pixels}. @param {string} path */
export function square(path) {
  const whole = find(path);
  const short = Math.min(whole.width, whole.height);
  const size = Math.min(Math.max(short, SMALLEST), LARGEST);
  const middle = [(whole.width - short) / 2, (whole.height - short) / 2, short, short];
  return { size, pixels: base64(rgb(drawn(whole, middle, size, size), 3)) };
}

/** What source.js asks. @param {Lab} lab @returns {Part} */
export function own(lab) {
  const here = async (/** @type {any} */ checkpoint) => {
    const ref = String(checkpoint ?? "").trim();
    await lab.learn(ref);
    const model = lab.facts(ref);
    if (!model)
      throw new Error("Pictures for this model can be chosen once it is downloaded: run it with a seed first");
    checkPixels(model, "a picture of one's own");
    return model;
  };
  const questions = {
    async whole(/** @type {any} */ { path }) {
      const { width, height } = find(path);
      return { uri: await pngUri({ width, height, channels: 3, data: rgb(find(path), 3) }), width, height };
    },
    async fit(/** @type {any} */ { path, left, top, side, invert, checkpoint }) {
      const { image_size: size, channels } = await here(checkpoint);
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
      return shown(fromText(text, await here(checkpoint)));
    },
  };
  return { questions };
}

/** @param {Picture} picture */
const pngUri = async (picture) => `data:image/png;base64,${base64(await png(picture))}`;

/** A picture for the page. @param {Picture} picture */
const shown = async (picture) => ({ text: await pack(picture), uri: await pngUri(picture) });

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
