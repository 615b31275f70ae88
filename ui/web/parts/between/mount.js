// Draws the part "Between words": a square of pictures that blend four texts, and a marker that the visitor moves
// through the square. Before the pictures are computed, the square shows quick sketches (sketches.js).
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
 * The first result of a run, before its pictures.
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {number} side the number of pictures on each side of the square
 * @property {number} size the side of a picture, in pixels
 * @property {string[]} corners the texts at the top left, top right, bottom left and bottom right
 * @property {string[]} unknown words that are new to the model
 */
/** The picture of a cell. image: a row of pictures, null until it is decoded. at: the index of the cell's picture in this row. @typedef {{ image: ImageBitmap | null, at: number }} Tile */
/** The pictures or the sketches of one run. of: the run's values, as JSON. tiles: the picture of each cell. @typedef {{ plan: Plan, of: string, tiles: Map<number, Tile> }} Board */

const FRAMES = 60; // the largest number of frames in a GIF
const STEP = 0.25; // how far an arrow key moves the marker, in cells

/** Build the part. @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Between(page, part).asPart();

/** The part's view. Its element counts the shown pictures in data-cells and the sketches in data-sketches. */
class Between {
  /** The pictures of the newest run. @type {Board | null} */
  #whole = null;
  /** The sketches that are shown. @type {Board | null} */
  #sketched = null;
  /** The newest sketches. They become `#sketched` when their first pictures arrive. @type {Board | null} */
  #coming = null;
  #covered = false; // whether sketches of other texts replace the run's pictures on the screen
  /** The marker's places since the pointer was last pressed. @type {[right: number, down: number][]} */
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

  /** Return the functions through which the page uses this part. */
  asPart() {
    const made = this.panel.asPart(
      ["png"],
      () => this.#count > 0 && this.#count === (this.#whole?.plan.side ?? 0) ** 2,
    );
    const film = { title: WORDS.film, save: (/** @type {(text: string) => void} */ say) => this.#saveFilm(say) };
    const items = () => [...(made.items?.() ?? []), { ...film, disabled: this.#count > 3 ? "" : SHARE.first }];
    return { ...made, items };
  }

  // --- Functions that the panel calls

  /** Draw a result of the newest run. @param {Plan | CellPictures} result */
  take(result) {
    if (result.kind === "plan") this.#begin(result);
    else if (this.#whole) this.#show(this.#whole, result);
  }

  /** Stop the sketches, because a run begins. */
  renew() {
    this.sketches.cancel();
  }

  /** Begin sketches of the form's values. Called when the page has estimated the time of the run. */
  describe() {
    this.sketches.describe();
  }

  /** Write the numbers of pictures and sketches into data-cells and data-sketches. */
  render() {
    Object.assign(this.panel.element.dataset, { cells: this.#count, sketches: this.#sketched?.tiles.size ?? 0 });
  }

  // --- The pictures

  /** Return a board without pictures. @param {Plan} plan @param {Values} values the values of the board's run @returns {Board} */
  #boardOf(plan, values) {
    return { plan, of: JSON.stringify(this.page.whole(this.part, values)), tiles: new Map() };
  }

  /** Begin to show a run. Sketches of the same values stay visible until the run's pictures replace them. @param {Plan} plan */
  #begin(plan) {
    this.#whole = this.#boardOf(plan, this.panel.ran);
    if (this.#sketched?.of !== this.#whole.of) this.#sketched = null;
    this.#covered = false;
    this.#build();
  }

  /** Draw a result of the sketches' run. @param {Plan | CellPictures | null} result null removes the sketches, because the form again has the values of the run */
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

  /** The number of the run's pictures on the screen. */
  get #count() {
    return this.#covered ? 0 : (this.#whole?.tiles.size ?? 0);
  }

  /** The boards on the screen, best first: sketches fill the cells for which the run has no picture yet. @returns {Board[]} */
  get #boards() {
    return (this.#covered ? [this.#sketched] : [this.#whole, this.#sketched]).flatMap((board) => board ?? []);
  }

  /** The plan of the first board on the screen. */
  get #plan() {
    return this.#boards[0]?.plan;
  }

  /** Add pictures to a board, and draw them once they are decoded. @param {Board} board @param {CellPictures} result */
  async #show(board, { cells, x }) {
    const tiles = cells.map((_, at) => /** @type {Tile} */ ({ image: null, at }));
    for (const [i, cell] of cells.entries()) board.tiles.set(cell, tiles[i]);
    const image = await drawable(x);
    for (const tile of tiles) tile.image = image;
    this.#drawSoon();
  }

  /** Adapt the corners' texts, the canvases and the warning to the boards on the screen, and draw. */
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

  /** On the large canvas, draw the blend of the pictures around a place of the square. @param {[right: number, down: number]} at @param {Board[]} boards where to look for the pictures, best first */
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

  /** Draw the square and the blend at the marker. */
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
    this.#showPlace();
  }

  /** Show the marker, the blend at the marker, and the caption with the share of each text. */
  #showPlace() {
    const plan = this.#plan;
    if (!plan) return;
    const [right, down] = this.#finger.at;
    this.#blend([right, down], this.#boards);
    this.#finger.show();
    this.#caption.textContent = mixed(sharesAt(right, down), plan.corners);
    this.#picture.ariaLabel = WORDS.picture(this.#caption.textContent);
  }

  // --- The walk of the marker

  /** Add the marker's place to the walk, and show this place. @param {boolean} first whether the pointer was just pressed, which begins a new walk */
  #walkOn(first) {
    if (first) this.#walk = [];
    this.#walk.push(this.#finger.at);
    this.#showPlace();
  }

  /** Save a GIF of the last walk; if the visitor has not moved the marker, save a walk around the square. @param {(text: string) => void} say shows the progress */
  async #saveFilm(say) {
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
    this.#showPlace();
    const settings = JSON.stringify(this.panel.ran);
    return give("between-words.gif", await ANIMATED.gif(shots, count, settings, pauses(say)));
  }
}

/** Return the picture of a cell from the first board that has this picture; undefined if no board has it. @param {number} cell @param {Board[]} boards */
const tileOf = (cell, boards) => boards.flatMap(({ tiles }) => tiles.get(cell) ?? []).find(({ image }) => image);

/** The places of a walk along the four sides of the square. @type {[x: number, y: number][]} */
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
