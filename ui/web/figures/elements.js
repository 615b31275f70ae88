// The elements of figures: sliders, rows of pictures, buttons.

import { el, write } from "../drawing/dom.js";
import { attribute } from "../words/symbols.js";

/** A control with a value. Links, keys and the text of an essay can set the value. @typedef {{ element: HTMLElement, value: number | string, set: (value: string | number) => void }} Control */

let made = 0; // number of sliders so far, from which each slider gets an id

/**
 * A slider with its name and its value above it.
 * @implements {Control}
 */
export class Slider {
  /**
   * @param {{ name: string, min: number, max: number, step?: number, value: number, ends?: [string, string], say?: (value: number) => string }} of
   *   ends: texts at the two ends. say: returns the text of a value, which the page shows and screen readers read
   * @param {() => void} changed called at each change
   */
  constructor({ name, min, max, step = 1, value, ends, say = String }, changed) {
    this.say = say;
    this.changed = changed;
    const id = `range-${++made}`;
    this.input = el("input", { type: "range", id, min, max, step, value });
    this.now = el("span", { class: "now" });
    const [low, high] = ends ?? [String(min), String(max)];
    this.element = el(
      "div",
      { class: "slider" },
      el("label", { for: id }, el("span", null, name), " ", this.now),
      this.input,
      el("div", { class: "ends", "aria-hidden": "true" }, el("span", null, low), el("span", null, high)),
    );
    this.input.addEventListener("input", () => this.#show(true));
    this.#show(false);
  }

  /** The number that the reader chose. */
  get value() {
    return Number(this.input.value);
  }

  /** Set the value. @param {string | number} value is moved to the nearest allowed value */
  set(value) {
    if (!Number.isFinite(Number(value))) return;
    this.input.value = String(value);
    this.#show(true);
  }

  /** Show the value. @param {boolean} tell whether to call `changed` */
  #show(tell) {
    const { input, value } = this;
    const [min, max] = [Number(input.min), Number(input.max)];
    input.style.setProperty("--at", `${(100 * (value - min)) / (max - min)}%`);
    write(this.now, this.say(value));
    attribute(input, "aria-valuetext", this.say(value));
    if (tell) this.changed();
  }
}

/** Put a text under a picture. @param {HTMLElement} picture @param {string} text @param {string} [kind] the CSS class of the text */
export const titled = (picture, text, kind = "") =>
  el("div", { class: `titled ${kind}` }, picture, el("div", { class: "title" }, text));

/** Put pictures side by side. @param {(Node | string)[]} pictures @param {string} [name] a name of all pictures together, for screen readers @param {number} [count] number of pictures in a line, 0 for 5 */
export const row = (pictures, name = "", count = 0) =>
  el(
    "div",
    { class: "row", ...(count && { style: `--count: ${count}` }), ...(name && { role: "img", "aria-label": name }) },
    ...pictures,
  );

/** Put a name and its pictures side by side. @param {string} name @param {Node[]} pictures */
export const namedRow = (name, pictures) =>
  el("div", { class: "named" }, el("div", { class: "title" }, name), row(pictures));

/** Put buttons side by side. @param {...HTMLElement} all */
export const buttons = (...all) => el("div", { class: "buttons" }, ...all);

/** Make the heading of a part of a figure. @param {string} text */
export const label = (text) => el("p", { class: "label" }, text);

/** Make a line of text. Screen readers announce its changes. @param {string} [text] */
export const note = (text = "") => el("p", { class: "note", role: "status" }, text);
