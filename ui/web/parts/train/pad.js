// The drawing pad of the part "Train". A drawing has a few strokes, on a sheet with as many pixels as the network's
// pictures.
import { button, el } from "../../drawing/dom.js";
import { Paper } from "../../drawing/paper.js";
import { SHEET, VARIED } from "../../learning/drawings.js";
import { attempt, kept } from "../../messages/client.js";
import { PAD } from "./words.js";

/** @import { Stroke } from "../../drawing/sheet.js" */
/** @typedef {Stroke[]} Drawing */

const { fewest: FEWEST, most: MOST, points: LONGEST } = SHEET;

/** Read drawings from stored text. Return one empty drawing if the text is invalid. @param {string} text @param {number} most the largest number of drawings @returns {Drawing[]} */
export function drawingsIn(text, most) {
  const all = attempt(() => JSON.parse(text));
  /** Return whether a value is a list of lists. */
  const isListOfLists = (/** @type {unknown} */ found) => Array.isArray(found) && found.every(Array.isArray);
  const are = isListOfLists(all) && all.length > 0 && all.length <= most && all.every(isListOfLists);
  return are && all.flat(2).every(Number.isInteger) && all.flat(2).length <= 2 * LONGEST * most ? all : [[]];
}

/** The control with which visitors draw their training pictures. */
export class Pad {
  /** All drawings; the last one is on the sheet. @type {Drawing[]} */
  #all = [[]];
  /** The earlier states of #all, for Undo. @type {Drawing[][]} */
  #before = [];
  #paper = new Paper(
    SHEET,
    PAD.sheet,
    {
      strokes: () => this.#current,
      add: (stroke) => this.#change([...this.#all.slice(0, -1), [...this.#current, stroke]]),
    },
    { z: () => this.#undo(), n: () => this.#next() },
  );

  /** @param {() => void} changed called when the drawings have changed */
  constructor(changed) {
    this.changed = changed;
    this.sheet = this.#paper.canvas;
    this.said = el("p", { class: "drawn-so-far", role: "status" });
    this.row = el("div", { class: "drawn", role: "list", "aria-label": PAD.drawings });
    this.undo = button({ class: "preset" }, () => this.#undo(), PAD.undo);
    this.clear = button({ class: "preset" }, () => this.#change([[]]), PAD.clear);
    this.next = button({ class: "button next" }, () => this.#next(), PAD.next);
    const name = el("p", { class: "name" }, PAD.title(MOST));
    this.element = el("div", { class: "field pad" }, name, this.sheet, this.next);
    this.element.append(el("div", { class: "row" }, this.said, this.undo, this.clear), this.row);
    this.element.append(el("p", { class: "info" }, PAD.how(VARIED.count)));
    this.#keepOverReload();
    this.#render();
  }

  /** The drawings that are not empty. */
  get drawings() {
    return this.#all.filter(({ length }) => length);
  }

  /** The drawing on the sheet. */
  get #current() {
    return this.#all[this.#all.length - 1];
  }

  /** Replace all drawings. Undo brings the earlier drawings back. @param {Drawing[]} all */
  #change(all) {
    this.#before.push(this.#all);
    this.#show(all);
  }

  /** Take back the last change. */
  #undo() {
    this.#show(this.#before.pop() ?? this.#all);
  }

  /** Replace all drawings without a step for Undo. @param {Drawing[]} all */
  #show(all) {
    this.#all = all;
    this.#render();
    this.changed();
  }

  /** Begin the next drawing on an empty sheet. */
  #next() {
    if (!this.next.disabled) this.#change([...this.#all, []]);
    this.sheet.focus();
  }

  /** Keep the drawings when the page is reloaded. They are stored only during the reload, so that a copy of the window starts without them. */
  #keepOverReload() {
    /** Remove the stored text, and return it. */
    const take = () => {
      const text = kept.get("drawings");
      kept.remove("drawings");
      return text;
    };
    this.#all = drawingsIn(take() ?? "", MOST);
    this.#before = this.#all.map((_, i) => [...this.#all.slice(0, i), []]);
    addEventListener("pagehide", () => this.drawings.length && kept.set("drawings", JSON.stringify(this.#all)));
    addEventListener("pageshow", take);
  }

  // --- Drawing the page

  /** Show the drawings, their number and the buttons that can be pressed. */
  #render() {
    const { drawings } = this;
    this.said.textContent = PAD.drawn(drawings.length, FEWEST, MOST);
    this.element.dataset.drawn = String(drawings.length);
    this.undo.disabled = !this.#before.length;
    this.clear.disabled = !drawings.length;
    this.next.disabled = !this.#current.length || this.#all.length >= MOST;
    this.row.replaceChildren(
      ...drawings.map((drawing, i) => {
        const one = el("canvas", { width: 56, height: 56, role: "listitem", "aria-label": PAD.drawing(i + 1) });
        this.#paper.paint(one, drawing);
        return one;
      }),
    );
    this.#paper.draw();
  }
}
