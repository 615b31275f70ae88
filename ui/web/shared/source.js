// Where a picture comes from: what the part has itself (the sample of a seed, a whole set), one that comes with the page, or
// an upload, of which a square is chosen.
import { NO_ANSWER } from "./client.js";
import { inside, middle, resized } from "./crop.js";
import { all, button, el, find } from "./dom.js";

/** @import { Lab } from "../app.js" */
/** @import { About } from "./form.js" */
/** @import { Square } from "./crop.js" */
/** @typedef {{ text: string, uri: string, name?: string }} Picture of the model's size */

const PATIENCE = 150; // ms after the last move of the square until it is fitted
const KEYS = /** @type {const} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });

const MARKUP = `
<legend></legend>
<div class="choice kind">
  <label><input type="radio" value="sample" checked><span></span></label>
  <label><input type="radio" value="picture"><span>A picture</span></label>
</div>
<div class="own" hidden>
    <div class="thumbs" role="group" aria-label="Pictures that come with the page"></div>
    <label class="button upload"><input type="file" accept="image/*" aria-label="Upload a picture"><span>Upload a picture</span></label>
    <div class="cropper" hidden>
      <div class="crop"><img alt="What you uploaded"><div class="square" tabindex="0" role="group" aria-label="The square that is used: arrow keys move it"></div></div>
      <div class="row"><label class="grow"><span class="info">Size of the square</span><input type="range" class="slider side-slider" min="5" max="100" value="100" step="1" aria-label="Size of the square, per cent of the shorter side"></label>
      <figure class="fitted"><img alt="The square as the model gets it"></figure></div>
      <label class="row invert"><input type="checkbox"><span>Swap light and dark</span></label>
    </div>
    <p class="wrong" role="alert" hidden></p>
  </div>
`;

export class Source {
  /** @type {Picture | null} */
  #chosen = null;
  /** @type {Picture[]} */
  examples = [];
  /** @type {{ path: string, width: number, height: number } | null} */
  #whole = null;
  /** @type {Square} */
  #square = { left: 0, top: 0, side: 1 };
  #timer = 0;
  #asks = 0; // of fits and uploads: an answer to an older one is dropped

  /**
   * Its element is a fieldset.
   * @param {Lab} lab @param {string} title @param {string} sample what the part has itself
   * @param {() => string} checkpoint
   * @param {() => void} changed
   */
  constructor(lab, title, sample, checkpoint, changed) {
    this.lab = lab;
    this.checkpoint = checkpoint;
    this.changed = changed;
    const root = el("fieldset", { class: "field source" });
    root.innerHTML = MARKUP;
    this.root = root;
    find(root, "legend", HTMLElement).textContent = title;
    find(root, ".kind span", HTMLElement).textContent = sample;
    this.kinds = all(root, ".kind input", HTMLInputElement);
    for (const kind of this.kinds) kind.name = `source-${title}`;
    this.frame = find(root, ".square", HTMLElement);
    this.side = find(root, ".side-slider", HTMLInputElement);
    this.invert = find(root, ".invert input", HTMLInputElement);
    for (const kind of this.kinds)
      kind.addEventListener("change", () => {
        this.#show();
        this.changed();
      });
    const files = find(root, ".upload input", HTMLInputElement);
    files.addEventListener("change", () => {
      if (files.files?.length) this.open(files.files[0]);
      files.value = ""; // so that the same file can be chosen again
    });
    root.addEventListener("dragover", (event) => event.preventDefault());
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) this.open(file);
    });
    this.#cropping();
  }

  get isPicture() {
    return this.kinds[1].checked;
  }

  /** The picture as text, "" for what the tab has itself. */
  get text() {
    return this.isPicture ? (this.#chosen?.text ?? "") : "";
  }

  /** What is missing, or "". */
  get missing() {
    return this.isPicture && !this.#chosen ? "Choose a picture first" : "";
  }

  /** Another model: its pictures have another size. @param {About} about */
  offer(about) {
    const thumbs = about.examples.map((picture) => {
      const { name = "", uri } = picture;
      const take = () => {
        this.#whole = null;
        this.#take(picture);
      };
      return button({ "aria-label": name, title: name }, take, el("img", { src: uri, alt: "" }));
    });
    this.examples = about.examples;
    find(this.root, ".thumbs", HTMLElement).replaceChildren(...thumbs);
    this.#chosen = null;
    if (this.#whole) this.#fit();
    else if (about.examples.length) this.#chosen = about.examples[0];
    this.#show();
  }

  /** There is nothing but pictures. */
  prefer() {
    this.kinds[1].checked = true;
    this.#show();
  }

  /** The picture of an address. @param {string} text */
  async restore(text) {
    this.kinds[1].checked = true;
    this.#whole = null;
    const ask = ++this.#asks;
    const got = await this.lab.client.ask("lab", "known", { text, checkpoint: this.checkpoint() });
    if (ask !== this.#asks) return;
    if (got.error !== undefined) this.#refuse(got.error);
    else this.#take(got);
  }

  /** @param {File} file */
  async open(file) {
    const ask = ++this.#asks;
    this.kinds[1].checked = true;
    const most = this.lab.given.limits.upload;
    if (file.size > most) return this.#refuse(`This file is too large: up to ${most / 1e6} MB are read.`);
    const whole = await this.lab.client
      .upload(file)
      .then(async ({ path }) => ({ path, ...(await this.lab.client.ask("lab", "whole", { path })) }))
      .catch(() => ({ error: NO_ANSWER }));
    if (ask !== this.#asks) return undefined;
    if ("error" in whole && whole.error !== undefined) return this.#refuse(whole.error);
    if (!("uri" in whole)) return undefined;
    this.#whole = whole;
    this.#square = middle(whole.width, whole.height);
    this.side.value = "100";
    find(this.root, ".crop img", HTMLImageElement).src = whole.uri;
    return this.#fit();
  }

  // --- The square

  #cropping() {
    const crop = find(this.root, ".crop", HTMLElement);
    /** @type {{ x: number, y: number, square: Square } | null} */
    let from = null;
    crop.addEventListener("pointerdown", (event) => {
      crop.setPointerCapture(event.pointerId);
      from = { x: event.clientX, y: event.clientY, square: this.#square };
      event.preventDefault();
    });
    crop.addEventListener("pointermove", (event) => {
      if (!from || !event.buttons) return;
      const short = Math.min(crop.clientWidth, crop.clientHeight);
      this.#move(from.square, (event.clientX - from.x) / short, (event.clientY - from.y) / short);
    });
    this.frame.addEventListener("keydown", (event) => {
      const by = KEYS[/** @type {keyof typeof KEYS} */ (event.key)];
      if (!by) return;
      event.preventDefault();
      this.#move(this.#square, 0.02 * by[0], 0.02 * by[1]);
    });
    this.side.addEventListener("input", () => {
      if (!this.#whole) return;
      this.#square = resized(this.#square, Number(this.side.value) / 100, this.#whole.width, this.#whole.height);
      this.#place();
    });
    this.invert.addEventListener("change", () => this.#place());
  }

  /** @param {Square} from @param {number} right @param {number} down */
  #move(from, right, down) {
    if (!this.#whole) return;
    const wanted = { ...from, left: from.left + right, top: from.top + down };
    this.#square = inside(wanted, this.#whole.width, this.#whole.height);
    this.#place();
  }

  /** The square is elsewhere: draw it, and fit it when it has come to rest. */
  #place() {
    this.#show();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fit(), PATIENCE);
  }

  async #fit() {
    if (!this.#whole) return;
    const ask = ++this.#asks;
    this.#show();
    const { path } = this.#whole;
    const wanted = { path, ...this.#square, invert: this.invert.checked, checkpoint: this.checkpoint() };
    const got = await this.lab.client.ask("lab", "fit", wanted);
    if (ask !== this.#asks) return;
    if (got.error !== undefined) this.#refuse(got.error);
    else this.#take(got);
  }

  /** @param {Picture} picture */
  #take(picture) {
    this.#chosen = picture;
    this.#say("");
    this.#show();
    this.changed();
  }

  /** A sentence instead of a new picture; the one before stays. @param {string} sentence */
  #refuse(sentence) {
    this.#say(sentence);
    this.#show();
    this.changed();
  }

  /** @param {string} sentence */
  #say(sentence) {
    const wrong = find(this.root, ".wrong", HTMLElement);
    wrong.textContent = sentence;
    wrong.hidden = !sentence;
  }

  #show() {
    find(this.root, ".own", HTMLElement).hidden = !this.isPicture;
    find(this.root, ".cropper", HTMLElement).hidden = !this.#whole;
    this.root.dataset.picture = this.text.slice(-12);
    const thumbs = all(this.root, ".thumbs button", HTMLButtonElement);
    thumbs.forEach((button, i) => {
      const pressed = !this.#whole && this.#chosen?.text === this.examples[i].text;
      button.setAttribute("aria-pressed", String(pressed));
    });
    if (!this.#whole) return;
    const { width, height } = this.#whole;
    const short = Math.min(width, height);
    const { left, top, side } = this.#square;
    Object.assign(this.frame.style, {
      left: `${(100 * left * short) / width}%`,
      top: `${(100 * top * short) / height}%`,
      width: `${(100 * side * short) / width}%`,
      height: `${(100 * side * short) / height}%`,
    });
    if (this.#chosen) find(this.root, ".fitted img", HTMLImageElement).src = this.#chosen.uri;
  }
}
