// The sheet on which the reader draws the picture of the page, and ten digits to take instead.

import { calm, NOISE, play } from "../../drawing/motion.js";
import { Sheet } from "../../drawing/sheet.js";
import { drawn, SHEET } from "../../learning/drawings.js";
import { fromUint8 } from "../../process/floats.js";
import { PAD } from "../../words/figures.js";
import { digits } from "../digits.js";
import { button, el } from "../elements.js";
import { centred, picture } from "../picture.js";
import { noisy } from "../process.js";

/** @import { Figure } from "../figure.js" */

const PEN = 2.6; // pixels: about that of the digits that the network has seen

const [FROM, SECONDS, SEED] = [640, 2, 7]; // at first our digit comes out of noise: from which t, how long, which noise

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
  /** @type {number[][]} */
  let strokes = [];
  const sheet = new Sheet(SHEET, {
    drawn: (stroke) => take([...strokes, stroke]),
    moved: paint,
    used: () => strokes.flat().length / 2,
  });
  sheet.pen = [0.5, 0.25];
  sheet.listen(area);
  area.addEventListener("keydown", (event) => {
    const does = { z: undo, Delete: clear, Backspace: clear }[event.key];
    if (!sheet.key(event) && !does) return;
    event.preventDefault();
    does?.();
  });

  let isNew = true;
  let stop = () => {};

  /** Our digit comes out of the noise, unless the reader wants little motion. */
  function appear() {
    let t = FROM;
    tile.paint(noisy(picture.x, t, SEED));
    stop = play((seconds) => {
      t = Math.max(0, t - (seconds / SECONDS) * FROM);
      tile.paint(noisy(picture.x, Math.round(t), SEED));
      return t > 0;
    }, NOISE);
  }

  /** @param {number[][]} all that the reader has drawn */
  function drawing(all) {
    const lines = all.map((stroke) => stroke.map((value) => value / SHEET.units));
    return fromUint8(drawn(lines, PEN), 1);
  }

  /** @param {number[][]} all */
  function take(all) {
    stop();
    strokes = all;
    if (all.length) picture.change(centred(drawing(all)), "reader");
    else tile.paint(drawing(all));
  }

  function paint() {
    const { line, pen: at, isByKeys } = sheet;
    if (line.length) stop();
    if (line.length || strokes.length) tile.paint(drawing([...strokes, line]));
    pen.hidden = !isByKeys;
    pen.style.left = `${100 * at[0]}%`;
    pen.style.top = `${100 * at[1]}%`;
    pen.classList.toggle("down", line.length > 0);
  }

  function undo() {
    if (strokes.length) take(strokes.slice(0, -1));
  }

  function clear() {
    take([]);
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
    strokes = [];
    picture.change(digits[n], "ours");
  }

  figure.body.append(
    area,
    el("div", { class: "buttons" }, button(PAD.undo, undo), button(PAD.clear, clear)),
    el("p", { class: "label" }, PAD.ours),
    el("div", { class: "digits" }, ...ours),
    said,
  );
  return {
    controls: {},
    update() {
      stop();
      tile.paint(strokes.length ? drawing(strokes) : picture.x);
      if (isNew && picture.whose === "ours" && !calm()) appear();
      isNew = false;
      said.textContent = PAD.whose[picture.whose];
      for (const [n, one] of ours.entries()) one.setAttribute("aria-pressed", String(picture.x === digits[n]));
    },
  };
}
