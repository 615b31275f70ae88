// A table that scrolls if it is wider than the page.

import { WORDS } from "../words/page.js";
import { el } from "./dom.js";

/**
 * Create a table whose first column contains headings.
 * @param {string} caption
 * @param {(string | Node)[]} heads
 * @param {(string | Node)[][]} rows
 * @param {number} [ours] the number of columns with our own numbers; the columns after them have published numbers
 */
export function table(caption, heads, rows, ours = heads.length) {
  /** Return the CSS class of a column. */
  const whose = (/** @type {number} */ i) => (i < ours ? "" : "theirs");
  /** Create the heading of column i; an empty cell without a text. */
  const headed = (/** @type {string | Node} */ text, /** @type {number} */ i) =>
    text ? el("th", { scope: "col", class: whose(i) }, text) : el("td", null);
  const head = el("tr", null, ...heads.map(headed));
  const body = rows.map(([first, ...cells]) => {
    const others = cells.map((cell, i) => el("td", { class: whose(i + 1) }, cell));
    return el("tr", null, el("th", { scope: "row" }, first), ...others);
  });
  const content = el("table", null, el("caption", null, caption), el("thead", null, head), el("tbody", null, ...body));
  return el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": caption || WORDS.table }, content);
}
