// What figures are made of: elements, sliders, choices, buttons. Texts are set as texts, and symbols in them get names.

import { attribute, symbols } from "../words/symbols.js";

/** @typedef {Record<string, string | number | boolean>} Attributes */

/**
 * A new HTML element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Attributes | null} attributes @param {...(Node | string)} children
 */
export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false) attribute(node, name, String(value));
  }
  node.append(...children.flatMap((child) => (typeof child === "string" ? symbols(child) : child)));
  return node;
}

/** Write a text into an element. @param {Element} node @param {string} text */
export function write(node, text) {
  if (node.textContent !== text) node.replaceChildren(...symbols(text));
}

/** @param {string} text @param {() => unknown} act @param {Attributes} [attributes] */
export function button(text, act, attributes = {}) {
  const node = el("button", { type: "button", ...attributes }, text);
  node.addEventListener("click", act);
  return node;
}

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

/**
 * One of a few.
 * @implements {Control}
 */
export class Choice {
  /** @param {{ name: string, options: [value: string, label: string][], value: string }} of @param {() => void} changed */
  constructor({ name, options, value }, changed) {
    this.value = value;
    this.changed = changed;
    const group = `choice-${++made}`;
    this.inputs = options.map(([key]) =>
      el("input", { type: "radio", name: group, value: key, checked: key === value }),
    );
    const labels = options.map(([, text], i) => el("label", null, this.inputs[i], el("span", null, text)));
    this.element = el("fieldset", { class: "choice" }, el("legend", null, name), ...labels);
    this.element.addEventListener("change", () => this.set(this.inputs.find(({ checked }) => checked)?.value ?? value));
  }

  /** @param {string | number} value one that there is not changes nothing */
  set(value) {
    const input = this.inputs.find((one) => one.value === String(value));
    if (!input) return;
    input.checked = true;
    this.value = input.value;
    this.changed();
  }
}

/** Pictures with words under them. @param {HTMLElement} picture @param {string} text @param {string} [kind] */
export const titled = (picture, text, kind = "") =>
  el("div", { class: `titled ${kind}` }, picture, el("div", { class: "title" }, text));
