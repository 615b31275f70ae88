// The drawing pad of Train: small drawings of a few strokes each, on a sheet of as many pixels as the network sees.
import { button, el } from "../../drawing/dom.js";
import { Paper } from "../../drawing/paper.js";
import { SHEET, VARIED } from "../../learning/drawings.js";
import { attempt, kept } from "../../messages/client.js";
import { PAD } from "./words.js";

/** @import { Stroke } from "../../drawing/sheet.js" */
/** @typedef {Stroke[]} Drawing */

const { fewest: FEWEST, most: MOST, points: LONGEST } = SHEET;

/** Drawings that were kept as text; one that is empty where it holds none. @param {string} text @param {number} most @returns {Drawing[]} */
export function drawingsIn(text, most) {
  const all = attempt(() => JSON.parse(text));
  const lists = (/** @type {unknown} */ found) => Array.isArray(found) && found.every(Array.isArray);
  const are = lists(all) && all.length > 0 && all.length <= most && all.every(lists);
  return are && all.flat(2).every(Number.isInteger) && all.flat(2).length <= 2 * LONGEST * most ? all : [[]];
}

export class Pad {
  /** The last one is on the sheet. @type {Drawing[]} */
  #all = [[]];
  /** @type {Drawing[][]} what Undo goes back to */
  #before = [];
  #paper = new Paper(
    SHEET,
    PAD.sheet,
    { strokes: () => this.#now, add: (stroke) => this.#change([...this.#all.slice(0, -1), [...this.#now, stroke]]) },
    { z: () => this.#back(), n: () => this.#turn() },
  );

  /** @param {() => void} changed something was drawn, or taken away */
  constructor(changed) {
    this.changed = changed;
    this.sheet = this.#paper.canvas;
    this.said = el("p", { class: "drawn-so-far", role: "status" });
    this.row = el("div", { class: "drawn", role: "list", "aria-label": PAD.drawings });
    this.undo = button({ class: "preset" }, () => this.#back(), PAD.undo);
    this.clear = button({ class: "preset" }, () => this.#change([[]]), PAD.clear);
    this.next = button({ class: "button next" }, () => this.#turn(), PAD.next);
    const name = el("p", { class: "name" }, PAD.title(MOST));
    this.element = el("div", { class: "field pad" }, name, this.sheet, this.next);
    this.element.append(el("div", { class: "row" }, this.said, this.undo, this.clear), this.row);
    this.element.append(el("p", { class: "info" }, PAD.how(VARIED.count)));
    this.#keep();
    this.#render();
  }

  /** The drawings that have a stroke. */
  get drawings() {
    return this.#all.filter(({ length }) => length);
  }

  /** The one on the sheet. */
  get #now() {
    return this.#all[this.#all.length - 1];
  }

  /** @param {Drawing[]} all */
  #change(all) {
    this.#before.push(this.#all);
    this.#show(all);
  }

  #back() {
    this.#show(this.#before.pop() ?? this.#all);
  }

  /** @param {Drawing[]} all */
  #show(all) {
    this.#all = all;
    this.#render();
    this.changed();
  }

  /** The next drawing, on an empty sheet. */
  #turn() {
    if (!this.next.disabled) this.#change([...this.#all, []]);
    this.sheet.focus();
  }

  /** Drawings stay while the page is loaded again; a copy of the window has none. */
  #keep() {
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

  // --- What is seen

  #render() {
    const { drawings } = this;
    this.said.textContent = PAD.drawn(drawings.length, FEWEST, MOST);
    this.element.dataset.drawn = String(drawings.length);
    this.undo.disabled = !this.#before.length;
    this.clear.disabled = !drawings.length;
    this.next.disabled = !this.#now.length || this.#all.length >= MOST;
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
