// The drawing pad of Train: small drawings of a few strokes each, on a sheet of as many pixels as the network sees.
import { context2d } from "../../drawing/canvas.js";
import { button, el } from "../../drawing/dom.js";
import { Sheet } from "../../drawing/sheet.js";
import { SHEET, VARIED } from "../../learning/drawings.js";
import { attempt, kept } from "../../messages/client.js";
import { PAD } from "./words.js";

/** @import { Stroke } from "../../drawing/sheet.js" */
/** @typedef {Stroke[]} Drawing */

const { side: SIDE, units: UNITS, pen: WIDTH, fewest: FEWEST, most: MOST, points: LONGEST } = SHEET;
const SMALLEST = 2; // pixels that a stroke has at least, or it was a slip

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
  #hands = new Sheet(SHEET, {
    drawn: (stroke) => this.#add(stroke),
    moved: () => this.#draw(),
    used: () => this.#now.flat().length / 2,
  });

  /** @param {() => void} changed something was drawn, or taken away */
  constructor(changed) {
    this.changed = changed;
    this.sheet = el("canvas", {
      class: "sheet",
      width: 10 * SIDE,
      height: 10 * SIDE,
      tabindex: 0,
      role: "application",
      "aria-label": PAD.sheet,
    });
    this.said = el("p", { class: "drawn-so-far", role: "status" });
    this.row = el("div", { class: "drawn", role: "list", "aria-label": PAD.drawings });
    this.undo = button({ class: "preset" }, () => this.#back(), PAD.undo);
    this.clear = button({ class: "preset" }, () => this.#change([[]]), PAD.clear);
    this.next = button({ class: "button next" }, () => this.#turn(), PAD.next);
    const name = el("p", { class: "name" }, PAD.title(MOST));
    this.element = el("div", { class: "field pad" }, name, this.sheet, this.next);
    this.element.append(el("div", { class: "row" }, this.said, this.undo, this.clear), this.row);
    this.element.append(el("p", { class: "info" }, PAD.how(VARIED.count)));
    this.#listen();
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

  // --- Hands

  #listen() {
    const { sheet } = this;
    this.#hands.listen(sheet);
    sheet.addEventListener("keydown", (event) => {
      const does = { z: () => this.#back(), n: () => this.#turn() }[event.key];
      if (!this.#hands.key(event) && !does) return;
      event.preventDefault();
      event.stopPropagation();
      does?.();
    });
  }

  /** A stroke belongs to the drawing, unless it was a slip. @param {Stroke} stroke */
  #add(stroke) {
    const extent = (/** @type {number} */ axis) => {
      const values = stroke.filter((_, i) => i % 2 === axis);
      return Math.max(...values) - Math.min(...values);
    };
    if (stroke.length > 2 && Math.max(extent(0), extent(1)) >= SMALLEST * UNITS)
      this.#change([...this.#all.slice(0, -1), [...this.#now, stroke]]);
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
        this.#paint(one, drawing);
        return one;
      }),
    );
    this.#draw();
  }

  #draw() {
    const { line, pen, isByKeys } = this.#hands;
    this.#paint(this.sheet, [...this.#now, line]);
    if (!isByKeys) return;
    const context = context2d(this.sheet);
    const [x, y] = pen.map((v) => v * this.sheet.width);
    context.strokeStyle = "#888";
    context.lineWidth = 3;
    context.beginPath();
    context.arc(x, y, 12, 0, 2 * Math.PI);
    context.stroke();
  }

  /** @param {HTMLCanvasElement} canvas @param {Drawing} drawing */
  #paint(canvas, drawing) {
    const context = context2d(canvas);
    const pixel = canvas.width / SIDE;
    context.fillRect(0, 0, canvas.width, canvas.height);
    Object.assign(context, { strokeStyle: "#fff", lineWidth: WIDTH * pixel, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    for (const stroke of drawing)
      for (let i = 0; i < stroke.length; i += 2) {
        const [x, y] = [(stroke[i] * pixel) / UNITS, (stroke[i + 1] * pixel) / UNITS];
        if (!i) context.moveTo(x, y);
        context.lineTo(x, y); // a line of one point becomes a dot
      }
    context.stroke();
  }
}
