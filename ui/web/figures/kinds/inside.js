// The U-Net, and the picture that a linear probe reads from each block's output. A button replaces the output of one
// block by its output from a run that draws a 6.

import { button, el, svg, write } from "../../drawing/dom.js";
import { INSIDE } from "../../words/figures.js";
import { buttons, Slider } from "../elements.js";
import { picture } from "../picture.js";
import { noisy } from "../process.js";

/** @import { Control } from "../elements.js" */
/** @import { Figure } from "../figure.js" */
/** @import { Opened } from "../verbs/inside.js" */

const [START, SEED, STEPS] = [620, 7, 10];
const [BLOCK, LABEL] = ["middle", 6];
/** The column and row of each block in the drawing, counted from 1. @type {Record<string, [column: number, row: number]>} */
const PLACES = {
  ...{
    "down 1": [2, 1],
    "down 2": [2, 2],
    "down 3": [2, 3],
    middle: [3, 3],
    "up 1": [4, 3],
    "up 2": [4, 2],
    "up 3": [4, 1],
  },
};
const WIDE = ["100%", "78%", "60%"]; // width of the tiles in each row, in per cent of a column
const WAY = "M0,16H30V84H70V16H100"; // SVG path of the line behind the blocks

/** Put an element, with a text below it, at a place of the drawing. @param {HTMLElement} element @param {string} text @param {[column: number, row: number]} place @param {string} [wide] the width of the element */
const placed = (element, text, [column, row], wide = "100%") =>
  el(
    "div",
    { style: `grid-column: ${column}; grid-row: ${row}; --wide: ${wide}` },
    element,
    el("div", { class: "small" }, text),
  );

/** The drawing of the U-Net: its input, the pictures of its blocks, and its output. */
class Net {
  /** @param {Figure} figure */
  constructor(figure) {
    this.x = figure.tile("ink", INSIDE.x);
    this.guess = figure.tile("guess", INSIDE.guess);
    this.own = figure.tile("ink", INSIDE.own);
    this.end = figure.tile("ink", INSIDE.end);
    const blocks = Object.entries(PLACES).map(([name, place]) => {
      const tile = figure.tile("guess", INSIDE.block(name));
      const level = place[1] - 1;
      const box = placed(tile.element, INSIDE.side(28 / 2 ** level), place, WIDE[level]);
      return /** @type {const} */ ([name, { tile, box }]);
    });
    this.blocks = Object.fromEntries(blocks);
    const way = svg("path", { d: WAY, "vector-effect": "non-scaling-stroke" });
    this.element = el(
      "div",
      { class: "net" },
      placed(this.x.element, "xₜ", [1, 1]),
      placed(this.guess.element, INSIDE.guess, [5, 1]),
      placed(this.own.element, INSIDE.own, [1, 3]),
      placed(this.end.element, INSIDE.end, [5, 3]),
      ...blocks.map(([, { box }]) => box),
      svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, way),
    );
  }

  /** Show a step of the run. @param {ArrayLike<number>} x the network's input @param {Opened} step */
  show(x, { x0, blocks }) {
    this.x.paint(x);
    this.guess.paint(x0);
    for (const { name, says } of blocks) this.blocks[name].tile.paint(says);
  }
}

/**
 * The button that adds the graft (a block's output from a run that draws a 6), or removes it.
 * @implements {Control}
 */
class Graft {
  value = 0;

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.element = button({ "aria-pressed": "false" }, () => this.set(1 - this.value), INSIDE.graft);
  }

  /** Add or remove the graft. @param {string | number} value 1 or 0 */
  set(value) {
    this.value = Number(value) ? 1 : 0;
    this.element.setAttribute("aria-pressed", String(this.value === 1));
    write(this.element, this.value ? INSIDE.back : INSIDE.graft);
    this.changed();
  }
}

/** Fill a figure with the drawing of the U-Net, a slider for the step, and the button for the graft. Return the controls and the function that draws the figure. @param {Figure} figure */
export function inside(figure) {
  /** The steps of the run without the graft, and with it. @type {[Opened[], Opened[]]} */
  let lanes = [[], []];
  const changed = () => {
    show();
    figure.changed();
  };
  const net = new Net(figure);
  const k = new Slider({ name: INSIDE.k, min: 1, max: STEPS, value: 5, say: INSIDE.at(STEPS) }, changed);
  const graft = new Graft(changed);
  figure.body.append(net.element, k.element, buttons(graft.element));

  /** Show the chosen step, with or without the graft. */
  function show() {
    const whole = lanes[graft.value];
    const run = whole.slice(0, k.value); // until step k is computed, its last step is the newest one
    const at = run.at(-1);
    net.blocks[BLOCK].box.classList.toggle("lit", graft.value === 1);
    net.end.paint(whole[STEPS - 1]?.x ?? null);
    if (at) net.show(run.at(-2)?.x ?? noisy(picture.x, START, SEED), at);
  }

  /** Compute both runs for the reader's picture. */
  function begin() {
    lanes = [[], []];
    net.own.paint(picture.x);
    const run = { from: { x0: picture.x, t: START, seed: SEED }, steps: STEPS, sampler: "ddim" };
    figure.ask("inside", "inside", { run, block: BLOCK, label: LABEL }, (opened) => {
      lanes[opened.lane].push(opened);
      show();
    });
  }
  return { controls: { k, graft }, update: begin };
}
