// The sheet on which the reader draws the picture of the page, and ten digits to take instead.

import { drawn } from "../../learning/drawings.js";
import { fromUint8 } from "../../process/floats.js";
import { PAD } from "../../words/figures.js";
import { digits } from "../digits.js";
import { button, el } from "../elements.js";
import { centred, picture, SIDE } from "../picture.js";
import { Sheet } from "../sheet.js";

/** @import { Figure } from "../figure.js" */

const UNITS = 10; // of a stroke's numbers in a pixel
const PEN = 2.6; // pixels: about that of the digits that the network has seen

/** @param {Figure} figure */
export function pad(figure) {
  const tile = figure.tile("ink", "");
  const pen = el("span", { class: "pen", hidden: true });
  const area = el(
    "div",
    { class: "sheet", tabindex: 0, role: "application", "aria-label": PAD.sheet },
    tile.element,
    pen,
  );
  const said = el("p", { class: "note", role: "status" });
  const sheet = new Sheet(take, movePen);
  sheet.listen(area);
  area.addEventListener("blur", () => {
    pen.hidden = true;
  });

  /** @param {boolean} over */
  function take(over) {
    const lines = sheet.strokes.map((stroke) => stroke.map((value) => value / UNITS));
    const x = fromUint8(drawn(lines, PEN), 1);
    tile.paint(x);
    if (over && sheet.strokes.length) picture.change(centred(x), "reader");
  }

  function movePen() {
    const [left, top] = sheet.pen.map((v) => `${(100 * v) / SIDE}%`);
    Object.assign(pen.style, { left, top });
    pen.classList.toggle("down", sheet.isDown);
    pen.hidden = false;
  }

  const ours = digits.map((x, n) => {
    const small = figure.tile("ink", "");
    small.paint(x);
    const one = button("", () => choose(n), { "aria-label": PAD.take(n) });
    one.append(small.element);
    return one;
  });

  /** @param {number} n */
  function choose(n) {
    sheet.strokes = [];
    picture.change(digits[n], "ours");
  }

  figure.body.append(
    area,
    el(
      "div",
      { class: "buttons" },
      button(PAD.undo, () => sheet.undo()),
      button(PAD.clear, () => sheet.clear()),
    ),
    el("p", { class: "label" }, PAD.ours),
    el("div", { class: "digits" }, ...ours),
    said,
  );
  return {
    controls: {},
    update() {
      if (picture.whose !== "reader" || !sheet.strokes.length) tile.paint(picture.x);
      said.textContent = PAD.whose[picture.whose];
      for (const [n, one] of ours.entries()) one.setAttribute("aria-pressed", String(picture.x === digits[n]));
    },
  };
}
