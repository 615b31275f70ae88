// The lines of HTML that show a part of the lab in other people's pages: its figure, or the part itself where none is like it.

import { WORDS } from "../words/figures.js";
import { SHARE } from "../words/page.js";

/** @import { Item, Values } from "../messages/client.js" */
/** The name of a figure and its values, as its attributes. @typedef {{ name: string, t?: string }} Shown */

const HEIGHT = 800; // pixels: the tallest figure, the square between four words, has 796 at widths from 480

/** The figure that shows what a part shows, by the name of the part. @type {Record<string, (values: Values) => Shown>} */
const FIGURES = {
  watch: () => ({ name: "jump" }),
  compare: () => ({ name: "step" }),
  between: () => ({ name: "words" }),
  forward: ({ t }) => ({ name: "noise", t: String(t) }),
  latents: ({ times }) => ({ name: "guess", ...(times ? { t: String(times).split(/[\s,;]+/)[0] } : {}) }), // without times it takes its own
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
