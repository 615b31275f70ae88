// The sheet on which the reader draws the picture of the page, and ten digits to take instead.

import { button, el } from "../../drawing/dom.js";
import { calm, NOISE, play } from "../../drawing/motion.js";
import { Sheet } from "../../drawing/sheet.js";
import { drawn, SHEET } from "../../learning/drawings.js";
import { fromUint8 } from "../../process/floats.js";
import { PAD } from "../../words/figures.js";
import { digits } from "../digits.js";
import { buttons, label, note } from "../elements.js";
import { centred, picture } from "../picture.js";
import { noisy } from "../process.js";

/** @import { Figure } from "../figure.js" */

const PEN = 2.6; // pixels: about that of the digits that the network has seen

const [FROM, SECONDS, SEED] = [640, 2, 7]; // at first our digit comes out of noise: from which t, how long, which noise

/** @param {number[][]} strokes that the reader has drawn */
const drawing = (strokes) =>
  fromUint8(
    drawn(
      strokes.map((stroke) => stroke.map((value) => value / SHEET.units)),
      PEN,
    ),
    1,
  );

/** The sheet, its strokes, and the pen of those who draw with keys. */
class Pad {
  /** @type {number[][]} */
  #strokes = [];
  #pen = el("span", { class: "pen", hidden: true });
  #stop = () => {}; // ends the picture's way out of noise
  #hands = new Sheet(SHEET, {
    drawn: (stroke) => this.#take([...this.#strokes, stroke]),
    moved: () => this.#paint(),
    used: () => this.#strokes.flat().length / 2,
  });

  /** @param {Figure} figure */
  constructor(figure) {
    this.tile = figure.tile("ink", "");
    const name = { tabindex: 0, role: "application", "aria-label": PAD.sheet };
    this.element = el("div", { class: "sheet", ...name }, this.tile.element, this.#pen);
    this.#hands.pen = [0.5, 0.25];
    this.#hands.listen(this.element);
    this.element.addEventListener("keydown", (event) => {
      const does = { z: this.undo, Delete: this.clear, Backspace: this.clear }[event.key];
      if (!this.#hands.key(event) && !does) return;
      event.preventDefault();
      does?.();
    });
  }

  undo = () => {
    if (this.#strokes.length) this.#take(this.#strokes.slice(0, -1));
  };

  clear = () => this.#take([]);

  /** Another picture takes the place of the strokes. */
  forget() {
    this.#strokes = [];
  }

  /** Show the strokes, or the picture of the page where there are none. @param {boolean} isFirst our digit comes out of the noise, unless the reader wants little motion */
  show(isFirst) {
    this.#stop();
    this.tile.paint(this.#strokes.length ? drawing(this.#strokes) : picture.x);
    if (isFirst && picture.whose === "ours" && !calm()) this.#appear();
  }

  #appear() {
    let t = FROM;
    this.tile.paint(noisy(picture.x, t, SEED));
    this.#stop = play((seconds) => {
      t = Math.max(0, t - (seconds / SECONDS) * FROM);
      this.tile.paint(noisy(picture.x, Math.round(t), SEED));
      return t > 0;
    }, NOISE);
  }

  /** @param {number[][]} strokes */
  #take(strokes) {
    this.#stop();
    this.#strokes = strokes;
    if (strokes.length) picture.change(centred(drawing(strokes)), "reader");
    else this.tile.paint(drawing(strokes));
  }

  #paint() {
    const { line, pen, isByKeys } = this.#hands;
    if (line.length) this.#stop();
    if (line.length || this.#strokes.length) this.tile.paint(drawing([...this.#strokes, line]));
    this.#pen.hidden = !isByKeys;
    this.#pen.style.left = `${100 * pen[0]}%`;
    this.#pen.style.top = `${100 * pen[1]}%`;
    this.#pen.classList.toggle("down", line.length > 0);
  }
}

/** @param {Figure} figure */
export function pad(figure) {
  const sheet = new Pad(figure);
  const said = note();
  let isFirst = true;
  const ours = digits.map((x, n) => {
    const small = figure.tile("ink", "");
    small.paint(x);
    return button({ "aria-label": PAD.take(n) }, () => choose(n), small.element);
  });

  /** @param {number} n */
  function choose(n) {
    sheet.forget();
    picture.change(digits[n], "ours");
  }

  figure.body.append(
    sheet.element,
    buttons(button(null, sheet.undo, PAD.undo), button(null, sheet.clear, PAD.clear)),
    label(PAD.ours),
    el("div", { class: "digits" }, ...ours),
    said,
  );
  return {
    controls: {},
    update() {
      sheet.show(isFirst);
      isFirst = false;
      said.textContent = PAD.whose[picture.whose];
      for (const [n, one] of ours.entries()) one.setAttribute("aria-pressed", String(picture.x === digits[n]));
    },
  };
}
