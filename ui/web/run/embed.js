// The HTML with which other people show a part of the lab in their pages. It shows the part's figure, or the part
// itself if it has no figure.

import { WORDS } from "../words/figures.js";
import { SHARE } from "../words/page.js";

/** @import { Item, Values } from "../messages/client.js" */
/** The attributes of a figure: its name, and the time t for some figures. @typedef {{ name: string, t?: string }} Shown */

const HEIGHT = 800; // pixels; the tallest figure, "words", needs 796 if it is at least 480 wide

/** For each part, the figure with the same content. @type {Record<string, (values: Values) => Shown>} */
const FIGURES = {
  watch: () => ({ name: "jump" }),
  compare: () => ({ name: "step" }),
  between: () => ({ name: "words" }),
  forward: ({ t }) => ({ name: "noise", t: String(t) }),
  // Without the attribute t, the figure uses its default time
  latents: ({ times }) => ({ name: "guess", ...(times ? { t: String(times).split(/[\s,;]+/)[0] } : {}) }),
  network: () => ({ name: "inside" }),
  train: () => ({ name: "learned" }),
};

/**
 * Return the entries of the Share menu that copy the HTML.
 * @param {string} part @param {Values} values @param {string} link the address of the part with these values
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
