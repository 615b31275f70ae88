// The rows of pictures, and where in their chains they are shown.
import { el, find } from "../../shared/dom.js";
import { CALM, calm, play } from "../../shared/motion.js";

/**
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {"reconstruct" | "interpolate"} mode
 * @property {number[]} times of the rows
 * @property {number} T
 * @property {string[]} columns
 * @property {number[]} steps of each row
 * @property {number} size
 * @property {boolean} pixelated
 */

/** @typedef {{ kind: "source", i: number, x: string, final: boolean }} SourceResult */
/** @typedef {{ kind: "latent", row: number, x: string[] }} LatentResult */
/** @typedef {{ kind: "step", row: number, k: number, s: number, x0: string }} StepResult */
/** @typedef {{ kind: "row", row: number, spread: number }} RowResult */
/** @typedef {Plan | SourceResult | LatentResult | StepResult | RowResult} Result */
/** @typedef {{ k: number, s: number, uri: string }} Held */

const SECONDS = 4; // that playing takes

/**
 * Which frame of a row is shown at a share (0…1) of the way: the last one up to there.
 * @param {Held[]} frames by rising k
 * @param {number} steps of the row
 * @param {number} share
 */
export function frameAt(frames, steps, share) {
  const k = Math.round(share * Math.max(steps - 1, 0));
  return frames.findLast((frame) => frame.k <= k) ?? frames[0];
}

export class Rows {
  /** @type {Plan | null} */
  plan = null;
  /** @type {Held[][]} */
  frames = [];
  /** @type {(number | null)[]} in grey levels, of rows that are done */
  spreads = [];
  share = 1;
  #playing = false;
  #pause = () => {};
  /** @type {HTMLImageElement[]} */
  #images = [];
  #due = 0;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.slider = find(root, ".scrubber", HTMLInputElement);
    this.button = find(root, ".play", HTMLButtonElement);
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value) / Math.max(1, this.last)));
    this.button.addEventListener("click", () => this.toggle());
  }

  /** The last position of the scrubber. */
  get last() {
    return Math.max(1, ...(this.plan?.steps ?? [1])) - 1;
  }

  get done() {
    return this.spreads.filter((spread) => spread !== null).length;
  }

  clear() {
    this.plan = null;
    this.frames = [];
    this.spreads = [];
    this.#images = [];
    this.#playing = false;
    this.share = 1;
  }

  /** @param {Result} result */
  take(result) {
    if (result.kind === "plan") this.#build(result);
    else if (!this.plan) return;
    else if (result.kind === "source") this.#source(result.i, result.x, result.final);
    else if (result.kind === "latent") this.#latent(result.row, result.x);
    else if (result.kind === "step") {
      this.frames[result.row].push({ k: result.k, s: result.s, uri: result.x0 });
      this.#later();
    } else {
      this.spreads[result.row] = result.spread;
      this.#words(result.row);
      this.render();
    }
  }

  /** @param {Plan} plan */
  #build(plan) {
    this.clear();
    this.plan = plan;
    this.frames = plan.times.map(() => []);
    this.spreads = plan.times.map(() => null);
    const { root } = this;
    root.dataset.mode = plan.mode;
    root.classList.toggle("pixelated", plan.pixelated);
    const sources = plan.mode === "interpolate" ? ["First picture", "Second picture"] : ["The picture, x₀"];
    const figures = sources.map((name) =>
      el("figure", null, el("img", { alt: name }), el("figcaption", null, name, el("span", { class: "at" }))),
    );
    const place = find(root, ".sources", HTMLElement);
    place.replaceChildren(...figures);
    place.hidden = false;
    const heads = el(
      "div",
      { class: "heads", "aria-hidden": "true" },
      ...plan.columns.map((name) => el("span", null, name)),
    );
    const lines = plan.times.map((t) => {
      const image = el("img", { alt: "" });
      image.hidden = true;
      this.#images.push(image);
      const words = el("div", null, el("b", null, `t = ${t}`), el("small", null, ""));
      const cells = el("div", { class: "cells", style: `--columns: ${plan.columns.length}` }, image);
      return el("div", { class: "line" }, el("div", { class: "head" }, words), cells);
    });
    find(root, ".rows", HTMLElement).replaceChildren(heads, ...lines);
    this.render();
  }

  /** @param {number} i @param {string} uri @param {boolean} final */
  #source(i, uri, final) {
    const figure = this.root.querySelectorAll(".sources figure")[i];
    find(figure, "img", HTMLImageElement).src = uri;
    find(figure, ".at", HTMLElement).textContent = final ? "" : " is being drawn…";
  }

  /** @param {number} row @param {string[]} uris */
  #latent(row, uris) {
    const t = this.plan?.times[row];
    const head = this.root.querySelectorAll(".head")[row];
    const images = uris.map((src, i) =>
      el("img", { src, alt: `Latent x_t at t = ${t}${i ? ", second picture" : ""}` }),
    );
    head.prepend(...images);
  }

  /** @param {number} row */
  #words(row) {
    const spread = this.spreads[row];
    const small = find(this.root.querySelectorAll(".head")[row], "small", HTMLElement);
    if (spread === null || this.plan?.mode !== "reconstruct") return;
    small.textContent = spread < 0.05 ? "all the same" : `${spread.toFixed(spread < 9.95 ? 1 : 0)} grey levels apart`;
    small.title = "Standard deviation of the pictures of this row, over all pixels";
  }

  /** Draw a new frame; where little motion is wanted, once a second. */
  #later() {
    if (!calm()) return this.render();
    if (this.#due) return;
    this.#due = setTimeout(() => {
      this.#due = 0;
      this.render();
    }, CALM);
  }

  render() {
    const { plan, root, last } = this;
    if (!plan) return;
    plan.times.forEach((t, row) => {
      const frames = this.frames[row];
      const image = this.#images[row];
      const frame = frames.length ? frameAt(frames, plan.steps[row], this.share) : null;
      image.hidden = !frame;
      if (!frame) return;
      if (image.src !== frame.uri) image.src = frame.uri;
      const what = plan.mode === "interpolate" ? "pictures between the two" : "reconstructions";
      image.alt = `t = ${t}: ${plan.columns.length} ${what}, ${frame.s ? `best guess x̂_0 seen at time ${frame.s}` : "finished"}`;
    });
    const some = this.frames.some((frames) => frames.length > 1);
    find(root, ".transport", HTMLElement).hidden = !some;
    const at = Math.round(this.share * last);
    this.slider.max = String(last);
    this.slider.value = String(at);
    this.slider.style.setProperty("--at", `${100 * this.share}%`);
    this.slider.setAttribute("aria-valuetext", `step ${at + 1} of ${last + 1}`);
    find(root, ".transport .at", HTMLElement).textContent = `step ${at + 1} of ${last + 1}`;
    this.button.textContent = this.#playing ? "Pause" : "Play";
    this.button.setAttribute("aria-label", this.#playing ? "Pause" : "Play");
    Object.assign(root.dataset, { rows: this.done, at });
  }

  /** @param {number} share */
  go(share) {
    this.#playing = false;
    this.share = Math.min(1, Math.max(0, share));
    this.render();
  }

  toggle() {
    this.#pause();
    this.#playing = !this.#playing;
    if (!this.#playing) return this.render();
    if (this.share >= 1) this.share = 0;
    const { plan } = this;
    this.#pause = play((seconds) => {
      if (!this.#playing || this.plan !== plan) return false;
      this.share = Math.min(1, this.share + seconds / SECONDS);
      if (this.share >= 1) this.#playing = false;
      this.render();
      return this.#playing;
    });
    return this.render();
  }
}
