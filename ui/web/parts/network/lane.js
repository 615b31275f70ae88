// Draws one run (a lane) as a U-shaped diagram. Each block is a tile with the block's picture at a step, and lines
// connect the tiles.
import { context2d } from "../../drawing/canvas.js";
import { button, el, find, svg } from "../../drawing/dom.js";
import { ARROWS } from "../../drawing/hands.js";
import { drawable } from "../../pictures/sprite.js";
import { indexed } from "../../words/symbols.js";
import { blockOf, drawMaps } from "./attention.js";
import { shape } from "./shape.js";
import { MARK, WORDS } from "./words.js";

/** @import { InsideFrame, NetworkBlock } from "../../messages/protocol.d.ts" */

/** @import { Drawable } from "../../pictures/sprite.js" */
/** @typedef {{ canvas: HTMLCanvasElement, name: HTMLElement, tile: HTMLElement }} Tile */
/** What the tiles show: the estimates of readers (linear probes), the numbers as colours, or the places to which the marked place attends. @typedef {"read" | "colours" | "where"} View */

const WIDE = 480; // smallest width of a diagram whose labels show more than names, in pixels
const LONG = 140; // smallest length of a skip line whose button shows the whole name, in pixels
const STEP = 0.12; // the fraction of the picture by which an arrow key moves the mark: whole per cent, as the form keeps places in per cent

/** The pictures that each canvas shows or waits for. @type {WeakMap<HTMLCanvasElement, object>} */
const newest = new WeakMap();

/** Draw pictures on a canvas of their size, unless the canvas gets other pictures while these load. @param {HTMLCanvasElement} canvas @param {Promise<Drawable>} pictures */
export async function paint(canvas, pictures) {
  newest.set(canvas, pictures);
  const picture = await pictures;
  if (newest.get(canvas) !== pictures) return;
  canvas.width = picture.width;
  canvas.height = picture.height;
  context2d(canvas).drawImage(picture, 0, 0);
}

/** The U-shaped diagram of one run. */
export class Lane {
  /** @type {Record<string, Tile>} */
  #tiles = {};
  #wide = false; // whether labels have room for more than names
  /** @type {[number, number] | null} */
  #place = null;

  /** @param {(block: string) => void} choose is called with the name of a pressed block @param {(down: number, right: number) => void} mark is called with a marked place, from 0 to below 1 */
  constructor(choose, mark) {
    this.choose = choose;
    this.mark = mark;
    this.root = el("div", { class: "u" });
  }

  /**
   * Make the tiles and lines. off: the parts that are switched off. chip: makes the button on a skip line; null for no
   * buttons.
   * @param {{ blocks: NetworkBlock[], asked: string }} plan @param {{ width: number, high: number }} size
   * @param {Set<string>} off @param {string} grafted the block that comes from another run; "" for none @param {((skip: string, short: boolean) => Node) | null} chip
   */
  build({ blocks, asked }, { width, high }, off, grafted, chip) {
    const { places, order, ways, skips, height } = shape(blocks, width, high);
    const lines = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (const { name, from, to, y } of skips) {
      const [start, end] = [places[from].x + places[from].side / 2, places[to].x - places[to].side / 2];
      lines.append(svg("path", { d: `M${start + 4},${y}H${end - 4}`, class: off.has(name) ? "skip off" : "skip" }));
    }
    for (const { from, to, line, tip } of ways) {
      const way = off.has(from) || off.has(to) ? "way off" : "way";
      lines.append(svg("path", { d: line, class: way }), svg("path", { d: tip, class: `${way} tip` }));
    }
    this.#tiles = {};
    const tiles = order.map((name) => {
      const { x, y, side } = places[name];
      const canvas = el("canvas", {
        width: 1,
        height: 1,
        role: "img",
        "aria-label": name === "x" || name === "x0" ? WORDS[name] : WORDS.shows(name),
      });
      canvas.style.width = canvas.style.height = `${side}px`;
      const label = el("span", null);
      const isBlock = name !== "x" && name !== "x0";
      const tile = isBlock
        ? button({ class: "tile", "data-part": name }, () => this.choose(name), canvas, label)
        : this.#makeMarkable(canvas, label, name);
      const at = name === "middle" ? "below" : x < width / 2 ? "left" : "right";
      tile.classList.add(at);
      tile.classList.toggle("dead", off.has(name));
      tile.classList.toggle("grafted", name === grafted);
      tile.append(el("i", { class: "mark" }));
      tile.style.left = `${x - side / 2}px`;
      tile.style.top = `${y}px`;
      this.#tiles[name] = { canvas, name: label, tile };
      return tile;
    });
    const chips = skips.flatMap(({ name, from, to, y }) => {
      if (!chip) return [];
      const short = places[to].x - places[from].x - places[from].side < LONG;
      const at = el("div", { class: "at-skip" }, chip(name, short));
      at.style.top = `${y}px`;
      return [at];
    });
    const into = el("p", { class: "into" }, WORDS.into);
    into.prepend(
      ...(asked ? [el("span", { class: off.has("condition") ? "off" : "" }, asked)] : []),
      el("span", { class: off.has("time") ? "time off" : "time" }),
    );
    into.style.height = `${places.x.side}px`;
    this.#wide = width >= WIDE;
    this.root.style.height = `${height}px`;
    this.root.replaceChildren(lines, ...tiles, ...chips, into);
  }

  /** Make the tile of x_t or x̂_0, in which a place can be marked. @param {HTMLCanvasElement} canvas @param {HTMLElement} label @param {string} name */
  #makeMarkable(canvas, label, name) {
    const tile = button({ class: "tile", "data-part": `mark ${name}` }, () => {}, canvas, label);
    tile.title = MARK;
    tile.addEventListener("click", ({ clientX, clientY, detail }) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      if (detail) this.#markInside((clientY - top) / height, (clientX - left) / width); // `detail` is 0 for a press by the key Enter, which has no position
    });
    tile.addEventListener("keydown", (event) => {
      const by = ARROWS[event.key];
      if (!by || !this.#place) return;
      event.preventDefault();
      event.stopPropagation(); // otherwise the arrow key would also change the step
      const [right, down] = by;
      this.#markInside(this.#place[0] + STEP * down, this.#place[1] + STEP * right);
    });
    return tile;
  }

  /** Mark a place. A place outside the picture is moved to its edge. @param {number} down @param {number} right */
  #markInside(down, right) {
    const inside = (/** @type {number} */ at) => Math.max(0, Math.min(at, 0.99));
    this.mark(inside(down), inside(right));
  }

  /**
   * Draw a step. chosen: the name of the chosen block. shares: R² of each block's reader (linear probe), by the block's
   * name; null to show none. whole: whether the network has no changes in this step.
   * @param {InsideFrame} frame @param {NetworkBlock[]} blocks @param {View} view @param {string} chosen
   * @param {Record<string, number> | null} shares @param {[number, number] | null} place @param {boolean} whole
   */
  render(frame, blocks, view, chosen, shares, place, whole) {
    const where = view === "where";
    this.#place = place;
    this.root.classList.toggle("whole", whole);
    this.root.classList.toggle("marked", where && Boolean(place));
    if (place) this.root.style.setProperty("--down", `${100 * place[0]}%`);
    if (place) this.root.style.setProperty("--right", `${100 * place[1]}%`);
    find(this.root, ".time").textContent = `t = ${frame.t}`;
    const symbols = { x: ["x", "t"], x0: ["x̂", "0"] };
    for (const [name, [letter, index]] of Object.entries(symbols)) {
      const { canvas, name: label, tile } = this.#tiles[name];
      paint(canvas, drawable(frame[/** @type {"x" | "x0"} */ (name)]));
      if (tile instanceof HTMLButtonElement) tile.disabled = !where;
      if (!label.childElementCount) label.replaceChildren(indexed(letter, index));
    }
    for (const [i, { name, shape }] of blocks.entries()) {
      const { canvas, name: label, tile } = this.#tiles[name];
      const looks = (frame.looks ?? []).filter(({ layer }) => blockOf(layer) === name).map(({ maps }) => maps);
      const pictures = where ? null : frame[view]?.[i];
      if (where) paint(canvas, drawMaps(frame.x0, looks));
      else if (pictures) paint(canvas, drawable(pictures));
      tile.classList.toggle("blind", where && !looks.length);
      const donated = tile.classList.contains("grafted") && !whole ? WORDS.donated : "";
      const share = view === "read" && shares ? `${Math.round(100 * Math.max(0, shares[name]))} %` : "";
      const size = view === "colours" && this.#wide ? `${shape[0]} × ${shape[1]}²` : "";
      find(tile, ".mark").textContent = where && !looks.length ? WORDS.blind : "";
      label.replaceChildren(name, el("small", null, donated || share || size));
      tile.setAttribute("aria-pressed", String(name === chosen));
    }
  }
}
