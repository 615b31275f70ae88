// The square between four words. The square shows recorded pictures. On demand, a network draws the whole square, for
// any words.

import { button, el, write } from "../../drawing/dom.js";
import { blend, Finger } from "../../drawing/square.js";
import { bytes } from "../../messages/bytes.js";
import { continueWithout } from "../../process/errors.js";
import { CELLS, placeOf, SIDE, sharesAt } from "../../process/square.js";
import { BETWEEN } from "../../words/figures.js";
import { mixed } from "../../words/square.js";
import { buttons } from "../elements.js";
import { newestOnly } from "../engine.js";

/** @import { Figure } from "../figure.js" */

const MODEL = "emoji-tiny-3-steps";
const [SIZE, SEED] = [64, 1]; // side of a recorded picture in pixels, and the seed of all pictures
const RECORDED = new URL("../../parts/between/example.json", import.meta.url);
const CORNERS = [0, SIDE - 1, SIDE * (SIDE - 1), SIDE * SIDE - 1]; // the cells in the corners of the square

/** Return the 2D context of a canvas. @param {HTMLCanvasElement} canvas */
const contextOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** Return where a cell's picture is on the board, in pixels. @param {number} cell @returns {[x: number, y: number]} */
const cornerOf = (cell) => [(cell % SIDE) * SIZE, Math.floor(cell / SIDE) * SIZE];

/** Convert the RGB pixels of an answer to image data. @param {{ side: number, pixels: Uint8Array }} answer */
function imageOf({ side, pixels }) {
  const image = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) image.data.set([...pixels.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  return image;
}

/** The board with its pictures, the finger (a marker on the board), and the picture at the finger. */
class Square {
  corners = BETWEEN.corners;
  #cells = /** @type {Set<number>} */ (new Set());
  #board = el("canvas", {
    ...{ width: SIZE * SIDE, height: SIZE * SIDE, "aria-hidden": "true", class: "tile" },
    style: "image-rendering: auto",
  });
  #large = el("canvas", { width: SIZE, height: SIZE, role: "img" });
  #said = el("p", { role: "status" });
  element = el("div", { class: "square", tabindex: 0, role: "application", "aria-label": BETWEEN.square }, this.#board);
  mixed = el("div", { class: "mixed" }, this.#large, this.#said);

  /** @param {() => void} moved called when the finger has moved */
  constructor(moved) {
    this.finger = new Finger(this.element, () => SIDE, moved, 1);
    this.finger.at = [0.5, 0.5];
    this.element.append(this.finger.element);
  }

  /** Remove all pictures from the board. */
  clear() {
    this.#cells.clear();
    contextOf(this.#board).clearRect(0, 0, this.#board.width, this.#board.height);
  }

  /** Draw the part of an image at (left, top) as a cell's picture. @param {number} cell @param {ImageBitmap} image @param {number} left @param {number} top */
  take(cell, image, left, top) {
    this.#cells.add(cell);
    contextOf(this.#board).drawImage(image, left, top, SIZE, SIZE, ...cornerOf(cell), SIZE, SIZE);
  }

  /** Draw a cell's picture. @param {number} cell @param {ImageData} image */
  put(cell, image) {
    this.#cells.add(cell);
    contextOf(this.#board).putImageData(image, ...cornerOf(cell));
  }

  /** Show an image as the picture at the finger. @param {ImageData} image */
  showPicture(image) {
    contextOf(this.#large).putImageData(image, 0, 0);
  }

  /** Show the finger, and a blend of the pictures around it. */
  show() {
    this.finger.show();
    const context = contextOf(this.#large);
    const has = (/** @type {number} */ cell) => this.#cells.has(cell);
    blend(context, this.finger.at, SIDE, has, (cell) =>
      context.drawImage(this.#board, ...cornerOf(cell), SIZE, SIZE, 0, 0, SIZE, SIZE),
    );
    const text = mixed(sharesAt(...this.finger.at), this.corners);
    write(this.#said, text);
    this.#large.setAttribute("aria-label", text);
  }

  /** Make the control with which links set the finger's position on one axis. @param {0 | 1} axis */
  control(axis) {
    const { element, finger } = this;
    return {
      element,
      get value() {
        return Number(finger.at[axis].toFixed(3));
      },
      set(/** @type {string | number} */ value) {
        const [right, down] = finger.at.map((at, i) => (i === axis ? Number(value) || 0 : at));
        finger.go(right, down);
      },
    };
  }
}

/** Put the recorded pictures on a square. @param {Square} square @param {() => boolean} isWanted returns whether these pictures must still be shown @returns {Promise<boolean>} whether they could be loaded */
async function openRecorded(square, isWanted) {
  const answer = await fetch(RECORDED).catch(continueWithout("the recorded pictures"));
  if (!answer?.ok) return false;
  const { results } = await answer.json();
  for (const { kind, cells, x } of results) {
    if (kind !== "cells") continue;
    const image = await createImageBitmap(new Blob([bytes(x.base64)], { type: x.type }));
    const columns = image.width / SIZE;
    for (const [i, cell] of cells.entries())
      if (isWanted()) square.take(cell, image, (i % columns) * SIZE, Math.floor(i / columns) * SIZE);
  }
  return true;
}

/** Return a progress bar, and functions that let a network draw the square. @param {Figure} figure @param {Square} square */
function live(figure, square) {
  const bar = el("progress", { max: 1, value: 0, hidden: true, "aria-label": BETWEEN.filling });
  const drawn = newestOnly(() =>
    figure.ask(
      "words",
      "between",
      { corners: square.corners, places: [square.finger.at], seed: SEED },
      (answer) => {
        square.showPicture(imageOf(answer));
        figure.dataset.live = String(Number(figure.dataset.live ?? 0) + 1);
      },
      { model: MODEL },
    ),
  );

  /** Draw the pictures of all cells for the current words. The picture at the finger comes first. */
  function fill() {
    square.clear();
    Object.assign(bar, { hidden: false, value: 0 });
    figure.ask(
      "square",
      "between",
      { corners: square.corners, places: CELLS.map(placeOf), seed: SEED },
      ({ i, ...answer }) => {
        square.put(CELLS[i], imageOf(answer));
        bar.value = (i + 1) / CELLS.length;
        bar.hidden = i + 1 === CELLS.length;
      },
      { model: MODEL, behind: true },
    );
  }
  return { bar, draw: drawn, fill };
}

/** Fill a figure with the square, its four words, and the button that loads the network. Return the controls and the function that draws the figure. @param {Figure} figure */
export function words(figure) {
  let isLive = false;
  let isOpen = false;
  const square = new Square(() => {
    square.show();
    figure.changed();
    if (isLive) draw();
  });
  const { bar, draw, fill } = live(figure, square);
  const names = square.corners.map((text, i) => button(null, () => square.finger.go(...placeOf(CORNERS[i])), text));
  const fields = square.corners.map((value, i) =>
    el("input", { type: "text", value, maxlength: 40, hidden: true, "aria-label": BETWEEN.corner(i) }),
  );
  const start = button({ class: "main" }, begin);
  const canBegin = figure.engine?.has(MODEL);
  start.hidden = !canBegin;
  if (canBegin) write(start, BETWEEN.live(figure.engine?.bytes(MODEL) ?? 0));
  const line = (/** @type {number} */ from) =>
    el("div", { class: "corners" }, ...names.slice(from, from + 2), ...fields.slice(from, from + 2));
  figure.body.append(line(0), square.element, line(2), square.mixed, buttons(start), bar);

  /** Load the network, and draw the square with it. */
  async function begin() {
    isLive = true;
    start.disabled = true;
    for (const one of names) one.hidden = true;
    for (const one of fields) one.hidden = false;
    await draw();
    fill();
    start.hidden = true;
  }
  for (const field of fields)
    field.addEventListener("change", () => {
      square.corners = fields.map(({ value }) => value);
      square.show();
      draw();
      fill();
    });

  /** Load and show the recorded pictures. */
  async function open() {
    if (!(await openRecorded(square, () => !isLive))) return figure.say(BETWEEN.unreachable);
    figure.dataset.recorded = "true";
    square.show();
  }
  return {
    controls: { right: square.control(0), down: square.control(1) },
    update() {
      if (!isOpen) open();
      isOpen = true;
    },
  };
}
