// Pictures of a message, beside each other: for an <img>, and for a canvas.
import { bmp } from "../../files/pictures.js";
import { context2d, el } from "./dom.js";

/** @import { Picture } from "../pictures/resize.js" */
/** @typedef {ImageBitmap | HTMLCanvasElement} Drawable */
/** Pixels, or a file. @typedef {Picture[] | Blob} Sprite */

/** @type {WeakMap<Sprite, string>} */
const urls = new WeakMap();
const forgotten = new FinalizationRegistry((/** @type {string} */ url) => URL.revokeObjectURL(url));

/** The address of a sprite, which lasts as long as the sprite. @param {Sprite} sprite */
export function urlOf(sprite) {
  const known = urls.get(sprite);
  if (known) return known;
  const url = URL.createObjectURL(sprite instanceof Blob ? sprite : new Blob([bmp(sprite)], { type: "image/bmp" }));
  urls.set(sprite, url);
  forgotten.register(sprite, url);
  return url;
}

/** What images show: it stays as long as they do. @type {WeakMap<HTMLImageElement, Sprite>} */
const held = new WeakMap();

/** Show a sprite, or no picture. @param {HTMLImageElement} image @param {Sprite | null} sprite */
export function show(image, sprite) {
  const src = sprite ? urlOf(sprite) : "";
  if (image.src !== src) image.src = src;
  if (sprite) held.set(image, sprite);
}

/** What a canvas can draw. @param {Sprite} sprite @returns {Promise<Drawable>} */
export async function drawable(sprite) {
  if (sprite instanceof Blob) return createImageBitmap(sprite);
  const [{ width, height, channels }] = sprite;
  const colours = channels < 3 ? [0, 0, 0] : [0, 1, 2];
  const canvas = el("canvas", { width: width * sprite.length, height });
  const context = context2d(canvas);
  for (const [n, { data }] of sprite.entries()) {
    const levels = new ImageData(width, height);
    for (let i = 0, from = 0; from < data.length; from += channels) {
      for (const colour of colours) levels.data[i++] = data[from + colour];
      levels.data[i++] = channels % 2 ? 255 : data[from + channels - 1];
    }
    context.putImageData(levels, n * width, 0);
  }
  return canvas;
}
