// Shows whether the network copies its training pictures: finds the training picture that is most similar to each
// sample.

import { Likeness } from "../../learning/likeness.js";
import { blank, grid, put } from "../../pictures/compose.js";
import { pauses } from "../../run/saving.js";
import { picturesOf } from "./track.js";

/** @import { Pictures } from "../../learning/pictures.js" */
/** @import { Sprite } from "../../pictures/sprite.js" */
/** @import { Shown } from "./track.js" */
/** A comparison. sprite: pairs of a sample and its most similar training picture. number: the distance of all samples from the training pictures, 0 for copies. @typedef {{ sprite: Sprite, number: number }} Copies */

const PAIRS = 4; // number of pairs in each row

export class Comparison {
  /** The result for each set of samples; null while it is being computed. @type {WeakMap<Shown, Copies | null>} */
  #found = new WeakMap();
  /** The training pictures of the last comparison, prepared for the next comparison. @type {{ pictures: Pictures, likeness: Likeness } | null} */
  #last = null;
  #turn = Promise.resolve(); // resolves when the last comparison has ended; then the next comparison begins

  /** @param {() => void} changed called when a result is ready */
  constructor(changed) {
    this.changed = changed;
  }

  /** Return the result for samples; null until it is ready. The first call starts the comparison. @param {Pictures} pictures @param {Shown} shown */
  copiesIn(pictures, shown) {
    const found = this.#found.get(shown);
    if (found === undefined && shown.pixels) {
      this.#found.set(shown, null);
      this.#turn = this.#turn.then(() => this.#compare(pictures, shown)).catch(console.error);
    }
    return found ?? null;
  }

  /** Compare samples with the training pictures, and store the result. @param {Pictures} pictures @param {Shown} shown */
  async #compare(pictures, shown) {
    if (this.#last?.pictures !== pictures) this.#last = { pictures, likeness: new Likeness(pictures) };
    const { side, channels, originals } = pictures;
    const pixels = /** @type {Uint8Array} */ (shown.pixels);
    const { nearest, likeness } = await this.#last.likeness.compare(
      pixels,
      pauses(() => {}),
    );
    const all = picturesOf(originals, side, channels);
    const pairs = picturesOf(pixels, side, channels).map((sample, i) => {
      const pair = blank(2 * side, side, channels);
      put(pair, sample, 0, 0);
      put(pair, all[nearest[i]], side, 0);
      return pair;
    });
    this.#found.set(shown, { sprite: [grid(pairs, PAIRS)], number: likeness });
    this.changed();
  }
}
