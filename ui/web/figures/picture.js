// The reader's picture, which all figures of a page share: 28 × 28 numbers from −1 to 1.

import { bytes } from "../messages/bytes.js";
import { attempt } from "../messages/client.js";
import { fromText, toText, unpack } from "../pictures/text.js";
import { fromUint8, toUint8 } from "../process/floats.js";

export const SIDE = 28;
const SIZE = { image_size: SIDE, channels: 1 };
const KEPT = "essay-picture";

/** The origin of the picture: one of our digits, the reader's drawing, or a link. @typedef {"ours" | "reader" | "link"} Whose */

/** Decode a digit of MNIST from base64: two pixels a byte, each with 16 levels. @param {string} text */
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

/** Move a picture so that the centre of its ink is in the middle, as in MNIST. An empty picture stays the same. @param {Float32Array} x */
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

/** Write a picture as text for a link, in the format of the lab's links. @param {Float32Array} x */
export const textOf = (x) => toText({ data: toUint8(x, 1) });

/** Read a picture from the text of a link; null if the text is no picture. @param {string} text */
export async function pictureOf(text) {
  await unpack(text);
  try {
    return fromUint8(fromText(text, SIZE).data, 1);
  } catch {
    return null; // the link is incomplete, or its picture has another size
  }
}

class OnePicture {
  /** @type {Float32Array} */
  x = FIRST;
  /** @type {Whose} */
  whose = "ours";
  /** @type {Set<() => void>} */
  #heard = new Set();

  /** Call `take` after each change of the picture. @param {() => void} take @returns {() => void} a function that ends these calls */
  listen(take) {
    this.#heard.add(take);
    return () => this.#heard.delete(take);
  }

  /** Replace the picture. A reader's drawing is stored for a reload of the page. @param {Float32Array} x @param {Whose} whose */
  change(x, whose) {
    this.x = x;
    this.whose = whose;
    for (const take of this.#heard) take();
    if (whose === "reader") this.#keep();
  }

  /** Open the picture of a link. Without a link, open the drawing that was stored before a reload. @param {string} text of the link, or "" */
  async open(text) {
    const given = text && (await pictureOf(text));
    if (given) return this.change(given, "link");
    const own = await pictureOf(attempt(() => sessionStorage.getItem(KEPT)) ?? "");
    if (own) this.change(own, "reader");
  }

  /** Store the picture until the window is closed. */
  async #keep() {
    const text = await textOf(this.x);
    attempt(() => sessionStorage.setItem(KEPT, text));
  }
}

export const picture = new OnePicture();
