// Helpers for a canvas: its context, lines of text, and a check that its pixels can be read back.

import { UserError } from "../process/errors.js";
import { WORDS } from "../words/page.js";

/**
 * Return a canvas's 2D context. Throws a UserError if the browser has none.
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function context2d(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new UserError(WORDS.noCanvas);
  return context;
}

/** Return the lines of a text, each at most `width` pixels wide. @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context @param {string} text @param {number} width */
export function lines(context, text, width) {
  /** @type {string[]} */
  const found = [];
  for (const word of text.match(/\S{1,100}\s*/g) ?? []) {
    const longer = (found.at(-1) ?? "") + word;
    if (found.length && context.measureText(longer).width <= width) found[found.length - 1] = longer;
    else found.push(word);
  }
  return found;
}

let honest = /** @type {boolean | null} */ (null);

/** Throw a UserError if the browser changes the pixels that a page reads back, as a protection against fingerprinting. */
export function checkPixels() {
  if (honest === null) {
    const side = 16;
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
      new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true })
    );
    const known = context.createImageData(side, side);
    for (let i = 0; i < known.data.length; i++) known.data[i] = i % 4 === 3 ? 255 : (37 * i) % 256;
    context.putImageData(known, 0, 0);
    const { data } = context.getImageData(0, 0, side, side);
    honest = data.every((value, i) => value === known.data[i]);
  }
  if (!honest) throw new UserError(WORDS.changedPixels);
}
