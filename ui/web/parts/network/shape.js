// Places the blocks of a U-Net in a diagram: the way down on the left, the way up on the right. x_t and x̂_0 are in the
// top row, and each level of the network is one row lower.

/** @import { NetworkBlock } from "../../messages/protocol.d.ts" */
/** The place of a square tile, in pixels: x of its middle, y of its top edge, and its side. @typedef {{ x: number, y: number, side: number }} Place */
/** An arrow from a tile to the next tile of the computation. line, tip: SVG paths. @typedef {{ from: string, to: string, line: string, tip: string }} Way */
/** The layout of a U-shaped diagram. ways: arrows in the order of the computation. skips: horizontal lines from the way down to the way up, at height y. @typedef {{ places: Record<string, Place>, order: string[], ways: Way[], skips: { name: string, from: string, to: string, y: number }[], height: number }} Shape */

const ROW = 24; // pixels between two rows, for an arrow
const INNER = 120; // pixels between the two tiles of the last level, for their names
const BELOW = 24; // pixels below the last row, for the name of the middle block
const [SMALLEST, LARGEST] = [44, 136]; // limits for the side of a tile, in pixels
const TURN = 8; // radius of an arrow's corner, in pixels
const NEAR = 6; // pixels between a tile and an arrow
const TIP = 6; // length of an arrow's tip, in pixels
const LINE = 0.72; // where a skip line leaves its tile, as a fraction of the tile's height from the top: below the names

/**
 * Place the blocks of a network.
 * @param {NetworkBlock[]} blocks in the order of the computation @param {number} width of the drawing in pixels
 * @param {number} high the approximate limit of the height in pixels
 * @returns {Shape}
 */
export function shape(blocks, width, high) {
  const downs = blocks.filter(({ name }) => name.startsWith("down")).length;
  const hasMiddle = blocks.some(({ name }) => name === "middle");
  const rows = 1 + downs + Number(hasMiddle);
  const fits = Math.min((high - BELOW) / rows - ROW, width / 4.2);
  const side = 2 * Math.round(Math.max(SMALLEST, Math.min(LARGEST, fits)) / 2);
  const pitch = side + ROW;
  const indent = downs > 1 ? Math.min(side * 0.7, (width / 2 - side - INNER / 2) / (downs - 1)) : 0;
  /** @type {Record<string, Place>} */
  const places = { x: { x: side / 2, y: 0, side }, x0: { x: width - side / 2, y: 0, side } };
  /** @type {Shape["skips"]} */
  const skips = [];
  for (let level = 0; level < downs; level++) {
    const x = Math.round(side / 2 + indent * level);
    const y = (level + 1) * pitch;
    const [from, to] = [`down ${level + 1}`, `up ${downs - level}`];
    places[from] = { x, y, side };
    places[to] = { x: width - x, y, side };
    const name = `skips ${blocks.find(({ name }) => name === from)?.shape[2]}`;
    if (!skips.some((one) => one.name === name)) skips.push({ name, from, to, y: y + side * LINE });
  }
  if (hasMiddle) places.middle = { x: width / 2, y: (downs + 1) * pitch, side };
  const order = ["x", ...blocks.map(({ name }) => name), "x0"];
  const ways = order.slice(1).map((to, i) => ({ from: order[i], to, ...arrow(places[order[i]], places[to]) }));
  return { places, order, ways, skips, height: rows * pitch - ROW + BELOW };
}

/** Return the SVG paths of an arrow between two tiles. @param {Place} from @param {Place} to @returns {{ line: string, tip: string }} */
function arrow(from, to) {
  const { side } = from;
  const [half, right, down] = [side / 2, Math.sign(to.x - from.x), to.y > from.y];
  const [top, bottom] = [to.y - NEAR, to.y + side + NEAR]; // the heights at which an arrow reaches the tile from above and from below
  const leaves = down ? from.y + side + NEAR : from.y - NEAR;
  const overlap = Math.abs(to.x - from.x) < side - 2 * TURN;
  if (overlap) {
    const x = (from.x + to.x) / 2;
    return {
      line: `M${x},${leaves}V${down ? top - TIP : bottom + TIP}`,
      tip: down ? tipPath(x, top, 1) : tipPath(x, bottom, -1),
    };
  }
  if (from.y === to.y) {
    const below = from.y + side + NEAR;
    return { line: `M${from.x},${below}v${2 * TURN}H${to.x}V${below + TIP}`, tip: tipPath(to.x, below, -1) };
  }
  // The arrow turns beside the lower tile, at half the tile's height.
  const y = Math.max(from.y, to.y) + half;
  const turn = right * TURN;
  if (down) {
    const x = to.x - right * (half + NEAR);
    const tip = `M${x},${y}l${-right * TIP},-4v8z`;
    return { line: `M${from.x},${leaves}V${y - TURN}q0,${TURN} ${turn},${TURN}H${x - right * TIP}`, tip };
  }
  const line = `M${from.x + right * (half + NEAR)},${y}H${to.x - turn}q${turn},0 ${turn},${-TURN}V${bottom + TIP}`;
  return { line, tip: tipPath(to.x, bottom, -1) };
}

/** Return the SVG path of a tip that points down (sign 1) or up (sign −1). @param {number} x @param {number} y @param {number} sign */
const tipPath = (x, y, sign) => `M${x},${y}l-4,${-sign * TIP}h8z`;
