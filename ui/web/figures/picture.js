// The reader's picture: one for each page, which all its figures show. It is numbers from −1 to 1, 28 × 28.

import { bytes } from "../messages/bytes.js";
import { attempt } from "../messages/client.js";
import { fromText, toText, unpack } from "../pictures/text.js";
import { fromUint8, toUint8 } from "../process/floats.js";

export const SIDE = 28;
const SIZE = { image_size: SIDE, channels: 1 };
const KEPT = "essay-picture";

/** Who drew it. @typedef {"ours" | "reader" | "link"} Whose */

/** A digit of MNIST: 16 levels, two pixels a byte, as base64. @param {string} text */
export function digitOf(text) {
  const packed = bytes(text);
  return Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    const level = (packed[i >> 1] >> (i % 2 ? 0 : 4)) & 15;
    return level / 7.5 - 1;
  });
}

/** The digit with which a page opens, a 3. */
export const FIRST = digitOf(
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJpmbnLAAAAAAAAAAAAHv////8AAAAAAAAAAABf/v///AAAAAAAAAAAAB2hiN/5AAAAAAAAAAAAAAAC3/kAAAAAAAAAAAAAAC3//uswAAAAAAAAAAABz/////YAAAAAAAAAAAn//////SAAAAAAAAAADv+yIFjvwAAAAAAAAAAFwxAAAE/xAAAAAAAAAAAAAAAAH/EAAAAAAAAAAAAAAAAf8QAAAAAAAAAAAAAAAB/xAAAAAAAAAAAAAAAAL8EAAAAAAAAAAAAAAALPMAAAAAAAAAAAAAAACv8AAAAAAAAACvyTAAOf4AAAAAAAAAAF//7u7/+AAAAAAAAAAABK///8qhAAAAAAAAAAAAOtvOYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
);

/** A picture whose middle of ink is in the middle, as in MNIST; an empty one stays. @param {Float32Array} x */
export function centred(x) {
  let [sum, right, down] = [0, 0, 0];
  for (const [i, value] of x.entries()) {
    const ink = value + 1;
    sum += ink;
    right += ink * (i % SIDE);
    down += ink * Math.floor(i / SIDE);
  }
  if (sum < 1) return x;
  const middle = (SIDE - 1) / 2;
  const [dx, dy] = [Math.round(middle - right / sum), Math.round(middle - down / sum)];
  return x.map((_, i) => {
    const [column, row] = [(i % SIDE) - dx, Math.floor(i / SIDE) - dy];
    const isInside = column >= 0 && column < SIDE && row >= 0 && row < SIDE;
    return isInside ? x[SIDE * row + column] : -1;
  });
}

/** A picture as text for a link: the lab's links have the same. @param {Float32Array} x */
export const textOf = (x) => toText({ data: toUint8(x, 1) });

/** The picture of a text; null for any other text. @param {string} text */
export async function pictureOf(text) {
  await unpack(text);
  try {
    return fromUint8(fromText(text, SIZE).data, 1);
  } catch {
    return null; // a link that was cut off, or of another size
  }
}

class OnePicture {
  /** @type {Float32Array} */
  x = FIRST;
  /** @type {Whose} */
  whose = "ours";
  /** @type {Set<() => void>} */
  #heard = new Set();

  /** Call take when the picture changes. @param {() => void} take @returns {() => void} ends that */
  listen(take) {
    this.#heard.add(take);
    return () => this.#heard.delete(take);
  }

  /** @param {Float32Array} x @param {Whose} whose */
  change(x, whose) {
    this.x = x;
    this.whose = whose;
    for (const take of this.#heard) take();
    if (whose === "reader") this.#keep();
  }

  /** The picture of a link, or what was drawn before the page was loaded again. @param {string} text of the link, or "" */
  async open(text) {
    const given = text && (await pictureOf(text));
    if (given) return this.change(given, "link");
    const own = await pictureOf(attempt(() => sessionStorage.getItem(KEPT)) ?? "");
    if (own) this.change(own, "reader");
  }

  async #keep() {
    const text = await textOf(this.x);
    attempt(() => sessionStorage.setItem(KEPT, text));
  }
}

export const picture = new OnePicture();
