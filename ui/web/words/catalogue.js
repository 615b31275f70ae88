// What is known of checkpoints by their names, and what else only Python's files have: `page_words` of ui/runs/words.py.

import { nameOf } from "./checkpoints.js";

/** Pictures that come with the page: so many, of size × size pixels, one of each of the classes after the other. @typedef {{ name: string, count: number, size: number, channels: number, classes: string[] }} PictureSet */

/**
 * embedded: the checkpoints that come with the project. guidance: the scale that suits a model that takes words, where it is
 * not 3. sketches: of models that have a student for them, its values. sets: of test pictures. script: the lines of Python that
 * touch a run. static: whether this is the edition without a server, which lacks some things of the installed lab. samplers:
 * those of the page's owner.
 * @typedef {object} Words
 * @property {string[]} embedded
 * @property {Record<string, number>} guidance
 * @property {Record<string, { checkpoint: string } & Record<string, unknown>>} sketches
 * @property {PictureSet[]} sets
 * @property {{ imports: string, touch: string }} script
 * @property {boolean} [static]
 * @property {string[]} [samplers]
 */

const USUAL = 3;
const TRAINED = "trained/"; // how the names of models begin that were trained in a browser

/** Whether a name is that of a model that was trained in this browser. @param {unknown} ref */
export const isTrainedHere = (ref) => typeof ref === "string" && ref.startsWith(TRAINED);

export class Catalogue {
  /** The name of each emoji, "" for what only says how one is drawn; empty until it is needed. @type {Record<string, string>} */
  emoji = {};
  /** Networks of the plane that were trained for this page, and need no training again: `networkOf` of parts/plane/plan.js. @type {Set<string>} */
  trained = new Set();

  /** @param {Words} words */
  constructor(words) {
    this.words = words;
  }

  /** A checkpoint in a few words. @param {string} ref @returns {string} */
  name(ref) {
    return nameOf(ref);
  }

  /** Whether it comes with the project. @param {string} ref */
  isOwn(ref) {
    return this.words.embedded.includes(ref);
  }

  /** The guidance that suits a model that takes words. @param {string} ref @returns {number} */
  guidance(ref) {
    return this.words.guidance[ref.split("@")[0]] ?? USUAL;
  }

  /** How a student draws the sketches of a model, null where none does. @param {string} ref */
  sketch(ref) {
    return this.words.sketches[ref] ?? null;
  }

  /** A prompt as a checkpoint reads it: ours have learned the names of emoji. @param {string} ref @param {string} prompt */
  prompt(ref, prompt) {
    if (!this.isOwn(ref) || !hasEmoji(prompt)) return prompt;
    const named = [...prompt].map((letter) => (Object.hasOwn(this.emoji, letter) ? ` ${this.emoji[letter]} ` : letter));
    return named.join("").trim().replace(/\s+/g, " ");
  }
}

/** Whether a prompt may have emoji, whose names are needed then. @param {string} prompt */
export const hasEmoji = (prompt) => /[^\0-\x7f]/.test(prompt);
