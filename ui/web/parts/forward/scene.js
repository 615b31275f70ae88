// What the Forward tab shows, and how a picture and noise for it are fetched.
import { middleOf, SIZE } from "../../pictures/fit.js";
import { open } from "../../pictures/open.js";
import { variance } from "./mix.js";

/** @import { Page } from "../../app.js" */
/** @import { Picture } from "../../pictures/resize.js" */
/** @import { Answer } from "../../messages/client.js" */
/** @import { DrawnPicture } from "../../messages/protocol.d.ts" */
/** @typedef {{ name: string } | { file: File }} Source a drawn picture or one of the visitor's */
/** @typedef {{ source: Source, seed: number }} Wanted */

export class Scene {
  t = 250;
  schedule = "linear";
  seed = 0;
  size = 0; // pixels a side; 0 before the first picture
  /** @type {Uint8Array} of the picture */
  pixels = new Uint8Array();
  x0 = new Float32Array();
  epsilon = new Float32Array();
  variance = 0; // of the picture, its values in −1 to 1
  loaded = 0; // how many pictures have been
  ready = false; // nothing is on its way
  problem = ""; // a sentence for the user
  changed = () => {}; // called with every change
  /** @type {Source | null} of the picture on screen */
  #source = null;
  /** @type {Wanted} by the newest request; older ones are dropped */
  wanted;

  /** @param {Page} page @param {Source} source the first picture @param {number} seed */
  constructor(page, source, seed) {
    this.page = page;
    this.seed = seed;
    this.wanted = { source, seed };
    this.#bring(this.wanted);
  }

  /** The name of a drawn picture, or null. */
  get picture() {
    const source = this.#source ?? this.wanted.source;
    return "name" in source ? source.name : null;
  }

  /** Whether this drawn picture is shown, or on its way. @param {string} name */
  wants(name) {
    const { source } = this.wanted;
    return "name" in source && source.name === name;
  }

  /** @param {Source} source */
  load(source) {
    return this.#bring({ ...this.wanted, source });
  }

  /** Other noise. @param {number} seed */
  renew(seed) {
    return this.#bring({ ...this.wanted, seed });
  }

  /**
   * One request holds all that is wanted, so that new noise leaves the picture that is on its way.
   * @param {Wanted} wanted
   * @param {string} [before] what has been wrong on the way here
   * @returns {Promise<void>}
   */
  async #bring(wanted, before = "") {
    this.wanted = wanted;
    this.ready = false;
    this.changed();
    const problem = await this.#fetch(wanted);
    if (this.wanted !== wanted) return;
    // A picture that cannot be had leaves the one before, and new noise is still wanted for that.
    if (problem && this.#source && this.#source !== wanted.source)
      return this.#bring({ ...wanted, source: this.#source }, problem);
    this.ready = true;
    this.problem = problem || before;
    this.changed();
  }

  /**
   * Take over what a request wants, if it is still the newest; returns what is wrong, or "".
   * @param {Wanted} wanted
   */
  async #fetch(wanted) {
    const { source, seed } = wanted;
    const isNew = source !== this.#source;
    const got = isNew ? await this.#read(source) : null;
    if (got?.error !== undefined) return got.error;
    if (this.wanted !== wanted) return "";
    const size = got ? got.picture[0].width : this.size;
    if (isNew || seed !== this.seed) {
      const noise = await this.page.client.ask("forward", "noise", { size, seed });
      if (noise.error !== undefined) return noise.error;
      if (this.wanted !== wanted) return "";
      this.seed = seed;
      const unit = this.page.given.initial.forward.EPSILON_UNIT;
      this.epsilon = Float32Array.from(noise.epsilon, (v) => v * unit);
    }
    if (got) {
      this.#source = source;
      this.size = size;
      this.pixels = got.picture[0].data;
      this.x0 = Float32Array.from(this.pixels, (v) => v - 127.5);
      this.variance = variance(this.x0);
      this.loaded += 1;
    }
    return "";
  }

  /** @param {Source} source @returns {Promise<Answer<DrawnPicture>>} */
  async #read(source) {
    if ("name" in source) return this.page.client.ask("forward", "picture", source);
    const most = (/** @type {number} */ long, /** @type {number} */ short) => Math.floor((4 * SIZE * long) / short);
    const shown = (/** @type {Picture} */ whole) => ({ picture: [middleOf(whole)] });
    return open(source.file, most).then(shown, ({ message }) => ({ error: message }));
  }
}
