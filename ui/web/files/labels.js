// Pictures with text on paper: film strips, and the frames of an animation.

import { blank, grid } from "./pictures.js";

/** @import { Picture } from "./pictures.js" */
/** @import { Moment } from "./record.js" */

const SLIDE = 1000; // pixels: the least width of a film or a strip, so that it fills half of a slide

/** A picture on a canvas. @param {Picture} picture */
export function painted({ width, height, channels, data }) {
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let i = 0; i < image.data.length; i++)
    image.data[i] = i % 4 === 3 ? 255 : data[(i >> 2) * channels + (channels === 1 ? 0 : i % 4)];
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}

/**
 * A picture with a text above each of its columns and beside each of its rows, on paper.
 * @param {Picture} picture @param {number} scale each pixel becomes a square of that many
 * @param {string[]} above @param {string[]} [beside] @param {string[]} [below] lines @returns {Picture}
 */
function labelled(picture, scale, above, beside = [], below = []) {
  const [width, height] = [picture.width * scale, picture.height * scale];
  const size = Math.max(14, Math.min(Math.round(width / above.length / 8), 28));
  const [left, top] = [beside.length ? 2 * size : 0, 2 * size];
  const canvas = new OffscreenCanvas(left + width, top + height + top * below.length);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  const { channels } = picture;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(painted(picture), left, top, width, height);
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

/** Moments from noise to x_0, a row for each image of each lane. @param {Moment[]} moments @param {string[]} names of two lanes, with their letters */
export function strip(moments, names) {
  const lanes = [...moments[0].lanes];
  const rows = lanes[0][1].flatMap((_, n) => lanes.map(([lane]) => ({ n, lane })));
  const tiles = rows.flatMap(({ n, lane }) => moments.map((one) => one.lanes.get(lane)?.[n] ?? lanes[0][1][n]));
  const beside = names.length ? rows.map(({ lane }) => "AB"[lane]) : [];
  const above = moments.map(({ t }) => `t = ${t}`);
  return labelled(
    grid(tiles, moments.length, 0),
    Math.ceil(SLIDE / (moments.length * tiles[0].width)),
    above,
    beside,
    names,
  );
}

/** A frame for each moment, the lanes side by side. @param {Moment[]} moments @param {string[]} titles of the lanes */
export function* film(moments, titles) {
  for (const { t, lanes } of moments) {
    const grids = [...lanes.values()].map((pictures) => grid(pictures, Math.ceil(Math.sqrt(pictures.length))));
    const above = [...lanes.keys()].map((lane) => `${titles[lane]}   t = ${t}`);
    yield enlarged(grid(grids, grids.length, 4), above);
  }
}

/** As wide as half of a slide. @param {Picture} picture @param {string[]} [above] */
export const enlarged = (picture, above = []) => labelled(picture, Math.ceil(SLIDE / picture.width), above);
