// The square between four words: recorded pictures, and on demand a network that draws any place of it, for any words.

import { ARROWS, onDrag } from "../../drawing/hands.js";
import { bytes } from "../../messages/bytes.js";
import { without } from "../../process/errors.js";
import { CELLS, cellAt, placeOf, SIDE, sharesAt } from "../../process/square.js";
import { BETWEEN } from "../../words/figures.js";
import { button, el, write } from "../elements.js";
import { newestOnly } from "../engine.js";

/** @import { Figure } from "../figure.js" */

const MODEL = "emoji-tiny-3-steps";
const [SIZE, SEED] = [64, 1]; // of the recorded square
const RECORDED = new URL("../../parts/between/example.json", import.meta.url);
/** @param {Figure} figure */
export function words(figure) {
  let corners = BETWEEN.corners;
  let isLive = false;
  const at = { right: 0.5, down: 0.5 };
  const board = el("canvas", {
    width: SIZE * SIDE,
    height: SIZE * SIDE,
    "aria-hidden": "true",
    class: "tile",
    style: "image-rendering: auto",
  });
  const finger = el("span", { class: "finger" });
  const square = el(
    "div",
    { class: "square", tabindex: 0, role: "application", "aria-label": BETWEEN.square },
    board,
    finger,
  );
  const large = el("canvas", { width: SIZE, height: SIZE, role: "img" });
  const said = el("p", { role: "status" });
  const names = corners.map((text, i) => {
    const to = placeOf([0, SIDE - 1, SIDE * (SIDE - 1), SIDE * SIDE - 1][i]);
    return button(text, () => move(...to));
  });
  const fields = corners.map((text, i) =>
    el("input", {
      type: "text",
      value: text,
      maxlength: 40,
      hidden: true,
      "aria-label": BETWEEN.corner(i),
    }),
  );
  const bar = el("progress", { max: 1, value: 0, hidden: true, "aria-label": BETWEEN.filling });
  const start = button("", begin, { class: "main" });
  start.hidden = !figure.engine?.has(MODEL);
  if (figure.engine?.has(MODEL)) write(start, BETWEEN.live(figure.engine.bytes(MODEL)));
  figure.body.append(
    el("div", { class: "corners" }, names[0], names[1], fields[0], fields[1]),
    square,
    el("div", { class: "corners" }, names[2], names[3], fields[2], fields[3]),
    el("div", { class: "mixed" }, large, said),
    el("div", { class: "buttons" }, start),
    bar,
  );
  const context = /** @type {CanvasRenderingContext2D} */ (board.getContext("2d"));

  // --- Where the finger is

  /** @param {number} right 0 to 1 @param {number} down */
  function move(right, down) {
    Object.assign(at, { right: Math.min(1, Math.max(0, right)), down: Math.min(1, Math.max(0, down)) });
    show();
    figure.changed();
    if (isLive) draw();
  }
  onDrag(square, move);
  square.addEventListener("keydown", (event) => {
    const by = ARROWS[event.key];
    if (!by) return;
    event.preventDefault();
    move(at.right + by[0] / (SIDE - 1), at.down + by[1] / (SIDE - 1));
  });

  function show() {
    const { right, down } = at;
    finger.style.left = `${100 * (0.5 / SIDE + (right * (SIDE - 1)) / SIDE)}%`;
    finger.style.top = `${100 * (0.5 / SIDE + (down * (SIDE - 1)) / SIDE)}%`;
    const cell = cellAt(right, down);
    const [x, y] = [(cell % SIDE) * SIZE, Math.floor(cell / SIDE) * SIZE];
    large.getContext("2d")?.drawImage(board, x, y, SIZE, SIZE, 0, 0, SIZE, SIZE);
    const text = BETWEEN.mixture(sharesAt(right, down), corners);
    write(said, text);
    large.setAttribute("aria-label", text);
  }

  // --- Recorded

  async function open() {
    const answer = await fetch(RECORDED).catch(without("the recorded pictures"));
    if (!answer?.ok) return figure.say(BETWEEN.unreachable);
    const { results } = await answer.json();
    for (const { kind, cells, x } of results) {
      if (kind !== "cells") continue;
      const image = await createImageBitmap(new Blob([bytes(x.base64)], { type: x.type }));
      const columns = image.width / SIZE;
      for (const [i, cell] of cells.entries()) {
        const [fromX, fromY] = [(i % columns) * SIZE, Math.floor(i / columns) * SIZE];
        const to = [(cell % SIDE) * SIZE, Math.floor(cell / SIDE) * SIZE];
        if (!isLive) context.drawImage(image, fromX, fromY, SIZE, SIZE, to[0], to[1], SIZE, SIZE);
      }
    }
    figure.dataset.recorded = "true";
    show();
  }

  // --- Live

  /** The pixels of an answer. @param {{ side: number, pixels: Uint8Array }} answer */
  function imageOf({ side, pixels }) {
    const image = new ImageData(side, side);
    for (let i = 0; i < side * side; i++) image.data.set([...pixels.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    return image;
  }

  const draw = newestOnly(() =>
    figure.ask(
      "words",
      "between",
      { corners, places: [[at.right, at.down]], seed: SEED },
      (answer) => {
        large.getContext("2d")?.putImageData(imageOf(answer), 0, 0);
        figure.dataset.live = String(Number(figure.dataset.live ?? 0) + 1);
      },
      { model: MODEL },
    ),
  );

  /** The square of these words, behind the picture at the finger. */
  function fill() {
    context.clearRect(0, 0, board.width, board.height);
    Object.assign(bar, { hidden: false, value: 0 });
    const mine = corners;
    figure.ask(
      "square",
      "between",
      { corners, places: CELLS.map(placeOf), seed: SEED },
      ({ i, ...answer }) => {
        if (mine !== corners) return;
        const cell = CELLS[i];
        context.putImageData(imageOf(answer), (cell % SIDE) * SIZE, Math.floor(cell / SIDE) * SIZE);
        bar.value = (i + 1) / CELLS.length;
        bar.hidden = i + 1 === CELLS.length;
      },
      { model: MODEL, behind: true },
    );
  }

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
      corners = fields.map(({ value }) => value);
      show();
      draw();
      fill();
    });

  const control = (/** @type {"right" | "down"} */ name) => ({
    element: square,
    get value() {
      return Number(at[name].toFixed(3));
    },
    set: (/** @type {string | number} */ value) => {
      const to = Number(value) || 0;
      move(name === "right" ? to : at.right, name === "down" ? to : at.down);
    },
  });
  let isOpen = false;
  return {
    controls: { right: control("right"), down: control("down") },
    update() {
      if (!isOpen) open();
      isOpen = true;
    },
  };
}
