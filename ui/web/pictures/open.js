// Opens a visitor's picture file. The browser decodes it, so only its pixels ever leave the page.

import { checkPixels, context2d } from "../drawing/canvas.js";
import { el } from "../drawing/dom.js";
import { UserError } from "../process/errors.js";
import { tooLarge, tooLong, tooManyPixels, UNREADABLE } from "../words/pictures.js";
import { reduced, resized } from "./resize.js";

/** @import { Picture } from "./resize.js" */

const MEGABYTES = 64; // largest size of a file, in megabytes
const MEGAPIXELS = 50; // largest size of a picture, in megapixels; a JPEG may be three times as large, because cameras make large JPEGs
const RATIO = 100; // largest ratio of the sides; a longer picture would be too thin to recognise
const TILE = 2048; // side of the tiles in which a picture is read, in pixels

/**
 * Return the picture of a file, upright and as RGBA. Throw a UserError if it is no picture or too large.
 * @param {File} file
 * @param {(long: number, short: number) => number} longest returns, for the sides of the file's picture, the largest
 * length of the longer side, in pixels
 */
export async function open(file, longest) {
  if (file.size > MEGABYTES * 1e6) throw new UserError(tooLarge(MEGABYTES));
  checkPixels();
  await checkSize(file);
  // without a conversion of colours, the levels are those of the file, as the trainer reads them
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch((cause) => {
    throw new UserError(UNREADABLE, { cause });
  });
  const { width, height } = bitmap;
  const most = longest(Math.max(width, height), Math.min(width, height));
  const [wide, high] = within(width, height, most);
  const [across, down] = [width / wide, height / high].map((times) => Math.max(1, Math.floor(times / 2)));
  const small = pixelsOf(bitmap, across, down);
  bitmap.close();
  return resized(small, wide, high, "bicubic", [0, 0, width / across, height / down]);
}

/** Throw a UserError if a picture is too large to decode. This reads only the header of the file. @param {File} file */
async function checkSize(file) {
  const image = el("img", { src: URL.createObjectURL(file) });
  const known = new Promise((resolve, reject) => {
    image.addEventListener("load", resolve);
    image.addEventListener("error", () => reject(new UserError(UNREADABLE)));
  });
  await known.finally(() => URL.revokeObjectURL(image.src));
  const sides = [image.naturalWidth, image.naturalHeight];
  const [ratio, pixels] = [Math.max(...sides) / Math.min(...sides), sides[0] * sides[1]];
  if (ratio > RATIO) throw new UserError(tooLong(ratio, RATIO));
  const most = MEGAPIXELS * (file.type === "image/jpeg" ? 3 : 1);
  if (pixels > most * 1e6) throw new UserError(tooManyPixels(pixels, most));
}

/**
 * Return the width and height of a picture after its longer side is reduced to `longest`. Both are rounded as in
 * Pillow's `Image.thumbnail`.
 * @param {number} width @param {number} height @param {number} longest
 */
export function within(width, height, longest) {
  if (Math.max(width, height) <= longest) return [width, height];
  const aspect = width / height;
  /**
   * @param {number} side @param {(n: number) => number} off returns how far the ratio of the sides is from this
   * picture's ratio
   */
  const nearer = (side, off) => {
    const [less, more] = [Math.floor(side), Math.ceil(side)];
    return Math.max(1, off(more) < off(less) ? more : less);
  };
  if (aspect <= 1) return [nearer(longest * aspect, (n) => Math.abs(aspect - n / longest)), longest];
  return [longest, nearer(longest / aspect, (n) => (n ? Math.abs(aspect - longest / n) : 0))];
}

/**
 * Return a picture whose pixels are the means of blocks of a bitmap. The bitmap is read tile by tile, because all
 * pixels of a photo take hundreds of megabytes.
 * @param {ImageBitmap} bitmap @param {number} across width of a block, pixels @param {number} down height
 * @returns {Picture}
 */
function pixelsOf(bitmap, across, down) {
  const [width, height] = [Math.ceil(bitmap.width / across), Math.ceil(bitmap.height / down)];
  const out = new Uint8Array(width * height * 4);
  const [columns, rows] = [across, down].map((block) => Math.ceil(TILE / block)); // number of blocks in a tile
  const canvas = el("canvas", null);
  const context = context2d(canvas, { willReadFrequently: true });
  for (let y = 0; y < height; y += rows)
    for (let x = 0; x < width; x += columns) {
      canvas.width = Math.min(columns * across, bitmap.width - x * across);
      canvas.height = Math.min(rows * down, bitmap.height - y * down);
      context.drawImage(bitmap, -x * across, -y * down);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      const tile = { width: canvas.width, height: canvas.height, channels: 4, data: new Uint8Array(data.buffer) };
      const blocks = reduced(tile, across, down);
      for (let row = 0; row < blocks.height; row++) {
        const line = blocks.data.subarray(row * blocks.width * 4, (row + 1) * blocks.width * 4);
        out.set(line, ((y + row) * width + x) * 4);
      }
    }
  return { width, height, channels: 4, data: out };
}

/** Return a picture as the data URI of a PNG. @param {Picture} picture */
export function uri({ width, height, channels, data }) {
  const canvas = el("canvas", { width, height });
  const context = context2d(canvas);
  const image = context.createImageData(width, height);
  const colours = channels < 3 ? 1 : 3;
  for (let i = 0; i < image.data.length; i++) {
    const [pixel, c] = [Math.floor(i / 4) * channels, i % 4];
    image.data[i] = c < 3 ? data[pixel + Math.min(c, colours - 1)] : colours < channels ? data[pixel + colours] : 255;
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}
