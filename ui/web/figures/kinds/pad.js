// The sheet on which the reader draws a picture, and ten digits that the reader can choose instead of drawing.

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

const PEN = 2.6; // width of a stroke in pixels, about as wide as in the training digits

const [FROM, SECONDS, SEED] = [640, 2, 7]; // the opening animation shows a digit that appears out of noise; first t, duration in seconds, seed of the noise

/** Draw the reader's strokes as a picture. @param {number[][]} strokes */
const drawing = (strokes) =>
  fromUint8(
    drawn(
      strokes.map((stroke) => stroke.map((value) => value / SHEET.units)),
      PEN,
    ),
    1,
  );

/** The sheet, its strokes, and the pen for drawing with keys. */
class Pad {
  /** @type {number[][]} */
  #strokes = [];
  #pen = el("span", { class: "pen", hidden: true });
  #stop = () => {}; // stops the opening animation
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

  /** Remove the last stroke. */
  undo = () => {
    if (this.#strokes.length) this.#take(this.#strokes.slice(0, -1));
  };

  /** Remove all strokes. */
  clear = () => this.#take([]);

  /** Remove the strokes, because another picture replaces them. */
  forget() {
    this.#strokes = [];
  }

  /** Show the strokes; without strokes, show the page's picture. @param {boolean} isFirst whether to play the opening animation; readers who prefer reduced motion never see the animation */
  show(isFirst) {
    this.#stop();
    this.tile.paint(this.#strokes.length ? drawing(this.#strokes) : picture.x);
    if (isFirst && picture.whose === "ours" && !calm()) this.#appear();
  }

  /** Play the opening animation. */
  #appear() {
    let t = FROM;
    this.tile.paint(noisy(picture.x, t, SEED));
    this.#stop = play((seconds) => {
      t = Math.max(0, t - (seconds / SECONDS) * FROM);
      this.tile.paint(noisy(picture.x, Math.round(t), SEED));
      return t > 0;
    }, NOISE);
  }

  /** Set the strokes, and make them the page's picture. @param {number[][]} strokes */
  #take(strokes) {
    this.#stop();
    this.#strokes = strokes;
    if (strokes.length) picture.change(centred(drawing(strokes)), "reader");
    else this.tile.paint(drawing(strokes));
  }

  /** Draw the strokes and the pen. */
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

/** Fill a figure with the sheet, its buttons, and the ten digits. Return the controls and the function that draws the figure. @param {Figure} figure */
export function pad(figure) {
  const sheet = new Pad(figure);
  const said = note();
  let isFirst = true;
  const ours = digits.map((x, n) => {
    const small = figure.tile("ink", "");
    small.paint(x);
    return button({ "aria-label": PAD.take(n) }, () => choose(n), small.element);
  });

  /** Make one of the ten digits the page's picture. @param {number} n */
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
