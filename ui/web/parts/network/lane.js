// One U: its tiles and lines, and what they show at a step.
import { button, context2d, el, svg } from "../../shared/drawing/dom.js";
import { drawable } from "../../shared/drawing/sprite.js";
import { shape } from "./shape.js";

/** @import { Sprite } from "../../shared/drawing/sprite.js" */
/** @import { Block, Inside } from "../../shared/run/protocol.js" */
/** @import { Shape } from "./shape.js" */

/** @typedef {{ canvas: HTMLCanvasElement, name: HTMLElement, tile: HTMLElement }} Tile */

const NAMES = /** @type {Record<string, string>} */ ({ x: "The picture now", x0: "The guess" });

/** What each canvas is to show. @type {WeakMap<HTMLCanvasElement, Sprite>} */
const newest = new WeakMap();

/** Draw pictures in their own pixels. @param {HTMLCanvasElement} canvas @param {Sprite} sprite */
async function paint(canvas, sprite) {
  newest.set(canvas, sprite);
  const picture = await drawable(sprite);
  if (newest.get(canvas) !== sprite) return;
  canvas.width = picture.width;
  canvas.height = picture.height;
  context2d(canvas).drawImage(picture, 0, 0);
}

export class Lane {
  /** @type {Record<string, Tile>} */
  #tiles = {};
  /** @type {Shape | null} */
  #shape = null;

  /** @param {(block: string) => void} choose */
  constructor(choose) {
    this.choose = choose;
    this.root = el("div", { class: "u" });
  }

  /**
   * Draw it anew. off: what is switched off here. chip: makes the button on a line of skips, null for none.
   * @param {Block[]} blocks @param {number} high @param {Set<string>} off @param {((skip: string) => Node) | null} chip
   */
  build(blocks, high, off, chip) {
    const width = this.root.clientWidth;
    this.#shape = shape(blocks, width, high);
    const { places, order, skips, height, narrow } = this.#shape;
    const lines = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const middle = (/** @type {string} */ name) => {
      const { x, y, side } = places[name];
      return [x, y + side / 2];
    };
    for (const { name, from, to } of skips)
      lines.append(svg("path", { d: `M${middle(from)}L${middle(to)}`, class: off.has(name) ? "skip off" : "skip" }));
    for (const [i, name] of order.entries()) {
      if (!i) continue;
      const dead = off.has(name) || off.has(order[i - 1]);
      lines.append(svg("path", { d: `M${middle(order[i - 1])}L${middle(name)}`, class: dead ? "way off" : "way" }));
    }
    this.#tiles = {};
    const tiles = order.map((name) => {
      const { x, y, side } = places[name];
      const canvas = el("canvas", {
        width: 1,
        height: 1,
        role: "img",
        "aria-label": NAMES[name] ?? `What ${name} shows`,
      });
      canvas.style.width = canvas.style.height = `${side}px`;
      const label = el("span", null);
      const isBlock = name !== "x" && name !== "x0";
      const tile = isBlock
        ? button({ class: off.has(name) ? "tile dead" : "tile" }, () => this.choose(name), canvas, label)
        : el("div", { class: "tile" }, canvas, label);
      tile.style.left = `${x - side / 2}px`;
      tile.style.top = `${y}px`;
      this.#tiles[name] = { canvas, name: label, tile };
      return tile;
    });
    const chips = skips.flatMap(({ name, from }) => {
      if (!chip) return [];
      const at = el("div", { class: "at-skip" }, chip(name));
      at.style.top = `${middle(from)[1]}px`;
      return [at];
    });
    this.root.classList.toggle("narrow", narrow);
    this.root.style.height = `${height}px`;
    this.root.replaceChildren(lines, ...tiles, ...chips);
  }

  /**
   * Show a step. shares: R² of each block, by its name, null where there is none.
   * @param {Inside} frame @param {Block[]} blocks @param {"read" | "colours"} view @param {string} chosen block
   * @param {Record<string, number> | null} shares
   */
  render(frame, blocks, view, chosen, shares) {
    const symbols = { x: ["x", "t"], x0: ["x̂", "0"] };
    for (const [name, [letter, index]] of Object.entries(symbols)) {
      const { canvas, name: label } = this.#tiles[name];
      paint(canvas, frame[/** @type {"x" | "x0"} */ (name)]);
      if (!label.childElementCount) label.replaceChildren(letter, el("sub", null, index));
    }
    for (const [i, { name, shape }] of blocks.entries()) {
      const { canvas, name: label, tile } = this.#tiles[name];
      const pictures = frame[view]?.[i];
      if (pictures) paint(canvas, pictures);
      const share = view === "read" && shares ? `${Math.round(100 * Math.max(0, shares[name]))} %` : "";
      const size = view === "colours" && !this.#shape?.narrow ? `${shape[0]} × ${shape[1]}²` : "";
      label.replaceChildren(name, el("small", null, share || size));
      tile.setAttribute("aria-pressed", String(name === chosen));
    }
  }
}
