// Between words: a square of pictures between four texts, and a finger that moves through it.
import { context2d } from "../../drawing/canvas.js";
import { el, write } from "../../drawing/dom.js";
import { NOISE, soon } from "../../drawing/motion.js";
import { blend, Finger } from "../../drawing/square.js";
import { drawable } from "../../pictures/sprite.js";
import { sharesAt } from "../../process/square.js";
import { Panel } from "../../run/panel.js";
import { unknown } from "../../words/captions.js";
import { SHARE } from "../../words/page.js";
import { mixed } from "../../words/square.js";
import { Sketches } from "./sketches.js";
import { WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { Values } from "../../messages/client.js" */
/** @import { CellPictures } from "../../messages/protocol.d.ts" */

/**
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {number} side pictures
 * @property {number} size of one, in pixels
 * @property {string[]} corners top left, top right, bottom left, bottom right
 * @property {string[]} unknown words that are new to the model
 */
/** @typedef {{ image: ImageBitmap | null, at: number }} Tile a picture, and where it stands in its row */
/** of: the form's values for which it was made. @typedef {{ plan: Plan, of: string, tiles: Map<number, Tile> }} Board the pictures of a run, or sketches */

const FRAMES = 60; // of a film of a walk, at most
const STEP = 0.25; // the part of a cell that one press of an arrow key moves

/** @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Between(page, part).mounted();

/** Its element has data-cells and data-sketches: how many pictures are there, and how many sketches. */
class Between {
  /** The pictures of the newest run. @type {Board | null} */
  #whole = null;
  /** @type {Board | null} */
  #sketched = null;
  /** Sketches that have no picture yet. @type {Board | null} */
  #coming = null;
  #covered = false; // the run's pictures, by sketches of other words
  /** Where the finger has been since it was put down. @type {[right: number, down: number][]} */
  #walk = [];
  #picture = el("canvas", { class: "between-picture", role: "img" });
  #board = el("canvas", { tabindex: 0, role: "application" });
  #finger = new Finger(
    this.#board,
    () => this.#plan?.side ?? 0,
    (first) => this.#walkOn(first),
    STEP,
  );
  #names = ["nw", "ne", "sw", "se"].map((where) => el("span", { class: where }));
  #caption = el("p", { class: "caption", "aria-live": "polite" });
  #warning = el("p", { class: "warning" });
  #still = el("p", { class: "still", role: "status" });
  #drawSoon = soon(() => this.#draw(), NOISE);

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    this.page = page;
    this.part = part;
    /** @type {Panel<Plan | CellPictures>} */
    this.panel = new Panel(page, part, this);
    this.sketches = new Sketches(page, this.panel, (result) => this.#takeSketch(result));
    this.#board.ariaLabel = WORDS.square;
    const pictures = el("div", { class: "pictures" }, this.#board, this.#finger.element);
    const square = el("div", { class: "corners" }, ...this.#names, pictures);
    const box = el("div", { class: "between" }, square, el("figure", null, this.#picture, this.#caption));
    const { origin, stage } = this.panel;
    stage.append(el("p", { class: "lead" }, WORDS.lead), this.#warning, origin, box, this.#still);
  }

  mounted() {
    const made = this.panel.mounted(
      ["png"],
      () => this.#count > 0 && this.#count === (this.#whole?.plan.side ?? 0) ** 2,
    );
    const film = { title: WORDS.film, save: (/** @type {(text: string) => void} */ say) => this.#film(say) };
    const items = () => [...(made.items?.() ?? []), { ...film, disabled: this.#count > 3 ? "" : SHARE.first }];
    return { ...made, items };
  }

  // --- What the panel asks of a part

  /** @param {Plan | CellPictures} result */
  take(result) {
    if (result.kind === "plan") this.#begin(result);
    else if (this.#whole) this.#show(this.#whole, result);
  }

  renew() {
    this.sketches.cancel();
  }

  describe() {
    this.sketches.describe();
  }

  render() {
    Object.assign(this.panel.element.dataset, { cells: this.#count, sketches: this.#sketched?.tiles.size ?? 0 });
  }

  // --- The pictures

  /** @param {Plan} plan @param {Values} values of its run @returns {Board} */
  #boardOf(plan, values) {
    return { plan, of: JSON.stringify(this.page.whole(this.part, values)), tiles: new Map() };
  }

  /** A run begins: sketches of its words stay until its pictures are there. @param {Plan} plan */
  #begin(plan) {
    this.#whole = this.#boardOf(plan, this.panel.ran);
    if (this.#sketched?.of !== this.#whole.of) this.#sketched = null;
    this.#covered = false;
    this.#build();
  }

  /** Take a result of sketches; null where no sketch is of what is chosen. @param {Plan | CellPictures | null} result */
  #takeSketch(result) {
    if (result?.kind === "plan") {
      this.#coming = this.#boardOf(result, this.panel.form.pinned);
      return;
    }
    if (!result) {
      this.#sketched = null;
      this.#covered = false;
    } else if (this.#coming && this.#sketched !== this.#coming) {
      this.#sketched = this.#coming;
      this.#covered = true;
    }
    this.#build();
    if (result && this.#sketched) this.#show(this.#sketched, result);
  }

  /** How many pictures of the run are seen. */
  get #count() {
    return this.#covered ? 0 : (this.#whole?.tiles.size ?? 0);
  }

  /** The shown boards: the run's pictures, over sketches where the run has none yet. @returns {Board[]} */
  get #boards() {
    return (this.#covered ? [this.#sketched] : [this.#whole, this.#sketched]).flatMap((board) => board ?? []);
  }

  get #plan() {
    return this.#boards[0]?.plan;
  }

  /** @param {Board} board @param {CellPictures} result */
  async #show(board, { cells, x }) {
    const tiles = cells.map((_, at) => /** @type {Tile} */ ({ image: null, at }));
    for (const [i, cell] of cells.entries()) board.tiles.set(cell, tiles[i]);
    const image = await drawable(x);
    for (const tile of tiles) tile.image = image;
    this.#drawSoon();
  }

  /** Other pictures are shown. */
  #build() {
    const plan = this.#plan;
    if (!plan) return;
    for (const [i, name] of this.#names.entries()) name.textContent = plan.corners[i];
    const side = plan.side * plan.size;
    if (this.#board.width !== side) this.#board.width = this.#board.height = side;
    if (this.#picture.width !== plan.size) this.#picture.width = this.#picture.height = plan.size;
    write(this.#warning, unknown(plan.unknown));
    this.#draw();
  }

  // --- Drawing

  /** Draw what lies at a place. @param {[right: number, down: number]} at @param {Board[]} boards whose pictures */
  #blend(at, boards) {
    const plan = this.#plan;
    if (!plan) return;
    const { side, size } = plan;
    const { width, height } = this.#picture;
    const context = context2d(this.#picture);
    const has = (/** @type {number} */ cell) => Boolean(tileOf(cell, boards));
    blend(context, at, side, has, (cell) => {
      const { image, at } = /** @type {Tile} */ (tileOf(cell, boards));
      if (image) context.drawImage(image, at * size, 0, size, size, 0, 0, width, height);
    });
  }

  #draw() {
    const plan = this.#plan;
    if (!plan) return;
    const { side, size } = plan;
    const context = context2d(this.#board);
    context.clearRect(0, 0, this.#board.width, this.#board.height);
    const boards = this.#boards;
    for (let cell = 0; cell < side * side; cell++) {
      const [column, row] = [cell % side, Math.floor(cell / side)];
      const { image = null, at = 0 } = tileOf(cell, boards) ?? {};
      if (image) context.drawImage(image, at * size, 0, size, size, column * size, row * size, size, size);
    }
    const isMixed = this.#sketched && !this.#covered && this.#count < side * side;
    write(this.#still, isMixed ? WORDS.still : "");
    this.#look();
  }

  /** Show what lies under the finger. */
  #look() {
    const plan = this.#plan;
    if (!plan) return;
    const [right, down] = this.#finger.at;
    this.#blend([right, down], this.#boards);
    this.#finger.show();
    this.#caption.textContent = mixed(sharesAt(right, down), plan.corners);
    this.#picture.ariaLabel = WORDS.picture(this.#caption.textContent);
  }

  // --- The finger

  /** The finger has moved. @param {boolean} first it was put down */
  #walkOn(first) {
    if (first) this.#walk = [];
    this.#walk.push(this.#finger.at);
    this.#look();
  }

  /** A film of the last walk, or of one around the square where nobody has walked. @param {(text: string) => void} say */
  async #film(say) {
    const [{ ANIMATED }, { enlargement }, { scaled }, { give, pauses }] = await Promise.all([
      import("../../files/animations.js"),
      import("../../files/labels.js"),
      import("../../pictures/compose.js"),
      import("../../run/saving.js"),
    ]);
    const picture = this.#picture;
    const places = this.#walk.length > 1 ? this.#walk : AROUND;
    const every = Math.max(1, places.length / FRAMES);
    const count = Math.ceil(places.length / every);
    const shots = Array.from({ length: count }, (_, i) => {
      this.#blend(places[Math.floor(i * every)], this.#whole ? [this.#whole] : []);
      const { width, height } = picture;
      const { data } = context2d(picture).getImageData(0, 0, width, height);
      const rgb = new Uint8Array(3 * width * height);
      for (let at = 0; at < width * height; at++) rgb.set(data.subarray(4 * at, 4 * at + 3), 3 * at);
      return scaled({ width, height, channels: 3, data: rgb }, enlargement("gif", picture, count));
    });
    this.#look();
    const settings = JSON.stringify(this.panel.ran);
    return give("between-words.gif", await ANIMATED.gif(shots, count, settings, pauses(say)));
  }
}

/** The picture of a cell, of the first of some boards that has it. @param {number} cell @param {Board[]} boards */
const tileOf = (cell, boards) => boards.flatMap(({ tiles }) => tiles.get(cell) ?? []).find(({ image }) => image);

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
