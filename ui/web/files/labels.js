// Pictures with text on paper: film strips, and the frames of an animation.

import { checkPixels } from "../shared/drawing/dom.js";
import { blank, grid, opaque, put, scaled } from "./pictures.js";

/** @import { Picture } from "./pictures.js" */
/** @import { Moment } from "./record.js" */

const SLIDE = 1000; // pixels: the least width of a film or a strip, so that it fills half of a slide
const [LEAST, MOST] = [300, 600]; // pixels: the width of a GIF
const WEIGHT = 560_000; // pixels of all pictures of a GIF, times how much larger they are shown: about as many bytes
const APART = 8; // pixels between the lanes of a film
const [SMALL, LARGE] = [14, 28]; // pixels of a line of text
const INK = "#202020";

/** The letters that were drawn last: most frames have some in common. @type {Map<string, Picture>} */
const drawn = new Map();
const DRAWN = 64;

/** A line of text on paper, twice as high as its letters. @param {string} text @param {number} width @param {number} size @returns {Picture} */
function line(text, width, size) {
  const name = `${width} ${size} ${text}`;
  const known = drawn.get(name);
  if (known) return known;
  checkPixels();
  const height = 2 * size;
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.fillStyle = INK;
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.fillText(text, 0, size, width);
  const { data } = context.getImageData(0, 0, width, height);
  const picture = {
    width,
    height,
    channels: 1,
    data: Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]),
  };
  drawn.set(name, picture);
  for (const old of [...drawn.keys()].slice(0, -DRAWN)) drawn.delete(old);
  return picture;
}

/** The same grey levels in more channels. @param {Picture} picture of one channel @param {number} channels @returns {Picture} */
function inChannels(picture, channels) {
  const { width, height, data } = picture;
  if (channels === 1) return picture;
  const whole = blank(width, height, channels);
  const colours = channels > 2 ? 3 : 1;
  for (const [i, level] of data.entries()) whole.data.fill(level, i * channels, i * channels + colours);
  return whole;
}

/**
 * A picture with a text above each column and beside each row, and lines below, on paper.
 * @param {Picture} picture @param {number} side pixels from a column to the next, and from a row
 * @param {string[]} above @param {string[]} [beside] @param {string[]} [below] @returns {Picture}
 */
function labelled(picture, side, above, beside = [], below = []) {
  const { width, height, channels } = picture;
  const size = Math.max(SMALL, Math.min(Math.floor(side / 8), LARGE));
  const [left, top] = [beside.length ? 2 * size : 0, above.length ? 2 * size : 0];
  const whole = blank(left + width, top + height + 2 * size * below.length, channels);
  put(whole, picture, left, top);
  /** @param {string} text @param {number} width @param {number} x @param {number} y */
  const write = (text, width, x, y) => put(whole, inChannels(line(text, width, size), channels), x, y);
  for (const [i, text] of above.entries()) write(text, Math.min(side, width - i * side), left + i * side, 0);
  for (const [i, text] of beside.entries())
    write(text, size, Math.floor(size / 2), Math.max(0, top + Math.floor((i + 0.5) * side) - size));
  for (const [i, text] of below.entries()) write(text, width, left, top + height + 2 * i * size);
  return whole;
}

/** Moments from noise to x_0, a row for each image of each lane. @param {Moment[]} moments @param {string[]} names of two lanes, with their letters */
export function strip(moments, names) {
  const lanes = [...moments[0].lanes];
  const rows = lanes[0][1].flatMap((_, n) => lanes.map(([lane]) => ({ n, lane })));
  const tiles = rows.flatMap(({ n, lane }) => moments.map((one) => one.lanes.get(lane)?.[n] ?? lanes[0][1][n]));
  const scale = Math.ceil(SLIDE / (moments.length * tiles[0].width));
  const larger = tiles.map((tile) => scaled(tile, scale));
  const whole = grid(larger, moments.length);
  const [{ width }] = larger;
  const side = moments.length > 1 ? (whole.width - width) / (moments.length - 1) : width;
  const beside = names.length ? rows.map(({ lane }) => "AB"[lane]) : [];
  const above = moments.map(({ t }) => `t = ${t}`);
  return labelled(whole, side, above, beside, names);
}

/**
 * How many times larger the pictures of an animation are shown. A GIF is to be sent, and so has about 1 MB.
 * @param {string} kind @param {{ width: number, height: number }} picture @param {number} count of pictures
 */
export function enlargement(kind, { width, height }, count) {
  if (kind !== "gif") return Math.ceil(SLIDE / width);
  const light = Math.max(Math.ceil(LEAST / width), Math.floor(WEIGHT / (width * height * count)));
  return Math.max(1, Math.min(Math.floor(MOST / width), light));
}

/** A frame for each moment, the lanes side by side. @param {Moment[]} moments @param {string[]} titles of the lanes @param {string} kind */
export function* film(moments, titles, kind) {
  for (const { said, lanes } of moments) {
    const grids = [...lanes].map(([lane, pictures]) => {
      return { lane, picture: grid(pictures, Math.ceil(Math.sqrt(pictures.length))) };
    });
    const width = grids.reduce((sum, { picture }) => sum + picture.width, 0);
    const scale = enlargement(kind, { width, height: grids[0].picture.height }, moments.length);
    const parts = grids.map(({ lane, picture }) => {
      const larger = scaled(opaque(picture), scale);
      return labelled(larger, larger.width, [`${titles[lane]} · ${said}`]);
    });
    yield grid(parts, Math.ceil(Math.sqrt(parts.length)), APART, 255);
  }
}
