// Writes the HTML with which other people show a part of the lab in their pages. The HTML shows the part's figure, or
// the part itself if it has no figure.

import { WORDS } from "../words/figures.js";

/** The attributes of a figure: its name, and the time t for some figures. @typedef {{ name: string, t?: string }} ShownFigure */

const HEIGHT = 800; // height of the frame in pixels; the tallest figure, "words", needs 796 pixels at a width of 480 pixels

/**
 * Return the HTML of a frame that shows a part.
 * @param {ShownFigure | undefined} shown the part's figure @param {string} link the address of the part
 * @param {string} address of the page that shows one figure
 */
export function frameOf(shown, link, address) {
  const page = new URL(address, document.baseURI);
  if (shown) page.search = String(new URLSearchParams(shown));
  return WORDS.frame(shown ? page.href : link, HEIGHT, shown ? WORDS.names[shown.name] : document.title);
}

/** Return the HTML that shows a figure as <ddpm-figure>. @param {ShownFigure} shown @param {string} address of the module that defines this element */
export function elementOf(shown, address) {
  const module = new URL(address, document.baseURI).href;
  const attributes = Object.entries(shown).map(([name, value]) => ` ${name}="${value}"`);
  return `<script type="module" src="${module}"></script><ddpm-figure${attributes.join("")}></ddpm-figure>`;
}
