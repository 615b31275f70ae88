// The control that chooses a picture from one of three sources: the part's own picture (a sample of the seed, or a
// whole data set), an example that comes with the page, or a square of a file that the visitor opens.

import { all, button, el, find, markup } from "../drawing/dom.js";
import { ARROWS, onDrag } from "../drawing/hands.js";
import { inside, middle, resized } from "../pictures/crop.js";
import { fitted } from "../pictures/fit.js";
import { open, uri } from "../pictures/open.js";
import { fromText, toText, unpack } from "../pictures/text.js";
import { UserError } from "../process/errors.js";
import { LATENT, NOT_HERE, UNCHOSEN } from "../words/pictures.js";
import { SOURCE } from "../words/source.js";
import { problem } from "../words/units.js";
import { ownPicture } from "./own.js";

/** @import { Page } from "../app.js" */
/** @import { About, Form } from "./form.js" */
/** @import { Answer } from "../messages/client.js" */
/** @import { ExamplePicture } from "../messages/protocol.d.ts" */
/** @import { Square } from "../pictures/crop.js" */
/**
 * A picture of the model's size. text: the picture as text. uri: its data URL, if the page made one.
 * @typedef {{ text: string, uri?: string }} ChosenPicture
 */

const LONGEST = 512; // pixels; a larger picture is reduced until its longer side has this length
const PATIENCE = 150; // ms for which the square must rest before its picture is made

const MARKUP = `
<legend></legend>
<div class="choice kind">
  <label><input type="radio" value="sample" checked><span></span></label>
  <label><input type="radio" value="picture"><span>${SOURCE.picture}</span></label>
</div>
<div class="own" hidden>
    <div class="thumbs" role="group" aria-label="${SOURCE.given}"></div>
    <div class="cropper" hidden>
      <div class="crop"><img alt="${SOURCE.chosen}"><div class="square" tabindex="0" role="group" aria-label="${SOURCE.square}"></div></div>
      <div class="row"><label class="grow"><span class="info">${SOURCE.size}</span><input type="range" class="slider side-slider" min="5" max="100" value="100" step="1" aria-label="${SOURCE.sizeSpoken}"></label>
      <figure class="fitted"><img alt="${SOURCE.fitted}"></figure></div>
      <label class="row invert"><input type="checkbox"><span>${SOURCE.invert}</span></label>
    </div>
    <p class="wrong" role="alert" hidden></p>
  </div>
`;

/**
 * Return a picture with its data URL.
 * @param {string} text the picture as text
 * @param {Pick<About, "size" | "channels">} model the size and channels of the picture
 */
async function draw(text, { size, channels }) {
  await unpack(text);
  return { text, uri: uri(fromText(text, { image_size: size, channels })) };
}

export class Source {
  /** @type {ChosenPicture | null} */
  #chosen = null;
  /** @type {ExamplePicture[]} */
  examples = [];
  /** @type {import("../pictures/resize.js").Picture | null} */
  #whole = null;
  /** @type {Square} */
  #square = { left: 0, top: 0, side: 1 };
  #timer = 0;
  #asks = 0; // number of the newest request for a picture; results of older requests are dropped
  #wanted = ""; // the picture of the address, as text, until the model is known
  /** @type {About | null} */
  #model = null;

  /**
   * Make the control for a panel's form. Its element is a fieldset.
   * @param {{ page: Page, form: Form, changed: (name: string, picture: boolean) => unknown }} panel @param {string} name of the field @param {string} title
   * @param {string} sample the name of the part's own picture
   */
  constructor(panel, name, title, sample) {
    this.page = panel.page;
    this.ref = () => panel.form.refs[0];
    this.changed = () => panel.changed(name, true);
    this.input = null;
    this.element = el("fieldset", { class: "field source" });
    markup(this.element, MARKUP);
    this.#find("legend").textContent = title;
    this.#find(".kind span").textContent = sample;
    this.kinds = all(this.element, ".kind input", HTMLInputElement);
    for (const kind of this.kinds) {
      kind.name = `source-${name}`;
      kind.addEventListener("change", () => {
        this.#show();
        this.changed();
      });
    }
    this.frame = this.#find(".square");
    this.side = find(this.element, ".side-slider", HTMLInputElement);
    this.invert = find(this.element, ".invert input", HTMLInputElement);
    this.#find(".thumbs").after(ownPicture(this.page, this.element, (file) => this.open(file)));
    this.#cropping();
  }

  /** Return an element of the control. @param {string} selector */
  #find(selector) {
    return find(this.element, selector);
  }

  /** Whether the visitor has selected "A picture" instead of the part's own picture. */
  get isPicture() {
    return this.kinds[1].checked;
  }

  /** Return the picture as text; "" for the part's own picture, or if no picture is chosen. */
  get() {
    return this.isPicture && !this.element.hidden ? (this.#chosen?.text ?? "") : "";
  }

  /**
   * Store a picture of the address until the model is known.
   * @param {string} text "" for the part's own picture
   */
  set(text) {
    this.#wanted = text;
    this.kinds[text ? 1 : 0].checked = true;
  }

  /** Return the sentence that asks for a picture, or "". */
  missing() {
    return this.isPicture && !this.#chosen ? UNCHOSEN : "";
  }

  /** Adapt the pictures to the size of another model. @param {About} about */
  offer(about) {
    const { examples } = about;
    this.#model = about;
    this.examples = examples;
    const thumbs = examples.map(({ name, text }) => {
      const image = el("img", { alt: "" });
      draw(text, about).then((picture) => {
        image.src = picture.uri;
      });
      const take = () => {
        this.#whole = null;
        this.#take({ text });
      };
      return button({ "aria-label": name, title: name }, take, image);
    });
    this.#find(".thumbs").replaceChildren(...thumbs);
    const text = this.#wanted;
    this.#wanted = "";
    this.#chosen = null;
    if (text) {
      this.#whole = null;
      this.#make((model) => draw(text, model));
    } else if (this.#whole) this.#fit();
    else this.#chosen = examples[0] ?? null;
    this.#show();
  }

  /** Select "A picture" instead of the part's own picture. */
  prefer() {
    this.kinds[1].checked = true;
    this.#show();
  }

  /** Open a file, and show the square that crops it. @param {File} file */
  async open(file) {
    const ask = ++this.#asks;
    this.prefer();
    const whole = await open(file, () => LONGEST).catch(problem);
    if (ask !== this.#asks) return undefined;
    if (typeof whole === "string") return this.#say(whole);
    this.#whole = whole;
    this.#square = middle(whole.width, whole.height);
    this.side.value = "100";
    find(this.element, ".crop img", HTMLImageElement).src = uri(whole);
    return this.#fit();
  }

  /**
   * Return the facts of the chosen model; ask the engine for them if the form has not offered this model yet. Throws a
   * UserError if the model takes no pictures, or if the engine lacks its files.
   */
  async #fitting() {
    const ref = this.ref();
    /** @type {Answer<About>} */
    const model = this.#model?.ref === ref ? this.#model : await this.page.knowledge.about(String(ref));
    if (model.error !== undefined) throw new UserError(model.error);
    if (!model.here) throw new UserError(NOT_HERE);
    if (model.latent) throw new UserError(LATENT);
    this.#model = model;
    return model;
  }

  /**
   * Make a picture of the model's size. Drop the picture if another one has been requested meanwhile.
   * @param {(model: About) => Promise<ChosenPicture>} act makes the picture
   */
  async #make(act) {
    const ask = ++this.#asks;
    this.#show();
    const made = await this.#fitting().then(act).catch(problem);
    if (ask !== this.#asks) return;
    if (typeof made === "string") this.#say(made);
    else this.#take(made);
  }

  /** Make the chosen picture from the square of the file. */
  #fit() {
    return this.#make(async (model) => {
      if (!this.#whole) throw new Error("no picture is open");
      const picture = fitted(this.#whole, this.#square, model, this.invert.checked);
      return { text: await toText(picture), uri: uri(picture) };
    });
  }

  // --- The square

  /** Add the event handlers of the square. */
  #cropping() {
    const crop = this.#find(".crop");
    let from = { x: 0, y: 0, square: this.#square };
    onDrag(crop, (x, y, first) => {
      if (first) from = { x, y, square: this.#square };
      const short = Math.min(crop.clientWidth, crop.clientHeight);
      const [right, down] = [(x - from.x) * crop.clientWidth, (y - from.y) * crop.clientHeight];
      if (!first) this.#move(from.square, right / short, down / short);
    });
    crop.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the browser from dragging the picture
    this.frame.addEventListener("keydown", (event) => {
      const by = ARROWS[event.key];
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

  /**
   * Move the square. The unit of the distances is the picture's shorter side.
   * @param {Square} from the square before the move @param {number} right distance @param {number} down distance
   */
  #move(from, right, down) {
    if (!this.#whole) return;
    const wanted = { ...from, left: from.left + right, top: from.top + down };
    this.#square = inside(wanted, this.#whole.width, this.#whole.height);
    this.#place();
  }

  /** Draw the square in its new place, and make its picture when it has stopped moving. */
  #place() {
    this.#show();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fit(), PATIENCE);
  }

  /** Set the chosen picture, and remove the message about an earlier picture. @param {ChosenPicture} picture */
  #take(picture) {
    this.#chosen = picture;
    this.#say("");
  }

  /**
   * Show what is wrong with a new picture. The earlier picture stays.
   * @param {string} sentence "" removes the message
   */
  #say(sentence) {
    const wrong = this.#find(".wrong");
    wrong.textContent = sentence;
    wrong.hidden = !sentence;
    this.#show();
    this.changed();
  }

  /** Update the chosen picture, the square and the buttons. */
  #show() {
    this.#find(".own").hidden = !this.isPicture;
    this.#find(".cropper").hidden = !this.#whole;
    this.element.dataset.picture = this.get().slice(-12);
    for (const [i, thumb] of all(this.element, ".thumbs button", HTMLButtonElement).entries())
      thumb.setAttribute("aria-pressed", String(!this.#whole && this.#chosen?.text === this.examples[i].text));
    if (!this.#whole) return;
    const { width, height } = this.#whole;
    const { left, top, side } = this.#square;
    // the side of the largest square, in per cent of the picture's width and height
    const [across, down] = [width, height].map((length) => (100 * Math.min(width, height)) / length);
    Object.assign(this.frame.style, {
      left: `${left * across}%`,
      top: `${top * down}%`,
      width: `${side * across}%`,
      height: `${side * down}%`,
    });
    if (this.#chosen?.uri) find(this.element, ".fitted img", HTMLImageElement).src = this.#chosen.uri;
  }
}
