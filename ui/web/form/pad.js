// The drawing pad for a single drawing. It opens as a sheet over the page.

import { button, el, sheet } from "../drawing/dom.js";
import { Paper } from "../drawing/paper.js";
import { DRAW } from "../words/source.js";

/** @import { Stroke } from "../drawing/sheet.js" */

// The sheet of the part "Train", with a pen about as wide as the strokes of the training digits.
const SHEET = { side: 28, units: 10, points: 400, pen: 2.6 };

/** Show the pad. It passes the drawing to `take` as a PNG, white on black. @param {(file: File) => unknown} take */
export function openPad(take) {
  /** @type {Stroke[]} */
  let strokes = [];
  const paper = new Paper(
    SHEET,
    DRAW.sheet,
    { strokes: () => strokes, add: (stroke) => show([...strokes, stroke]) },
    { z: () => show(strokes.slice(0, -1)) },
  );
  const undo = button({ class: "preset" }, () => show(strokes.slice(0, -1)), DRAW.undo);
  const clear = button({ class: "preset" }, () => show([]), DRAW.clear);
  const done = button({ class: "button primary" }, () => finish(), DRAW.done);
  const row = el("div", { class: "row" }, undo, clear, done);
  const pad = sheet("draw", DRAW.title, el("h2", null, DRAW.title), paper.canvas, row);
  pad.addEventListener("close", () => pad.remove());
  document.body.append(pad);
  show([]);
  pad.showModal();

  /** Draw these strokes. @param {Stroke[]} all */
  function show(all) {
    strokes = all;
    for (const one of [undo, clear, done]) one.disabled = !all.length;
    paper.draw();
  }

  /** Close the pad, and pass on the drawing. */
  function finish() {
    paper.canvas.blur(); // otherwise the cursor of the keyboard pen would be in the drawing
    paper.draw();
    paper.canvas.toBlob((blob) => {
      pad.close();
      if (blob) take(new File([blob], "drawing.png", { type: blob.type }));
    });
  }
}
