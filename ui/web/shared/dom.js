// Making and finding elements. Text is always set as text, never parsed: a checkpoint's name is user input.

/** @typedef {Record<string, string | number | boolean>} Attributes */

/**
 * A new HTML element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes | null} attributes
 * @param {...(Node | string)} children
 */
export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/**
 * A button, and what it does when it is pressed.
 * @param {Attributes | null} attributes
 * @param {() => unknown} act
 * @param {...(Node | string)} children
 */
export function button(attributes, act, ...children) {
  const node = el("button", { type: "button", ...attributes }, ...children);
  node.addEventListener("click", act);
  return node;
}

/**
 * A new SVG element.
 * @param {string} tag
 * @param {Attributes} attributes
 * @param {...Node} children
 */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/**
 * A table whose first column is of headings.
 * @param {string} caption
 * @param {(string | Node)[]} heads
 * @param {(string | Node)[][]} rows
 * @param {number} [ours] how many columns are ours; those after it are published
 */
export function table(caption, heads, rows, ours = heads.length) {
  const whose = (/** @type {number} */ i) => (i < ours ? "" : "theirs");
  const head = el("tr", null, ...heads.map((text, i) => el("th", { scope: "col", class: whose(i) }, text)));
  const body = rows.map(([first, ...cells]) => {
    const others = cells.map((cell, i) => el("td", { class: whose(i + 1) }, cell));
    return el("tr", null, el("th", { scope: "row" }, first), ...others);
  });
  const content = el("table", null, el("caption", null, caption), el("thead", null, head), el("tbody", null, ...body));
  return el("div", { class: "scroll" }, content);
}

/**
 * The first element that fits a selector; throws where there is none.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type what it must be, as in `HTMLInputElement`
 * @returns {T}
 */
export function find(root, selector, type) {
  const node = root.querySelector(selector);
  if (!(node instanceof type)) throw new Error(`there is no ${type.name} ${selector}`);
  return node;
}

/**
 * All elements that fit a selector.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T[]}
 */
export function all(root, selector, type) {
  /** @type {T[]} */
  const found = [];
  for (const node of root.querySelectorAll(selector)) if (node instanceof type) found.push(node);
  return found;
}

/**
 * Where an element that an event came from lies, or null: `closest` for an event's target.
 * @param {Event} event
 * @param {string} selector
 */
export function within(event, selector) {
  return event.target instanceof Element ? event.target.closest(selector) : null;
}

/**
 * A canvas's two-dimensional context.
 * @param {HTMLCanvasElement} canvas
 */
export function context2d(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser has no canvas");
  return context;
}

/**
 * Call take(share of the width, 0 to 1) while a pointer is held down on an element.
 * @param {HTMLElement} area
 * @param {(share: number) => void} take
 */
export function onScrub(area, take) {
  /** @param {PointerEvent} event */
  const scrub = (event) => {
    const { left, width } = area.getBoundingClientRect();
    take((event.clientX - left) / width);
  };
  area.classList.add("scrubbed");
  area.addEventListener("pointerdown", (event) => {
    area.setPointerCapture(event.pointerId);
    scrub(event);
  });
  area.addEventListener("pointermove", (event) => {
    if (event.buttons) scrub(event);
  });
}
