// Turn a visitor's drawings into pictures for training. The same drawings give the same pictures in every browser, so
// this file uses no canvas, and no function of Math whose last digits differ between browsers.

import { reduced } from "../pictures/resize.js";
import { UserError } from "../process/errors.js";
import { uniform } from "../process/noise.js";
import { PICTURES } from "../words/learning.js";

/** @import { Rest } from "../files/file.d.ts" */
/** @import { Pictures } from "./pictures.js" */
/** @typedef {number[]} Line x, y, x, y, … */

/** The drawing sheet. side: its side in pixels. units: coordinate units per pixel. pen: width of the pen in pixels. fewest and most: limits of the number of drawings. points: largest number of points in a drawing. */
export const SHEET = /** @type {const} */ ({ side: 28, units: 10, pen: 2, fewest: 5, most: 20, points: 400 });
/** The variants of a drawing. count: number of variants. shift: largest shift, in pixels. turn: largest rotation, in degrees. stretch: largest change of width or height, as a fraction. */
export const VARIED = { count: 150, shift: 2, turn: 10, stretch: 0.15 };

const { side: SIDE } = SHEET;
const FINER = 4; // lines are drawn on a sheet that is enlarged by this factor; reducing the sheet then smooths their edges
const FINE = SIDE * FINER;
const HALF_TURN = Math.round(1e6 * Math.tan((VARIED.turn * Math.PI) / 360)) / 1e6; // tangent of half the largest rotation

/** Return a picture of lines, white on black with round ends. @param {Line[]} lines in pixels, from 0 to SIDE @param {number} [pen] width of the lines, in pixels */
export function drawn(lines, pen = SHEET.pen) {
  const ink = new Uint8Array(FINE * FINE);
  const radius = (pen * FINER) / 2;
  for (const line of lines) {
    const points = line.map((value) => value * FINER);
    for (let to = 0; to < points.length; to += 2) {
      const from = Math.max(0, to - 2); // the first point is drawn as a line from the point to itself
      pull(ink, radius, points[from], points[from + 1], points[to], points[to + 1]);
    }
  }
  return reduced({ width: FINE, height: FINE, channels: 1, data: ink }, FINER, FINER).data;
}

/** Draw a straight line from a to b. @param {Uint8Array} ink @param {number} radius @param {number} ax @param {number} ay @param {number} bx @param {number} by */
function pull(ink, radius, ax, ay, bx, by) {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy || 1;
  const first = (/** @type {number} */ value) => Math.max(0, Math.floor(value - radius));
  const end = (/** @type {number} */ value) => Math.min(FINE, Math.ceil(value + radius));
  const [left, right, bottom] = [first(Math.min(ax, bx)), end(Math.max(ax, bx)), end(Math.max(ay, by))];
  for (let y = first(Math.min(ay, by)); y < bottom; y++)
    for (let x = left; x < right; x++) {
      const px = x + 0.5 - ax; // this loop uses no arrays, because they are slow
      const py = y + 0.5 - ay;
      const along = Math.min(1, Math.max(0, (px * dx + py * dy) / length)); // fraction of the way from a to b at which the line is nearest to the pixel
      const off = px - along * dx;
      const below = py - along * dy;
      if (off * off + below * below <= radius * radius) ink[y * FINE + x] = 255;
    }
}

/**
 * Return the lines, slightly stretched about the middle of the sheet, rotated and shifted.
 * @param {Line[]} lines @param {ArrayLike<number>} random five numbers from 0 to 1
 */
export function varied(lines, random) {
  const [turn, wide, high, right, down] = Array.from(random, (value) => 2 * value - 1);
  const tangent = HALF_TURN * turn; // cos and sin are computed from the tangent of half the angle, because Math.cos and Math.sin differ between browsers
  const [cos, sin] = [1 - tangent ** 2, 2 * tangent].map((value) => value / (1 + tangent ** 2));
  const stretch = [wide, high].map((value) => 1 + VARIED.stretch * value);
  const middle = [right, down].map((value) => SIDE / 2 + VARIED.shift * value);
  return lines.map((line) =>
    line.map((_, i) => {
      const [x, y] = [i - (i % 2), i + 1 - (i % 2)].map((at) => (line[at] - SIDE / 2) * stretch[at % 2]);
      return middle[i % 2] + (i % 2 ? sin * x + cos * y : cos * x - sin * y);
    }),
  );
}

/**
 * Return training pictures: the variants of each drawing. Throws a UserError for too few or too many drawings.
 * @param {Line[][]} drawings with coordinates in the sheet's units @param {Rest} rest @returns {Promise<Pictures>}
 */
export async function drawnPictures(drawings, rest) {
  const { fewest, most, units } = SHEET;
  if (drawings.length < fewest || drawings.length > most)
    throw new UserError(PICTURES.drawings(drawings.length, fewest, most));
  const [count, size] = [drawings.length * VARIED.count, SIDE * SIDE];
  const [images, originals] = [new Uint8Array(count * size), new Uint8Array(drawings.length * size)];
  for (const [i, drawing] of drawings.entries()) {
    const lines = drawing.map((line) => line.map((value) => value / units));
    originals.set(drawn(lines), i * size);
    const random = uniform(0n, i, 5 * VARIED.count); // the seed is fixed, so that the same drawings give the same pictures
    for (let k = 0; k < VARIED.count; k++)
      images.set(drawn(varied(lines, random.subarray(5 * k, 5 * k + 5))), (i * VARIED.count + k) * size);
    await rest(i + 1, drawings.length);
  }
  return { kind: "drawings", images, count, side: SIDE, channels: 1, labels: null, classes: [], originals };
}
