// Shows the rows of pictures of the parts Latents and Repair, with a slider over the steps of their chains.

import { el, find, markup } from "../drawing/dom.js";
import { meanings } from "../drawing/meanings.js";
import { NOISE, soon } from "../drawing/motion.js";
import { Scrubber } from "../drawing/transport.js";
import { show } from "../pictures/sprite.js";
import { apart, seen, WORDS } from "../words/rows.js";
import { attribute } from "../words/symbols.js";

/** @import { RowEnd, RowHead, RowStep, SourcePicture } from "../messages/protocol.d.ts" */
/** @import { Sprite } from "../pictures/sprite.js" */

/** @import { Shown } from "../plans/rows.js" */
/** @typedef {Shown | SourcePicture | RowHead | RowStep | RowEnd} Result */
/** @typedef {{ k: number, s: number, x0: Sprite, x?: Sprite }} Held */

const MARKUP = `
<p class="lead"></p>
<div class="sources" hidden></div>
<div class="rows"></div>
<div class="transport" hidden><span class="at"></span></div>
`;

/**
 * Return the frame that a row shows at a share (0…1) of its steps: the last frame up to this share, or else the first
 * frame.
 * @param {Held[]} frames by rising k
 * @param {number} steps number of steps of the row
 * @param {number} share
 */
export function frameAt(frames, steps, share) {
  const k = Math.round(share * Math.max(steps - 1, 0));
  return frames.findLast((frame) => frame.k <= k) ?? frames[0];
}

export class Rows {
  /** @type {Shown | null} */
  plan = null;
  /** @type {Held[][]} */
  frames = [];
  /** The last result of each row, null while the row is not finished. @type {(RowEnd | null)[]} */
  ends = [];
  /** Whether the rows show x_s instead of the guess x̂_0. */
  state = false;
  /** Whether finished rows say how much their pictures differ from each other. */
  saysApart = true;
  #sources = ""; // names of the source pictures on screen
  /** @type {HTMLImageElement[]} */
  #images = [];
  #later = soon(() => this.render(), NOISE);

  /** @param {string} name CSS class of the element */
  constructor(name) {
    this.root = el("div", { class: `${name} chains` });
    markup(this.root, MARKUP);
    find(this.root, ".lead").after(meanings("latent", "y", "apart"));
    this.scrubber = new Scrubber(find(this.root, ".transport"), WORDS.step, () => this.render());
  }

  /** Number of finished rows. */
  get done() {
    return this.ends.filter(Boolean).length;
  }

  /** Add a result of the run and show it. @param {Result} result */
  take(result) {
    if (result.kind === "plan") this.#build(result);
    else if (!this.plan) return;
    else if (result.kind === "source") this.#showSource(result.i, result.x, result.final);
    else if (result.kind === "step") {
      const frames = this.frames[result.row];
      frames.push(result);
      if (frames.length === 1) this.#paint(result.row); // the first picture of a row comes before all text
      this.#later();
    } else if (result.kind === "row") {
      this.ends[result.row] = result;
      this.#writeSpread(result.row);
      this.render();
    } else this.#showHead(result);
  }

  /** Make the elements for the rows of a plan. @param {Shown} plan */
  #build(plan) {
    this.plan = plan;
    this.#images = [];
    const last = Math.max(1, ...plan.steps) - 1;
    this.scrubber.renew(last, last);
    this.frames = plan.titles.map(() => []);
    this.ends = plan.titles.map(() => null);
    const { root } = this;
    root.classList.toggle("pixelated", plan.pixelated);
    const place = find(root, ".sources");
    const sources = plan.sources.join();
    if (this.#sources !== sources)
      place.replaceChildren(
        ...plan.sources.map((name) =>
          el("figure", null, el("img", { alt: name }), el("figcaption", null, name, el("span", { class: "at" }))),
        ),
      );
    this.#sources = sources;
    place.hidden = false;
    const heads = el(
      "div",
      { class: "heads", "aria-hidden": "true" },
      ...plan.columns.map((name) => el("span", null, name)),
    );
    const lines = plan.titles.map((title) => {
      const image = el("img", { alt: "" });
      image.hidden = true;
      this.#images.push(image);
      const words = el("div", null, el("b", null, title), el("small", null, ""));
      const cells = el("div", { class: "cells", style: `--columns: ${plan.columns.length}` }, image);
      return el("div", { class: "line" }, el("div", { class: "head" }, words), cells);
    });
    find(root, ".rows").replaceChildren(heads, ...lines);
    this.render();
  }

  /** Show a source picture. @param {number} i index of the source @param {Sprite} picture @param {boolean} final whether it is finished */
  #showSource(i, picture, final) {
    const figure = this.root.querySelectorAll(".sources figure")[i];
    show(find(figure, "img", HTMLImageElement), picture);
    find(figure, ".at").textContent = final ? "" : WORDS.drawing;
  }

  /** Show the pictures at the left of a row: latents, or a map of differences. @param {RowHead} result */
  #showHead({ kind, row, x }) {
    const title = this.plan?.titles[row] ?? "";
    const said = [kind === "map" ? WORDS.differ(title) : WORDS.latent(title), WORDS.latents(title)];
    const images = x.map((one, i) => show(el("img", { alt: said[i] }), one));
    this.root.querySelectorAll(".head")[row].prepend(...images);
  }

  /** Write how much the pictures of a finished row differ. @param {number} row */
  #writeSpread(row) {
    const end = this.ends[row];
    const small = find(this.root.querySelectorAll(".head")[row], "small", HTMLElement);
    if (end && this.saysApart) small.textContent = apart(end.spread, end.gap);
  }

  /** The title and result of each row, as sentences. */
  get outcome() {
    const rows = [...this.root.querySelectorAll(".head div")];
    return rows.map((row) => `${[...row.children].map(({ textContent }) => textContent).join(": ")}.`).join(" ");
  }

  /** Return a slide with a tile for each row. */
  slide = async () => {
    const tiles = this.#images.map((picture, row) => ({ picture, label: this.plan?.titles[row] ?? "" }));
    return { title: "", tiles, columns: 1, said: "", settings: "" };
  };

  /** Show a row's picture at the position of the scrubber. Return its frame, null if there is none yet. @param {number} row */
  #paint(row) {
    const frames = this.frames[row];
    const image = this.#images[row];
    const { at, last } = this.scrubber;
    const frame = this.plan && frames.length ? frameAt(frames, this.plan.steps[row], last ? at / last : 1) : null;
    image.hidden = !frame;
    if (frame) show(image, (this.state && frame.x) || frame.x0);
    return frame;
  }

  /** Draw all rows at the position of the scrubber. */
  render() {
    const { plan, root } = this;
    if (!plan) return;
    const { at, last } = this.scrubber;
    for (const [row, title] of plan.titles.entries()) {
      const frame = this.#paint(row);
      const what = `${plan.columns.length} ${plan.what}`;
      if (frame) attribute(this.#images[row], "alt", seen(title, what, frame.s, this.state));
    }
    const some = this.frames.some((frames) => frames.length > 1);
    find(root, ".transport").hidden = !some;
    this.scrubber.render(WORDS.at(at + 1, last + 1), WORDS.at(last + 1, last + 1));
    Object.assign(root.dataset, { rows: this.done, at });
  }
}
