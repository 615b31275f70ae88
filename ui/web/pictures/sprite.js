// Shows sprites (pictures of a message, side by side) in an <img> or on a canvas.
import { bmp } from "./compose.js";

/** @typedef {ImageBitmap | HTMLCanvasElement} Drawable */
/** @typedef {import("../messages/protocol.d.ts").Sprite} Sprite */

/** @type {WeakMap<Sprite, string>} */
const urls = new WeakMap();
const forgotten = new FinalizationRegistry((/** @type {string} */ url) => URL.revokeObjectURL(url));

/** Return the URL of a sprite. The URL is revoked when nothing holds the sprite any more. @param {Sprite} sprite */
function urlOf(sprite) {
  const known = urls.get(sprite);
  if (known) return known;
  const url = URL.createObjectURL(sprite instanceof Blob ? sprite : new Blob([bmp(sprite)], { type: "image/bmp" }));
  urls.set(sprite, url);
  forgotten.register(sprite, url);
  return url;
}

/**
 * The sprite of each image. A sprite stays in memory as long as its image.
 * @type {WeakMap<HTMLImageElement, Sprite>}
 */
const held = new WeakMap();

/**
 * Show a sprite in an image; null clears the image. `held` keeps the sprite in memory, because its URL does not.
 * @param {HTMLImageElement} image @param {Sprite | null} sprite
 */
export function show(image, sprite) {
  const src = sprite ? urlOf(sprite) : "";
  if (image.src !== src) image.src = src;
  if (sprite) held.set(image, sprite);
  return image;
}

/** Decode a sprite for drawing on a canvas. @param {Sprite} sprite */
export async function drawable(sprite) {
  if (sprite instanceof Blob) return createImageBitmap(sprite);
  const [{ width, height, channels }] = sprite;
  const colours = channels < 3 ? [0, 0, 0] : [0, 1, 2];
  const levels = new ImageData(width * sprite.length, height);
  for (const [n, { data }] of sprite.entries())
    for (let from = 0, pixel = 0; from < data.length; from += channels, pixel++) {
      let i = 4 * (Math.floor(pixel / width) * levels.width + n * width + (pixel % width));
      for (const colour of colours) levels.data[i++] = data[from + colour];
      levels.data[i] = channels % 2 ? 255 : data[from + channels - 1];
    }
  return createImageBitmap(levels); // quicker than a canvas, whose pixels pass through the graphics process
}
