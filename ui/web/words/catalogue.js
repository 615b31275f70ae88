// The page's facts about checkpoints that follow from their names. The data come from Python: `page_words` of
// ui/runs/words.py.

import { nameOf } from "./checkpoints.js";

/**
 * A set of test pictures: `count` pictures of size × size pixels. Their classes alternate.
 * @typedef {{ name: string, count: number, size: number, channels: number, classes: string[] }} PictureSet
 */

/**
 * @typedef {object} Words
 * @property {string[]} embedded refs of the checkpoints that come with the project
 * @property {Record<string, number>} guidance the default guidance of models that take words, where it is not 3
 * @property {Record<string, { checkpoint: string } & Record<string, unknown>>} sketches for each model, the values with
 * which its student (a distilled model) draws quick previews
 * @property {PictureSet[]} sets test pictures
 * @property {{ imports: string, touch: string }} script lines for Python scripts: imports, and the function that
 * changes x_t as the visitor did
 * @property {boolean} [static] whether this is the edition without a server
 * @property {string[]} [samplers] names of samplers that the page's owner has added
 */

const USUAL = 3;
const TRAINED = "trained/"; // prefix of the names of models that were trained in a browser

/** Whether a name belongs to a model that was trained in this browser. @param {unknown} ref */
export const isTrainedHere = (ref) => typeof ref === "string" && ref.startsWith(TRAINED);

export class Catalogue {
  /**
   * The name of each emoji; "" for a modifier, which only changes how an emoji looks. The map is empty until names are
   * needed.
   * @type {Record<string, string>}
   */
  emoji = {};
  /** Names of the trained networks of the part "plane": see `networkOf` of parts/plane/plan.js. @type {Set<string>} */
  trained = new Set();

  /** @param {Words} words */
  constructor(words) {
    this.words = words;
  }

  /** Return the short name of a checkpoint. @param {string} ref @returns {string} */
  name(ref) {
    return nameOf(ref);
  }

  /** Whether a checkpoint comes with the project. @param {string} ref */
  isOwn(ref) {
    return this.words.embedded.includes(ref);
  }

  /** Return the default guidance of a model that takes words. @param {string} ref @returns {number} */
  guidance(ref) {
    return this.words.guidance[ref.split("@")[0]] ?? USUAL;
  }

  /**
   * Return the values with which a student draws a model's quick previews, null if there is no student.
   * @param {string} ref
   */
  sketch(ref) {
    return this.words.sketches[ref] ?? null;
  }

  /** Replace emoji in a prompt by their names. Only checkpoints of the project have learned these names. @param {string} ref @param {string} prompt */
  prompt(ref, prompt) {
    if (!this.isOwn(ref) || !hasEmoji(prompt)) return prompt;
    const named = [...prompt].map((letter) => (Object.hasOwn(this.emoji, letter) ? ` ${this.emoji[letter]} ` : letter));
    return named.join("").trim().replace(/\s+/g, " ");
  }
}

/** Whether a prompt may have emoji: it has characters outside ASCII. @param {string} prompt */
export const hasEmoji = (prompt) => /[^\0-\x7f]/.test(prompt);
