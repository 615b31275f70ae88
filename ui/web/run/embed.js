// The HTML with which other people show a part of the lab in their pages. It shows the part's figure, or the part
// itself if it has no figure.

import { WORDS } from "../words/figures.js";
import { SHARE } from "../words/page.js";

/** @import { Item, Values } from "../messages/client.js" */
/** The name of a figure and its values, as its attributes. @typedef {{ name: string, t?: string }} Shown */

const HEIGHT = 800; // pixels: the tallest figure, the square between four words, has 796 at widths from 480

/** For each part, the figure that shows the same. @type {Record<string, (values: Values) => Shown>} */
const FIGURES = {
  watch: () => ({ name: "jump" }),
  compare: () => ({ name: "step" }),
  between: () => ({ name: "words" }),
  forward: ({ t }) => ({ name: "noise", t: String(t) }),
  // Without this attribute the figure uses its own times
  latents: ({ times }) => ({ name: "guess", ...(times ? { t: String(times).split(/[\s,;]+/)[0] } : {}) }),
  network: () => ({ name: "inside" }),
  train: () => ({ name: "learned" }),
};

/**
 * Return the entries of Share that copy these lines.
 * @param {string} part @param {Values} values @param {string} link to the part with these values
 * @param {{ frame: string, figures: string }} given addresses: see `Given` of app.js @returns {Item[]}
 */
export function embeds(part, values, link, { frame, figures }) {
  const shown = Object.hasOwn(FIGURES, part) ? FIGURES[part](values) : null;
  const address = new URL(frame, document.baseURI);
  if (shown) address.search = String(new URLSearchParams(shown));
  const line = WORDS.frame(shown ? address.href : link, HEIGHT, shown ? WORDS.names[shown.name] : document.title);
  const entry = (/** @type {string} */ title, /** @type {string} */ text) => ({
    title,
    copy: () => text,
    what: SHARE.theLine,
  });
  const module = new URL(figures, document.baseURI).href;
  const attributes = Object.entries(shown ?? {}).map(([name, value]) => ` ${name}="${value}"`);
  const element = `<script type="module" src="${module}"></script><ddpm-figure${attributes.join("")}></ddpm-figure>`;
  return [entry(SHARE.embed, line), ...(shown && figures ? [entry(SHARE.embedFigure, element)] : [])];
}
