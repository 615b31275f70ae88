// "Your last runs": the browser stores a small picture and the settings of each run.

import { context2d } from "../drawing/canvas.js";
import { button, el } from "../drawing/dom.js";
import { attempt } from "../messages/client.js";
import { WORDS } from "../words/page.js";

/** @import { Page } from "../app.js" */
/** @import { Player } from "../player/player.js" */
/** @import { Values } from "../messages/client.js" */
/** @typedef {{ part: string, values: Values, title: string, picture: string }} PastRun */

const MOST = 12;
const SIDE = 64; // height of a stored picture, in pixels
const NAME = "lab-runs";

/**
 * Return the last runs. Other pages at this address may have stored something else under this name, so every entry is
 * checked.
 * @returns {PastRun[]}
 */
export function read() {
  const runs = attempt(() => JSON.parse(localStorage.getItem(NAME) ?? "[]"));
  const isRun = (/** @type {any} */ run) => typeof run?.part === "string" && run.values instanceof Object;
  return Array.isArray(runs) ? runs.filter(isRun).slice(0, MOST) : [];
}

/** Return a small copy of a canvas as a data URL. @param {HTMLCanvasElement} canvas */
function small(canvas) {
  const width = (SIDE * canvas.width) / canvas.height;
  const copy = el("canvas", { width, height: SIDE });
  const context = context2d(copy);
  context.imageSmoothingEnabled = canvas.height > SIDE;
  context.drawImage(canvas, 0, 0, width, SIDE);
  return copy.toDataURL("image/webp", 0.8);
}

export class Past {
  /** @param {Page} page @param {Player} player */
  constructor(page, player) {
    this.page = page;
    this.player = player;
    this.element = el("div", { class: "past" });
    addEventListener("runs", () => this.#draw());
    this.#draw();
  }

  /** Add the run that the player has just finished. @param {string} part @param {Values} values of the run */
  async add(part, values) {
    const { plan } = this.player.view.coming;
    const picture = small(await this.player.painted());
    const same = JSON.stringify([part, values]);
    const others = read().filter((run) => JSON.stringify([run.part, run.values]) !== same);
    const runs = [{ part, values, title: plan?.title ?? "", picture }, ...others].slice(0, MOST);
    attempt(() => localStorage.setItem(NAME, JSON.stringify(runs)));
    dispatchEvent(new CustomEvent("runs"));
  }

  /** Show a button for each of the last runs. */
  #draw() {
    const runs = read();
    this.element.hidden = !runs.length;
    const buttons = runs.map(({ part, values, title, picture }) => {
      const open = () => this.page.open(part, values, { push: true, cause: "press" });
      return button({ title, "aria-label": title }, open, el("img", { src: picture, alt: "" }));
    });
    this.element.replaceChildren(el("span", null, WORDS.past), ...buttons);
  }
}
