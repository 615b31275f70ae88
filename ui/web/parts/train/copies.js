// Is it a copy? Each sample beside the picture that is most like it, of those that the network learns from.

import { Likeness } from "../../learning/likeness.js";
import { blank, grid, put } from "../../pictures/compose.js";
import { pauses } from "../../run/saving.js";
import { picturesOf } from "./track.js";

/** @import { Pictures } from "../../learning/pictures.js" */
/** @import { Sprite } from "../../pictures/sprite.js" */
/** @import { Shown } from "./track.js" */
/** Pairs of a sample and the picture that is most like it, and how far all are from these. @typedef {{ sprite: Sprite, number: number }} Copies */

const PAIRS = 4; // of a row

export class Comparison {
  /** What was found; null while it is looked for. @type {WeakMap<Shown, Copies | null>} */
  #found = new WeakMap();
  /** The likeness of the pictures that were compared last. @type {{ pictures: Pictures, likeness: Likeness } | null} */
  #of = null;
  #turn = Promise.resolve(); // one comparison after the other

  /** @param {() => void} changed something was found */
  constructor(changed) {
    this.changed = changed;
  }

  /** What is known of samples; null while it is looked for. @param {Pictures} pictures @param {Shown} shown */
  of(pictures, shown) {
    const found = this.#found.get(shown);
    if (found === undefined && shown.pixels) {
      this.#found.set(shown, null);
      this.#turn = this.#turn.then(() => this.#compare(pictures, shown)).catch(console.error);
    }
    return found ?? null;
  }

  /** @param {Pictures} pictures @param {Shown} shown */
  async #compare(pictures, shown) {
    if (this.#of?.pictures !== pictures) this.#of = { pictures, likeness: new Likeness(pictures) };
    const { side, channels, originals } = pictures;
    const pixels = /** @type {Uint8Array} */ (shown.pixels);
    const { nearest, likeness } = await this.#of.likeness.compare(
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
