// Where the blocks of a U-Net stand: down on the left, up on the right, each level a row below x_t and x̂_0.

/** @import { NetworkBlock } from "../../messages/protocol.d.ts" */
/** A tile: the middle of its top edge, and its side. @typedef {{ x: number, y: number, side: number }} Place */
/** An arrow from a tile to the next one of the computation: paths of its line and of its tip. @typedef {{ from: string, to: string, line: string, tip: string }} Way */
/** ways: in the order of the computation. skips: from the way down to the way up, at what height. @typedef {{ places: Record<string, Place>, order: string[], ways: Way[], skips: { name: string, from: string, to: string, y: number }[], height: number }} Shape */

const ROW = 24; // pixels between two rows, which an arrow crosses
const INNER = 120; // between the two tiles of the last level: room for their names
const BELOW = 24; // the middle's name
const [SMALLEST, LARGEST] = [44, 136]; // sides of a tile
const TURN = 8; // radius of the corner where an arrow turns
const NEAR = 6; // pixels between a tile and an arrow
const TIP = 6; // length of a tip
const LINE = 0.72; // of a tile, from its top: where its skips leave it, below the names

/**
 * @param {NetworkBlock[]} blocks in the order of the computation @param {number} width of the drawing
 * @param {number} high about how high it may be
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

/** An arrow: its line, and its tip. @param {Place} from @param {Place} to @returns {{ line: string, tip: string }} */
function arrow(from, to) {
  const { side } = from;
  const [half, right, down] = [side / 2, Math.sign(to.x - from.x), to.y > from.y];
  const [top, bottom] = [to.y - NEAR, to.y + side + NEAR]; // where an arrow into a tile ends
  const leaves = down ? from.y + side + NEAR : from.y - NEAR;
  const overlap = Math.abs(to.x - from.x) < side - 2 * TURN;
  if (overlap) {
    const x = (from.x + to.x) / 2;
    return {
      line: `M${x},${leaves}V${down ? top - TIP : bottom + TIP}`,
      tip: down ? pointing(x, top, 1) : pointing(x, bottom, -1),
    };
  }
  if (from.y === to.y) {
    const below = from.y + side + NEAR;
    return { line: `M${from.x},${below}v${2 * TURN}H${to.x}V${below + TIP}`, tip: pointing(to.x, below, -1) };
  }
  // It turns beside the lower one, at half its height.
  const y = Math.max(from.y, to.y) + half;
  const turn = right * TURN;
  if (down) {
    const x = to.x - right * (half + NEAR);
    const tip = `M${x},${y}l${-right * TIP},-4v8z`;
    return { line: `M${from.x},${leaves}V${y - TURN}q0,${TURN} ${turn},${TURN}H${x - right * TIP}`, tip };
  }
  const line = `M${from.x + right * (half + NEAR)},${y}H${to.x - turn}q${turn},0 ${turn},${-TURN}V${bottom + TIP}`;
  return { line, tip: pointing(to.x, bottom, -1) };
}

/** A tip that points down (1) or up (−1). @param {number} x @param {number} y @param {number} sign */
const pointing = (x, y, sign) => `M${x},${y}l-4,${-sign * TIP}h8z`;
