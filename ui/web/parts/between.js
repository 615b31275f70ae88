// Between words: a square of pictures between four texts, and a finger that moves through it.
import { ARROWS, context2d, el, onDrag, write } from "../drawing/dom.js";
import { NOISE, soon } from "../drawing/motion.js";
import { drawable } from "../pictures/sprite.js";
import { Panel } from "../run/panel.js";
import { WORDS } from "../words/between.js";
import { unknown } from "../words/captions.js";
import { SHARE } from "../words/page.js";
import { Sketches } from "./between/sketches.js";

/** @import { Page, Part } from "../app.js" */
/** @import { CellPictures } from "../messages/protocol.d.ts" */

/**
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {number} side pictures
 * @property {number} size of one, in pixels
 * @property {string[]} corners top left, top right, bottom left, bottom right
 * @property {string[]} unknown words that are new to the model
 */
/** @typedef {{ image: ImageBitmap | null, at: number }} Tile a picture, and where it stands in its row */
/** of: the values that it is of. @typedef {{ plan: Plan, of: string, tiles: Map<number, Tile> }} Board the pictures of a run, or sketches */

const FRAMES = 60; // of a film of a walk, at most
const STEP = 0.25; // of a cell, by an arrow key

/** The shares of the four corners at a place of the square, 0 to 1. @param {number} x @param {number} y */
export const shares = (x, y) => [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];

/**
 * The cells around a place and their shares, of the finest lattice whose four cells are there; [] where there is none.
 * @param {number} x in cells @param {number} y @param {number} side @param {(cell: number) => boolean} has
 * @returns {[cell: number, share: number][]}
 */
export function around(x, y, side, has) {
  for (let stride = 1; stride < side; stride++) {
    if ((side - 1) % stride) continue;
    const [left, top] = [x, y].map((at) => Math.min(stride * Math.floor(at / stride), side - 1 - stride));
    const cells = [0, stride, stride * side, stride * (side + 1)].map((more) => side * top + left + more);
    if (cells.every(has)) {
      const part = shares((x - left) / stride, (y - top) / stride);
      return cells.map((cell, i) => [cell, part[i]]);
    }
  }
  return [];
}

/** Its element has data-cells and data-sketches: how many pictures are there, and how many sketches. @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  /** Of the newest run. @type {Board | null} */
  let whole = null;
  /** @type {Board | null} */
  let sketched = null;
  let covered = false; // the run's pictures, by sketches of other words
  let [x, y] = [0, 0]; // of the finger, 0 to 1
  /** Where it has been since it was put down. @type {[x: number, y: number][]} */
  let walk = [];
  const lead = el("p", { class: "lead" }, WORDS.lead);
  const picture = el("canvas", { class: "between-picture", role: "img" });
  const board = el("canvas", { tabindex: 0, role: "application" });
  const finger = el("i", { class: "finger" });
  const names = ["nw", "ne", "sw", "se"].map((where) => el("span", { class: where }));
  const caption = el("p", { class: "caption", "aria-live": "polite" });
  const warning = el("p", { class: "warning" });
  const still = el("p", { class: "still", role: "status" });
  const square = el("div", { class: "corners" }, ...names, el("div", { class: "pictures" }, board, finger));
  const box = el("div", { class: "between" }, square, el("figure", null, picture, caption));

  /** @type {Panel<Plan | CellPictures>} */
  const panel = new Panel(page, part, {
    take(result) {
      if (result.kind === "plan") begin(result);
      else if (whole) show(whole, result);
    },
    renew: () => sketches.cancel(),
    describe: () => sketches.describe(),
    render() {
      panel.element.dataset.cells = String(count());
      panel.element.dataset.sketches = String(sketched?.tiles.size ?? 0);
    },
  });
  /** Of sketches that have no picture yet. @type {Board | null} */
  let coming = null;
  const sketches = new Sketches(page, panel, (/** @type {Plan | CellPictures | null} */ result) => {
    if (result?.kind === "plan") coming = { plan: result, of: valuesOf(panel.form.pinned), tiles: new Map() };
    if (result?.kind === "cells" && coming && sketched !== coming) [sketched, covered] = [coming, true];
    if (!result) [sketched, covered] = [null, false];
    if (result?.kind !== "plan") build();
    if (result?.kind === "cells" && sketched) show(sketched, result);
  });
  const valuesOf = (/** @type {Record<string, unknown>} */ values) => JSON.stringify(page.whole(part, values));

  /** A run begins: sketches of its words stay until its pictures are there. @param {Plan} plan */
  function begin(plan) {
    whole = { plan, of: valuesOf(panel.ran), tiles: new Map() };
    if (sketched?.of !== whole.of) sketched = null;
    covered = false;
    build();
  }

  /** How many pictures of the run are there. */
  const count = () => (covered ? 0 : (whole?.tiles.size ?? 0));
  /** What is shown: the run's pictures, and where there are none yet, sketches. @returns {Board[]} */
  const boards = () => (covered ? [sketched] : [whole, sketched]).flatMap((board) => board ?? []);
  const planOf = () => boards()[0]?.plan;

  /** @param {Board} board @param {CellPictures} result */
  async function show(board, { cells, x }) {
    const found = cells.map((cell, at) => /** @type {[number, Tile]} */ ([cell, { image: null, at }]));
    for (const [cell, tile] of found) board.tiles.set(cell, tile);
    const image = await drawable(x);
    for (const [, tile] of found) tile.image = image;
    drawSoon();
  }

  /** Other pictures are shown. */
  function build() {
    const plan = planOf();
    if (!plan) return;
    for (const [i, name] of names.entries()) name.textContent = plan.corners[i];
    const [side, { width }] = [plan.side * plan.size, board];
    if (width !== side) board.width = board.height = side;
    if (picture.width !== plan.size) picture.width = picture.height = plan.size;
    write(warning, unknown(plan.unknown));
    draw();
  }

  /** The picture of a cell, of the first of some boards that has it. @param {number} cell @param {Board[]} all */
  const tileOf = (cell, all) => all.flatMap(({ tiles }) => tiles.get(cell) ?? []).find(({ image }) => image);

  /** What lies at a place, on a canvas: the four nearest pictures, each with its share. @param {number} right @param {number} down @param {HTMLCanvasElement} canvas @param {Board[]} all whose pictures */
  function blend(right, down, canvas, all) {
    const plan = planOf();
    if (!plan) return;
    const { side, size } = plan;
    const context = context2d(canvas);
    context.globalCompositeOperation = "lighter";
    context.clearRect(0, 0, canvas.width, canvas.height);
    const last = side - 1;
    for (const [cell, share] of around(right * last, down * last, side, (cell) => Boolean(tileOf(cell, all)))) {
      context.globalAlpha = share;
      const { image, at } = /** @type {Tile} */ (tileOf(cell, all));
      if (image) context.drawImage(image, at * size, 0, size, size, 0, 0, canvas.width, canvas.height);
    }
  }

  function draw() {
    const plan = planOf();
    if (!plan) return;
    const { side, size } = plan;
    const context = context2d(board);
    context.clearRect(0, 0, board.width, board.height);
    const all = boards();
    for (let cell = 0; cell < side * side; cell++) {
      const [column, row] = [cell % side, Math.floor(cell / side)];
      const { image = null, at = 0 } = tileOf(cell, all) ?? {};
      if (image) context.drawImage(image, at * size, 0, size, size, column * size, row * size, size, size);
    }
    write(still, sketched && !covered && count() < side * side ? WORDS.still : "");
    look();
  }

  const drawSoon = soon(draw, NOISE);

  function look() {
    const plan = planOf();
    if (!plan) return;
    blend(x, y, picture, boards());
    finger.style.left = `${100 * ((x * (plan.side - 1) + 0.5) / plan.side)}%`;
    finger.style.top = `${100 * ((y * (plan.side - 1) + 0.5) / plan.side)}%`;
    const named = shares(x, y).map((share, i) => /** @type {[number, string]} */ ([share, plan.corners[i]]));
    const words = named.filter(([share]) => share >= 0.005).sort(([a], [b]) => b - a);
    caption.textContent = words.map(([share, name]) => `${Math.round(100 * share)} % ${name}`).join(", ");
    picture.ariaLabel = WORDS.picture(caption.textContent);
  }

  /** @param {number} right @param {number} down @param {boolean} first */
  function move(right, down, first) {
    const plan = planOf();
    if (!plan) return;
    const { side } = plan;
    [x, y] = [right, down].map((at) => Math.min(1, Math.max(0, (at * side - 0.5) / (side - 1))));
    if (first) walk = [];
    walk.push([x, y]);
    look();
  }
  onDrag(board, move);
  board.ariaLabel = WORDS.square;
  board.addEventListener("keydown", (event) => {
    const [by, plan] = [ARROWS[event.key], planOf()];
    if (!by || !plan) return;
    event.preventDefault();
    event.stopPropagation();
    const last = plan.side - 1;
    [x, y] = [x + (by[0] * STEP) / last, y + (by[1] * STEP) / last].map((at) => Math.min(1, Math.max(0, at)));
    walk.push([x, y]);
    look();
  });

  /** A film of the last walk, or of one around the square where nobody has walked. @param {(text: string) => void} say */
  async function film(say) {
    const [{ ANIMATED }, { enlargement }, { scaled }, { give, pauses }] = await Promise.all([
      import("../files/animations.js"),
      import("../files/labels.js"),
      import("../pictures/compose.js"),
      import("../run/saving.js"),
    ]);
    const places = walk.length > 1 ? walk : AROUND;
    const every = Math.max(1, places.length / FRAMES);
    const count = Math.ceil(places.length / every);
    const shots = Array.from({ length: count }, (_, i) => {
      const [right, down] = places[Math.floor(i * every)];
      blend(right, down, picture, whole ? [whole] : []);
      const { width, height } = picture;
      const { data } = context2d(picture).getImageData(0, 0, width, height);
      const rgb = new Uint8Array(3 * width * height);
      for (let at = 0; at < width * height; at++) rgb.set(data.subarray(4 * at, 4 * at + 3), 3 * at);
      return scaled({ width, height, channels: 3, data: rgb }, enlargement("gif", picture, count));
    });
    look();
    return give("between-words.gif", await ANIMATED.gif(shots, count, JSON.stringify(panel.ran), pauses(say)));
  }

  panel.stage.append(lead, warning, panel.origin, box, still);
  const made = panel.mounted(["png"], () => count() === (whole?.plan.side ?? 0) ** 2 && count() > 0);
  const walked = { title: WORDS.film, save: film, disabled: "" };
  return {
    ...made,
    items: () => [...(made.items?.() ?? []), { ...walked, disabled: count() > 3 ? "" : SHARE.first }],
  };
}

/** A walk along the sides of the square. @type {[x: number, y: number][]} */
const AROUND = Array.from({ length: FRAMES }, (_, i) => {
  const at = (4 * i) / FRAMES;
  const along = at % 1;
  return /** @type {[number, number][]} */ ([
    [along, 0],
    [1, along],
    [1 - along, 1],
    [0, 1 - along],
  ])[Math.floor(at)];
});
