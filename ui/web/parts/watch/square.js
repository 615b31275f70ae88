// The button that opens the part "Between words". The button shows a picture of the part's recorded square. A pointer
// over the button chooses the picture.

import { context2d } from "../../drawing/canvas.js";
import { el } from "../../drawing/dom.js";
import { blend } from "../../drawing/square.js";
import { drawable } from "../../pictures/sprite.js";
import { sharesAt } from "../../process/square.js";
import { mixed } from "../../words/square.js";

/** @import { Page } from "../../app.js" */

/**
 * Load the recorded square, and let the pointer on the button choose the picture. Afterwards the button has the
 * attribute data-live.
 * @param {Page} page @param {HTMLElement} starter the button @param {HTMLCanvasElement} small the canvas in the button
 */
export async function enliven(page, starter, small) {
  const example = await page.example("between");
  if (!example) return;
  const [{ side, size, corners }, ...rows] = example.results;
  /** The picture of each cell: a row of pictures, and the picture's index in this row. @type {Map<number, [image: ImageBitmap, at: number]>} */
  const tiles = new Map();
  for (const { cells, x } of rows) {
    const image = await drawable(x);
    for (const [at, cell] of cells.entries()) tiles.set(cell, [image, at]);
  }
  small.width = small.height = size;
  const large = el("canvas", { width: size, height: size });
  const said = el("small", null);
  starter.append(el("span", { class: "blend", "aria-hidden": true }, large, said));

  /** Show the picture at a position in the square. @param {number} right 0 to 1 @param {number} down 0 to 1 */
  function show(right, down) {
    const context = context2d(small);
    /** Return whether a cell has a picture. */
    const has = (/** @type {number} */ cell) => tiles.has(cell);
    blend(context, [right, down], side, has, (cell) => {
      const [image, at] = /** @type {[ImageBitmap, number]} */ (tiles.get(cell));
      context.drawImage(image, at * size, 0, size, size, 0, 0, size, size);
    });
    context2d(large).drawImage(small, 0, 0);
    said.textContent = mixed(sharesAt(right, down), corners);
  }

  starter.addEventListener("pointermove", ({ target, clientX, clientY }) => {
    const { left, top, width, height } = (target === large ? large : starter).getBoundingClientRect();
    const [right, down] = [(clientX - left) / width, (clientY - top) / height];
    show(Math.min(1, Math.max(0, right)), Math.min(1, Math.max(0, down)));
  });
  show(0, 0);
  starter.dataset.live = "true";
}
