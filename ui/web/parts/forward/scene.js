// The state of the part "What noise destroys": the settings, the picture and the noise, with functions that load the
// picture and compute the noise.
import { middleOf, SIZE } from "../../pictures/fit.js";
import { open } from "../../pictures/open.js";
import { ofPng } from "../../pictures/png.js";
import { continueWithout, UserError } from "../../process/errors.js";
import { NO_ANSWER } from "../../words/page.js";
import { problem } from "../../words/units.js";
import { noiseOf, variance } from "./mix.js";

/** @import { Picture } from "../../pictures/resize.js" */
/** Where a picture comes from: a drawing of the project, or a file of the visitor. @typedef {{ name: string } | { file: File }} Source */
/** A request for a picture and the seed of the noise. @typedef {{ source: Source, seed: number }} Wanted */

/** Return the address of a drawing. @param {string} name */
export const drawing = (name) => new URL(`../../examples/drawings/${name}.png`, import.meta.url).href;

/** Load a drawing. Throws a UserError if the page can't load it. @param {string} name @returns {Promise<Picture>} */
async function loadDrawing(name) {
  const answer = await fetch(drawing(name)).catch(continueWithout("a drawn picture"));
  if (!answer?.ok) throw new UserError(NO_ANSWER);
  return ofPng(new Uint8Array(await answer.arrayBuffer()));
}

/** The settings of the part, the picture and the noise. */
export class Scene {
  t = 250;
  schedule = "linear";
  seed = 0;
  size = 0; // the picture's side in pixels; 0 before the first picture
  /** The grey levels of the picture, 0..255. @type {Uint8Array} */
  pixels = new Uint8Array();
  x0 = new Float32Array(); // the picture in the format of mix.js
  epsilon = new Float32Array();
  variance = 0; // the picture's variance on the scale −1..1
  loaded = 0; // the number of pictures that have been loaded
  ready = false; // whether the picture and the noise of the newest request are loaded
  problem = ""; // a sentence for the visitor if the picture could not be loaded
  changed = () => {}; // called after every change
  /** The source of the picture on screen. @type {Source | null} */
  #source = null;
  /** The newest request; the results of older requests are ignored. @type {Wanted} */
  wanted;

  /** @param {Source} source the first picture @param {number} seed @param {(name: string) => Promise<Picture>} [read] loads a drawing */
  constructor(source, seed, read = loadDrawing) {
    this.seed = seed;
    this.read = read;
    this.wanted = { source, seed };
    this.#request(this.wanted);
  }

  /** The name of the drawing on screen; null for a picture of the visitor. */
  get picture() {
    const source = this.#source ?? this.wanted.source;
    return "name" in source ? source.name : null;
  }

  /** Return whether the newest request is for this drawing. @param {string} name */
  wants(name) {
    const { source } = this.wanted;
    return "name" in source && source.name === name;
  }

  /** Load another picture, with the same noise seed. @param {Source} source */
  load(source) {
    return this.#request({ ...this.wanted, source });
  }

  /** Replace the noise by the noise of another seed. @param {number} seed */
  renew(seed) {
    return this.#request({ ...this.wanted, seed });
  }

  /**
   * Load the picture and the noise of a request. A request names both picture and seed, so new noise does not cancel
   * the loading of a picture.
   * @param {Wanted} wanted
   * @param {string} [before] the error of the request that this request replaces
   * @returns {Promise<void>}
   */
  async #request(wanted, before = "") {
    this.wanted = wanted;
    this.ready = false;
    this.changed();
    const wrong = await this.#fulfil(wanted).then(() => "", problem);
    if (this.wanted !== wanted) return;
    // If the picture can't be loaded, keep the picture on screen, and compute the requested noise for it
    if (wrong && this.#source && this.#source !== wanted.source)
      return this.#request({ ...wanted, source: this.#source }, wrong);
    this.ready = true;
    this.problem = wrong || before;
    this.changed();
  }

  /** Load the picture and compute the noise, unless a newer request exists by then. Throws a UserError if the picture can't be loaded. @param {Wanted} wanted */
  async #fulfil(wanted) {
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

  /** Read a picture. A file is cropped to its central square. @param {Source} source */
  async #read(source) {
    if ("name" in source) return this.read(source.name);
    /** Return the length, in pixels, to which the longer side of a large picture is reduced. */
    const most = (/** @type {number} */ long, /** @type {number} */ short) => Math.floor((4 * SIZE * long) / short);
    return middleOf(await open(source.file, most));
  }
}
