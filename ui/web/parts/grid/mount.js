// Draws the part "Grid": a table of pictures from the same seed. Columns are numbers of steps; rows are variances or
// samplers. A press on a cell opens its run in the part "Watch".
import { button, el } from "../../drawing/dom.js";
import { meanings } from "../../drawing/meanings.js";
import { NOISE, soon } from "../../drawing/motion.js";
import { table } from "../../drawing/table.js";
import { show } from "../../pictures/sprite.js";
import { Panel } from "../../run/panel.js";
import { WAYS } from "../../words/meanings.js";
import { countOfSteps } from "../../words/units.js";
import { WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { Values } from "../../messages/client.js" */
/** @import { Plan, Result } from "../../player/recording.js" */
/** @import { Sprite } from "../../pictures/sprite.js" */

/** Build the part. @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Grid(page, part).asPart();

/** The part's view. Its element has the number of cells with a picture in data-cells. */
class Grid {
  /** @type {Plan | null} */
  #plan = null;
  /** The <img> element of each cell. @type {HTMLImageElement[]} */
  #images = [];
  /** The index k of the newest step of each cell; -1 before the cell's first step. @type {number[]} */
  #steps = [];
  /** The pictures of each cell after its newest step. @type {(Sprite | null)[]} */
  #pictures = [];
  #box = el("div", { class: "cells-of-grid" });
  #drawSoon = soon(() => {
    for (const [i, picture] of this.#pictures.entries()) if (picture) show(this.#images[i], picture);
  }, NOISE);

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    this.page = page;
    /** @type {Panel<Result>} */
    this.panel = new Panel(page, part, this);
    this.panel.stage.append(el("p", null, WORDS.lead), meanings(...WAYS), this.panel.origin, this.#box);
  }

  /** Return the functions through which the page uses this part. */
  asPart() {
    return this.panel.asPart(["png", "csv", "zip"], () => this.#isBegun, {
      title: () => this.#title,
      slide: () => this.#slide(),
    });
  }

  // --- Functions that the panel calls

  /** Draw a result of the newest run. @param {Result} result */
  take(result) {
    if (result.kind === "plan") return this.#build(result);
    const { lane, k, x } = result;
    if (k < this.#steps[lane]) return;
    this.#steps[lane] = k;
    this.#pictures[lane] = x;
    if (this.#images[lane].src) this.#drawSoon();
    else show(this.#images[lane], x);
  }

  /** Write the number of cells with a picture into data-cells. */
  render() {
    this.panel.element.dataset.cells = String(this.#pictures.filter(Boolean).length);
  }

  // --- The table

  /** Whether at least one cell has a picture. */
  get #isBegun() {
    return this.#pictures.some(Boolean);
  }

  /** The run's short title; "" before the first run. */
  get #title() {
    return this.#plan?.heading ?? "";
  }

  /** Build an empty table for a run. @param {Plan} plan */
  #build(plan) {
    const { lanes } = plan;
    this.#plan = plan;
    this.#steps = lanes.map(() => -1);
    this.#pictures = lanes.map(() => null);
    this.#images = lanes.map(({ name }) => el("img", { alt: name }));
    const columns = [...new Set(lanes.map(({ settings }) => Number(settings.steps)))];
    /** @type {Record<string, Record<string, HTMLElement>>} */
    const cells = {};
    for (const [i, { name, settings }] of lanes.entries()) {
      const [way] = name.split(",");
      const values = { ...this.panel.ran, ...settings, count: plan.count };
      cells[way] ??= {};
      cells[way][Number(settings.steps)] = button(
        { title: WORDS.watch(name) },
        () => this.#watch(values),
        this.#images[i],
      );
    }
    const rows = Object.entries(cells).map(([way, row]) => [way, ...columns.map((n) => row[n] ?? "")]);
    this.#box.style.setProperty("--pictures", String(plan.count));
    this.#box.classList.toggle("pixelated", plan.pixelated);
    this.#box.replaceChildren(table("", ["", ...columns.map(countOfSteps)], rows));
  }

  /** Open the part "Watch" with the values of a cell, and run it there. @param {Values} values */
  #watch(values) {
    return this.page.open("watch", this.page.whole("watch", values), { push: true, cause: "press" });
  }

  /** Return the table as a slide. */
  async #slide() {
    const { title: settings = "", lanes = [] } = this.#plan ?? {};
    const columns = new Set(lanes.map((lane) => lane.settings.steps)).size;
    const tiles = this.#images.map((picture, i) => ({ picture, label: lanes[i].name }));
    return { title: this.#title, tiles, columns, said: "", settings };
  }
}
