// A sheet over the page: it has a name, takes the focus and gives it back. Escape or a press beside it closes it.
import { el } from "./dom.js";

/** A sheet, which `showModal` opens. @param {string} kind its class of CSS @param {string} name that a screen reader says @param {...Node} children */
export function sheet(kind, name, ...children) {
  const inside = el("div", { tabindex: -1, autofocus: true }, ...children);
  const node = el("dialog", { class: `sheet ${kind}`, "aria-label": name }, inside);
  node.addEventListener("click", (event) => {
    if (event.target === node) node.close(); // a press on what is inside has another target
  });
  return node;
}
