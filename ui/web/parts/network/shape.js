// Where the blocks of a U-Net stand: down on the left, up on the right, each level a row.

/** @import { Block } from "../../shared/run/protocol.js" */
/** A tile: the middle of its top edge, and its side. @typedef {{ x: number, y: number, side: number }} Place */
/** lines: from tile to tile, in the order of the computation. skips: from the way down to the way up, at what height. @typedef {{ places: Record<string, Place>, order: string[], skips: { name: string, from: string, to: string }[], height: number, narrow: boolean }} Shape */

const NARROW = 620; // pixels: x_t and x̂_0 stand above the U
const NAME = { wide: 22, narrow: 38 }; // pixels: a name below a tile, in two lines where it is narrow
const [SMALLEST, LARGEST] = [44, 124]; // sides of a tile

/**
 * @param {Block[]} blocks in the order of the computation @param {number} width of the drawing
 * @param {number} high about how high it may be
 * @returns {Shape}
 */
export function shape(blocks, width, high) {
  const downs = blocks.filter(({ name }) => name.startsWith("down")).length;
  const hasMiddle = blocks.some(({ name }) => name === "middle");
  const narrow = width < NARROW;
  const rows = downs + Number(hasMiddle) + Number(narrow);
  const name = narrow ? NAME.narrow : NAME.wide;
  const fits = narrow ? width / 4.6 : Math.min(high / rows - name - 12, width / (2 * downs + 2.2));
  const side = Math.round(Math.max(SMALLEST, Math.min(LARGEST, fits)));
  const pitch = side + name + (narrow ? 4 : 12);
  const top = narrow ? pitch : 0;
  const outer = narrow ? side / 2 : side * 1.5 + width * 0.035;
  const inner = width / 2 - side / 2 - (narrow ? 34 : 66);
  /** @type {Record<string, Place>} */
  const places = {
    x: { x: side / 2, y: 0, side },
    x0: { x: width - side / 2, y: 0, side },
  };
  /** @type {Shape["skips"]} */
  const skips = [];
  for (let level = 0; level < downs; level++) {
    const x = downs > 1 ? outer + ((inner - outer) * level) / (downs - 1) : (outer + inner) / 2;
    const y = top + level * pitch;
    const [from, to] = [`down ${level + 1}`, `up ${downs - level}`];
    places[from] = { x, y, side };
    places[to] = { x: width - x, y, side };
    const columns = blocks.find(({ name }) => name === from)?.shape[2];
    if (!skips.some(({ name }) => name === `skips ${columns}`)) skips.push({ name: `skips ${columns}`, from, to });
  }
  if (hasMiddle) places.middle = { x: width / 2, y: top + downs * pitch - (narrow ? 0 : 10), side };
  const order = ["x", ...blocks.map(({ name }) => name), "x0"];
  return { places, order, skips, height: top + (downs + Number(hasMiddle)) * pitch, narrow };
}
