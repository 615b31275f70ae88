// Draws self-attention: how strongly a marked place attends to each part of the picture, as light on the picture.
import { context2d } from "../../drawing/canvas.js";
import { el } from "../../drawing/dom.js";
import { drawable } from "../../pictures/sprite.js";

/** @import { Drawable, Sprite } from "../../pictures/sprite.js" */
/** @import { Figures, Look, NetworkBlock } from "../../messages/protocol.d.ts" */

const LIGHT = "rgb(255 150 50)";
const SHADE = "rgb(0 0 0 / 70%)";
// Maps are offered if switching attention off changes the measured quality by at least this much. The keys are units of
// the measurement.
const NEEDED = { right: 0.02, rms: 0.1 };

/** Return whether attention maps are offered: the model has attention, unless a measurement shows that its pictures hardly need it. @param {NetworkBlock[]} blocks @param {Figures | null | undefined} figures */
export function offersPlaces(blocks, figures) {
  const off = figures?.off.attention?.all;
  if (!blocks.some(({ attentions }) => attentions)) return false;
  return !figures || off === undefined || Math.abs(figures.whole - off) >= NEEDED[figures.unit];
}

/** Return the name of the block that contains a layer. @param {string} layer the layer's name in diffusers, such as down_blocks.2.attentions.0 */
export function blockOf(layer) {
  const [, side, number] = layer.match(/^(down|mid|up)_blocks?(?:\.(\d+))?/) ?? [];
  return side === "mid" ? "middle" : `${side} ${Number(number) + 1}`;
}

/**
 * Draw a picture in a square of a canvas, lit by the mean of attention maps.
 * @param {CanvasRenderingContext2D} context @param {Drawable} picture
 * @param {Drawable[]} maps each map has its heads side by side
 * @param {{ x: number, y: number, side: number }} square
 */
function drawLight(context, picture, maps, { x, y, side }) {
  const squares = maps.flatMap((map) => Array.from({ length: map.width / map.height }, (_, head) => ({ map, head })));
  const light = context2d(el("canvas", { width: side, height: side }));
  light.imageSmoothingEnabled = context.imageSmoothingEnabled = false;
  light.globalCompositeOperation = "lighter";
  light.globalAlpha = 1 / squares.length;
  for (const { map, head } of squares) {
    const { height } = map;
    light.drawImage(map, head * height, 0, height, height, 0, 0, side, side);
  }
  light.globalCompositeOperation = "multiply";
  light.globalAlpha = 1;
  light.fillStyle = LIGHT;
  light.fillRect(0, 0, side, side);
  context.drawImage(picture, x, y, side, side);
  context.fillStyle = SHADE;
  context.fillRect(x, y, side, side);
  context.globalCompositeOperation = "lighter";
  context.drawImage(light.canvas, x, y);
  context.globalCompositeOperation = "source-over";
}

/** Return a canvas with a picture, lit by the mean of all attention maps of a block. @param {Sprite} picture @param {Sprite[]} maps @returns {Promise<HTMLCanvasElement>} */
export async function drawMaps(picture, maps) {
  const [under, ...found] = await Promise.all([picture, ...maps].map(drawable));
  const context = context2d(el("canvas", { width: under.width, height: under.height }));
  if (found.length) drawLight(context, under, found, { x: 0, y: 0, side: under.width });
  return context.canvas;
}

/**
 * Return a canvas with the attention maps of a block: a row for each layer, a square for each head.
 * @param {Sprite} picture @param {Look[]} looks @param {number} wide the available width in pixels @returns {Promise<HTMLCanvasElement>}
 */
export async function drawLayers(picture, looks, wide) {
  const [under, ...found] = await Promise.all([picture, ...looks.map(({ maps }) => maps)].map(drawable));
  const heads = Math.max(...found.map(({ width, height }) => width / height));
  const side =
    under.width * Math.max(1, Math.min(Math.ceil(128 / under.width), Math.floor(wide / heads / under.width)));
  const context = context2d(el("canvas", { width: heads * (side + 4) - 4, height: found.length * (side + 4) - 4 }));
  for (const [row, map] of found.entries())
    for (let head = 0; head < map.width / map.height; head++) {
      const one = context2d(el("canvas", { width: map.height, height: map.height }));
      one.drawImage(map, -head * map.height, 0);
      drawLight(context, under, [one.canvas], { x: head * (side + 4), y: row * (side + 4), side });
    }
  return context.canvas;
}
