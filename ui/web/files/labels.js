// Draws pictures with labels on white: film strips, and the frames of an animation. A lane is one of the runs that are
// shown together.

import { checkPixels, lines } from "../drawing/canvas.js";
import { blank, grid, opaque, put, scaled } from "../pictures/compose.js";

/** @import { Picture } from "../pictures/resize.js" */
/** @import { Moment } from "./record.js" */

const SLIDE = 1000; // pixels: least width of a WebP or a film strip; fills half of a slide
const [LEAST, MOST] = [300, 600]; // pixels: least and largest width of a GIF
const WEIGHT = 560_000; // limit for a GIF: pixels of all pictures × enlargement. This product is about the file's size in bytes.
const APART = 8; // pixels between the lanes of an animation
const [SMALL, LARGE] = [14, 28]; // pixels: least and largest size of letters
const INK = "#202020";
const TITLE = 3; // most lines of a title above a picture

/** A cache of drawn lines of text, because many frames have the same lines. @type {Map<string, Picture>} */
const drawn = new Map();
const DRAWN = 64; // most lines of text in the cache

/** Return a canvas context for text. @param {number} size of the letters, pixels @param {number} [width] @param {number} [height] */
function writing(size, width = 1, height = 1) {
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.font = `${size}px system-ui, sans-serif`;
  return context;
}

/**
 * Return the size in pixels of the letters beside pictures.
 * @param {number} side distance in pixels between the left edges of two columns
 */
const sizeFor = (side) => Math.max(SMALL, Math.min(Math.floor(side / 8), LARGE));

/**
 * Return a white picture with a line of text. Its height is twice the size of the letters.
 * @param {string} text @param {number} width pixels @param {number} size of the letters, pixels @returns {Picture}
 */
function line(text, width, size) {
  const name = `${width} ${size} ${text}`;
  const known = drawn.get(name);
  if (known) return known;
  checkPixels();
  const height = 2 * size;
  const context = writing(size, width, height);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.fillStyle = INK;
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

/** Convert a grey picture to more channels. @param {Picture} picture of one channel @param {number} channels @returns {Picture} */
function inChannels(picture, channels) {
  const { width, height, data } = picture;
  if (channels === 1) return picture;
  const whole = blank(width, height, channels);
  const colours = channels > 2 ? 3 : 1;
  for (const [i, level] of data.entries()) whole.data.fill(level, i * channels, i * channels + colours);
  return whole;
}

/**
 * Return a picture on white, with lines of text above each column, a text at the left of each row, and lines below.
 * @param {Picture} picture @param {number} side pixels from a column to the next, and from a row to the next
 * @param {string[][]} above for each column its lines of text; every column has equally many @param {string[]} [beside]
 * texts of the rows
 * @param {string[]} [below] lines @param {number} [size] of the letters, pixels @returns {Picture}
 */
function labelled(picture, side, above, beside = [], below = [], size = sizeFor(side)) {
  const { width, height, channels } = picture;
  const [left, top] = [beside.length ? 2 * size : 0, 2 * size * above[0].length];
  const whole = blank(left + width, top + height + 2 * size * below.length, channels);
  put(whole, picture, left, top);
  /** @param {string} text @param {number} width @param {number} x @param {number} y */
  const write = (text, width, x, y) => put(whole, inChannels(line(text, width, size), channels), x, y);
  for (const [i, lines] of above.entries())
    for (const [n, text] of lines.entries())
      write(text, Math.min(side, width - i * side), left + i * side, 2 * n * size);
  for (const [i, text] of beside.entries())
    write(text, size, Math.floor(size / 2), Math.max(0, top + Math.floor((i + 0.5) * side) - size));
  for (const [i, text] of below.entries()) write(text, width, left, top + height + 2 * i * size);
  return whole;
}

/**
 * Return a film strip from noise to x_0, with a row for each image of each lane.
 * @param {Moment[]} moments @param {string[]} names of the lanes, if there are two; else []
 */
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
  const above = moments.map(({ t }) => [`t = ${t}`]);
  const context = writing(sizeFor(side));
  const below = names.flatMap((name) => lines(context, name, whole.width));
  return labelled(whole, side, above, beside, below);
}

/**
 * Return the factor by which the pictures of an animation are enlarged. A GIF stays near 1 MB, because people send GIFs.
 * @param {string} kind "gif" or "webp" @param {{ width: number, height: number }} picture @param {number} count of pictures
 */
export function enlargement(kind, { width, height }, count) {
  if (kind !== "gif") return Math.ceil(SLIDE / width);
  const light = Math.max(Math.ceil(LEAST / width), Math.floor(WEIGHT / (width * height * count)));
  return Math.max(1, Math.min(Math.floor(MOST / width), light));
}

/**
 * Return the lines above each lane at each moment, and the size of the letters. If every title fits in one line with
 * the step, title and step share a line; else the step has a line below the title.
 * @param {string[]} titles @param {string[]} steps the text of each moment's step @param {number} side width of a lane in pixels
 * @returns {{ size: number, above: (step: string) => string[][] }}
 */
function headed(titles, steps, side) {
  const inLine = (/** @type {string} */ step) => titles.map((title) => `${title} · ${step}`);
  const all = steps.flatMap(inLine);
  for (let size = sizeFor(side); size >= SMALL; size--) {
    const context = writing(size);
    if (all.every((text) => context.measureText(text).width <= side))
      return { size, above: (step) => inLine(step).map((text) => [text]) };
  }
  const context = writing(SMALL);
  const parted = titles.map((title) => {
    const all = lines(context, title, side);
    const kept = all.slice(0, TITLE);
    return all.length > TITLE ? kept.with(-1, kept[TITLE - 1].replace(/\S+\s*$/, "…")) : kept;
  });
  const most = Math.max(...parted.map(({ length }) => length));
  const above = (/** @type {string} */ step) =>
    parted.map((kept) => [...kept, step, ...new Array(most - kept.length).fill("")]);
  return { size: SMALL, above };
}

/** Yield the frame of each moment of an animation, with the lanes side by side. @param {Moment[]} moments @param {string[]} titles of the lanes @param {string} kind "gif" or "webp" */
export function* film(moments, titles, kind) {
  const grids = (/** @type {Moment} */ { lanes }) =>
    [...lanes.values()].map((pictures) => grid(pictures, Math.ceil(Math.sqrt(pictures.length))));
  const first = grids(moments[0]);
  const [{ width, height }] = first;
  const scale = enlargement(kind, { width: first.length * width, height }, moments.length);
  const called = [...moments[0].lanes.keys()].map((lane) => titles[lane]);
  const { size, above } = headed(
    called,
    moments.map(({ said }) => said),
    scale * width,
  );
  for (const moment of moments) {
    const heads = above(moment.said);
    const parts = grids(moment).map((picture, n) => {
      const larger = scaled(opaque(picture), scale);
      return labelled(larger, larger.width, [heads[n]], [], [], size);
    });
    yield grid(parts, Math.ceil(Math.sqrt(parts.length)), APART, 255);
  }
}
