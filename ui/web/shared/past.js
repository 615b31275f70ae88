// "Your last runs": small pictures of them with their settings, kept in the browser.
import { attempt } from "./client.js";
import { button, el } from "./dom.js";

/** @import { Lab } from "../app.js" */
/** @import { Values } from "./client.js" */
/** @typedef {{ part: string, values: Values, title: string, picture: string }} PastRun */

const MOST = 12;
const SIDE = 64; // pixels of a picture
const NAME = "lab-runs";

/** @returns {PastRun[]} */
function read() {
  const runs = attempt(() => JSON.parse(localStorage.getItem(NAME) ?? "[]"));
  return Array.isArray(runs) ? runs : [];
}

/** @param {HTMLCanvasElement} canvas */
function small(canvas) {
  const copy = el("canvas", { width: SIDE, height: SIDE });
  const context = copy.getContext("2d");
  if (context) context.imageSmoothingEnabled = canvas.width > SIDE;
  context?.drawImage(canvas, 0, 0, SIDE, SIDE);
  return copy.toDataURL("image/webp", 0.8);
}

export class Past {
  /** @param {Lab} lab */
  constructor(lab) {
    this.lab = lab;
    this.element = el("div", { class: "past" });
    this.#draw();
  }

  /** A run has finished. @param {string} part @param {Values} values @param {string} title @param {HTMLCanvasElement} canvas */
  add(part, values, title, canvas) {
    const others = read().filter((run) => run.title !== title);
    const runs = [{ part, values, title, picture: small(canvas) }, ...others].slice(0, MOST);
    attempt(() => localStorage.setItem(NAME, JSON.stringify(runs)));
    this.#draw();
  }

  #draw() {
    const runs = read();
    this.element.hidden = !runs.length;
    const buttons = runs.map(({ part, values, title, picture }) => {
      const open = () => this.lab.open(part, values, { push: true, eager: true });
      return button({ title, "aria-label": title }, open, el("img", { src: picture, alt: "" }));
    });
    this.element.replaceChildren(el("span", null, "Your last runs"), ...buttons);
  }
}
