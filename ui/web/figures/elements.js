// What figures are made of: sliders, rows of pictures, buttons.

import { el, write } from "../drawing/dom.js";
import { attribute } from "../words/symbols.js";

/** What the text of an essay, a link or a key can set. @typedef {{ element: HTMLElement, value: number | string, set: (value: string | number) => void }} Control */

let made = 0; // ids of one page

/**
 * A range with its name and value above it.
 * @implements {Control}
 */
export class Slider {
  /**
   * @param {{ name: string, min: number, max: number, step?: number, value: number, ends?: [string, string], say?: (value: number) => string }} of
   *   say: the value in words, which a screen reader says, too
   * @param {() => void} changed
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

  get value() {
    return Number(this.input.value);
  }

  /** @param {string | number} value another one counts as the nearest */
  set(value) {
    if (!Number.isFinite(Number(value))) return;
    this.input.value = String(value);
    this.#show(true);
  }

  /** @param {boolean} tell */
  #show(tell) {
    const { input, value } = this;
    const [min, max] = [Number(input.min), Number(input.max)];
    input.style.setProperty("--at", `${(100 * (value - min)) / (max - min)}%`);
    write(this.now, this.say(value));
    attribute(input, "aria-valuetext", this.say(value));
    if (tell) this.changed();
  }
}

/** Pictures with words under them. @param {HTMLElement} picture @param {string} text @param {string} [kind] */
export const titled = (picture, text, kind = "") =>
  el("div", { class: `titled ${kind}` }, picture, el("div", { class: "title" }, text));

/** Pictures side by side. @param {(Node | string)[]} pictures @param {string} [name] that a screen reader says of them together @param {number} [count] of a line, where it is not the usual one */
export const row = (pictures, name = "", count = 0) =>
  el(
    "div",
    { class: "row", ...(count && { style: `--count: ${count}` }), ...(name && { role: "img", "aria-label": name }) },
    ...pictures,
  );

/** Pictures side by side, and before them what they are. @param {string} name @param {Node[]} pictures */
export const namedRow = (name, pictures) =>
  el("div", { class: "named" }, el("div", { class: "title" }, name), row(pictures));

/** @param {...HTMLElement} all */
export const buttons = (...all) => el("div", { class: "buttons" }, ...all);

/** What is said above a part of a figure. @param {string} text */
export const label = (text) => el("p", { class: "label" }, text);

/** What a figure says of itself, as it changes. @param {string} [text] */
export const note = (text = "") => el("p", { class: "note", role: "status" }, text);
