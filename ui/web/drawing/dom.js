// Create and find elements. Text is always set as text and never parsed as HTML, because some texts, such as a
// checkpoint's name, come from users.

import { attribute, nameSymbols, spoken, symbols } from "../words/symbols.js";

/** @typedef {Record<string, string | number | boolean>} Attributes */

/**
 * Create an HTML element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes | null} attributes
 * @param {...(Node | string)} children
 */
export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) attribute(node, name, String(value));
  node.append(...children.flatMap((child) => (typeof child === "string" ? symbols(child) : child)));
  return node;
}

/**
 * Replace the content of an element by a text. If only words and numbers change, reuse the nodes: for a new node, the
 * browser must match selectors with :has and :empty again, which is slow.
 * @param {Element} node @param {string} text
 */
export function write(node, text) {
  if (node.textContent === text) return;
  const [parts, now] = [symbols(text), [...node.childNodes]];
  const stays = (/** @type {Node | string} */ part, /** @type {number} */ i) =>
    typeof part === "string" ? now[i] instanceof Text : part.isEqualNode(now[i]) || (isPlain(part) && isPlain(now[i]));
  if (parts.length !== now.length || !parts.every(stays)) return node.replaceChildren(...parts);
  for (const [i, part] of parts.entries()) {
    const [old, text] = [now[i], typeof part === "string" ? part : part.textContent];
    if (old.textContent === text) continue;
    (old instanceof Element ? /** @type {Node} */ (old.firstChild) : old).nodeValue = text;
    if (old instanceof Element && part instanceof Element) old.ariaLabel = part.ariaLabel;
  }
}

/** Return whether a node is a symbol that contains only a text, without a tilde or an index. @param {Node} node */
const isPlain = (node) =>
  node instanceof Element && node.role === "img" && node.childNodes.length === 1 && node.firstChild instanceof Text;

/** Create an option of a list. Its text is plain, because an option can't contain elements. @param {string} text @param {string} value */
export function option(text, value) {
  const node = new Option(text, value);
  if (spoken(text) !== text) node.setAttribute("aria-label", spoken(text));
  return node;
}

/** Fill an element with HTML of the project, never of users, and name its symbols for screen readers. @param {Element} node @param {string} html */
export function markup(node, html) {
  node.innerHTML = html;
  nameSymbols(node);
}

/**
 * Create a button that calls `act` when it is pressed.
 * @param {Attributes | null} attributes
 * @param {(event: MouseEvent) => unknown} act
 * @param {...(Node | string)} children
 */
export function button(attributes, act, ...children) {
  const node = el("button", { type: "button", ...attributes }, ...children);
  node.addEventListener("click", act);
  return node;
}

/**
 * Create an SVG element.
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
 * Create a dialog that `showModal` opens over the page. Escape or a press beside the dialog closes it.
 * @param {string} kind its CSS class @param {string} name for screen readers @param {...Node} children
 */
export function sheet(kind, name, ...children) {
  const inside = el("div", { tabindex: -1, autofocus: true }, ...children);
  const node = el("dialog", { class: `sheet ${kind}`, "aria-label": name }, inside);
  node.addEventListener("click", (event) => {
    if (event.target === node) node.close(); // only a press outside the content has the dialog itself as target
  });
  return node;
}

/**
 * Return the first element that matches a selector. Throws if there is none.
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} [type] the class that the element must have, such as HTMLInputElement
 * @returns {T}
 */
export function find(root, selector, type = /** @type {any} */ (HTMLElement)) {
  const node = root.querySelector(selector);
  if (!(node instanceof type)) throw new Error(`there is no ${type.name} ${selector}`);
  return node;
}

/**
 * Return all elements of a class that match a selector.
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} [type]
 */
export function all(root, selector, type = /** @type {any} */ (HTMLElement)) {
  return /** @type {T[]} */ ([...root.querySelectorAll(selector)].filter((node) => node instanceof type));
}

/**
 * Return the target of an event, or its nearest ancestor, that matches a selector; null if there is none.
 * @param {Event} event
 * @param {string} selector
 */
export function within(event, selector) {
  return event.target instanceof Element ? event.target.closest(selector) : null;
}

/** Disable or enable a button. If the button has the focus and is disabled, the focus moves to `next`. @param {HTMLButtonElement} one @param {boolean} disabled @param {HTMLElement} next */
export function disable(one, disabled, next) {
  const held = disabled && one === document.activeElement;
  one.disabled = disabled;
  if (held) next.focus();
}

/** Return whether an element is displayed on the page. @param {Element} element */
export const isShown = (element) => element.getClientRects().length > 0;
