// What the Forward tab shows, and how a picture and noise for it come.
import { middleOf, SIZE } from "../../pictures/fit.js";
import { open } from "../../pictures/open.js";
import { ofPng } from "../../pictures/png.js";
import { continueWithout, UserError } from "../../process/errors.js";
import { NO_ANSWER } from "../../words/page.js";
import { problem } from "../../words/units.js";
import { noiseOf, variance } from "./mix.js";

/** @import { Picture } from "../../pictures/resize.js" */
/** @typedef {{ name: string } | { file: File }} Source a drawn picture or one of the visitor's */
/** @typedef {{ source: Source, seed: number }} Wanted */

/** Where a drawn picture is. @param {string} name */
export const drawing = (name) => new URL(`../../examples/drawings/${name}.png`, import.meta.url).href;

/** @param {string} name of a drawn picture @returns {Promise<Picture>} */
async function drawn(name) {
  const answer = await fetch(drawing(name)).catch(continueWithout("a drawn picture"));
  if (!answer?.ok) throw new UserError(NO_ANSWER);
  return ofPng(new Uint8Array(await answer.arrayBuffer()));
}

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

  /** @param {Source} source the first picture @param {number} seed @param {(name: string) => Promise<Picture>} [read] how a drawn picture comes */
  constructor(source, seed, read = drawn) {
    this.seed = seed;
    this.read = read;
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
    const wrong = await this.#fetch(wanted).then(() => "", problem);
    if (this.wanted !== wanted) return;
    // A picture that cannot be had leaves the one before, and new noise is still wanted for that.
    if (wrong && this.#source && this.#source !== wanted.source)
      return this.#bring({ ...wanted, source: this.#source }, wrong);
    this.ready = true;
    this.problem = wrong || before;
    this.changed();
  }

  /** Take over what a request wants, if it is still the newest. Throws a UserError for a picture that can't be had. @param {Wanted} wanted */
  async #fetch(wanted) {
    const { source, seed } = wanted;
    const picture = source === this.#source ? null : await this.#read(source);
    if (this.wanted !== wanted) return;
    const size = picture?.width ?? this.size;
    if (picture || seed !== this.seed) this.epsilon = noiseOf(seed, size);
    this.seed = seed;
    if (!picture) return;
    this.#source = source;
    this.size = size;
    this.pixels = picture.data;
    this.x0 = Float32Array.from(this.pixels, (v) => v - 127.5);
    this.variance = variance(this.x0);
    this.loaded += 1;
  }

  /** @param {Source} source */
  async #read(source) {
    if ("name" in source) return this.read(source.name);
    const most = (/** @type {number} */ long, /** @type {number} */ short) => Math.floor((4 * SIZE * long) / short);
    return middleOf(await open(source.file, most));
  }
}
