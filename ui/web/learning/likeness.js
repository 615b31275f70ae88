// Measures whether a network copies its training pictures: finds the most similar picture for each sample, and a
// distance. The distance 0 means that samples are copies. 1 means that samples differ from training pictures as much
// as training pictures differ from each other.

/** @import { Rest } from "../files/file.d.ts" */
/** @import { Pictures } from "./pictures.js" */

const TURNS = [-12, -8, -4, 0, 4, 8, 12]; // a drawing is compared at each of these rotations, in degrees
const SPREAD = 6; // spread of a normalised drawing across and down: the standard deviation of its bright pixels' positions, in pixels
const PROBES = 50; // number of training pictures from which the usual distance to the nearest other one is measured
const SLICE = 16; // a comparison may stop early after each SLICE values; the size of every picture is a multiple of SLICE

/** A training picture. placed: the picture in its normal position and size. views: the rotations of this picture, with which samples are compared. @typedef {{ placed: Uint8Array, views: Uint8Array[] }} Known */

export class Likeness {
  /** @type {Known[]} */
  #known;
  #side;
  #isDrawn;
  /** The typical distance between a picture and its nearest neighbour, or null before the measurement. @type {number | null} */
  #usual = null;

  /** @param {Pictures} pictures */
  constructor({ kind, side, channels, originals }) {
    this.#side = side;
    this.#isDrawn = kind === "drawings";
    this.#known = cut(originals, side * side * channels).map((one) => ({
      placed: this.#placed(one),
      views: this.#isDrawn ? TURNS.map((turn) => placed(turned(one, side, turn), side)) : [one],
    }));
  }

  /** Normalise a drawing's position and size, so that a shifted or enlarged copy counts as equal. Return other pictures unchanged. @param {Uint8Array} picture */
  #placed = (picture) => (this.#isDrawn ? placed(picture, this.#side) : picture);

  /**
   * For each sample, find the nearest training picture. Return the indices of these pictures, and
   * the median distance divided by the usual distance between training pictures.
   * @param {Uint8Array} samples with channels last @param {Rest} rest
   */
  async compare(samples, rest) {
    const own = this.#known.map(({ placed }) => placed);
    const all = cut(samples, own[0].length);
    const [nearest, apart] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
    if (this.#usual === null) {
      const probes = Math.min(PROBES, own.length);
      const others = [];
      for (let k = 0; k < probes; k++) {
        const i = Math.floor((k * own.length) / probes);
        others.push(this.#nearest(own[i], i).apart);
        await rest(k + 1, probes + all.length);
      }
      this.#usual = median(others);
    }
    for (const one of all) {
      const found = this.find(one);
      nearest.push(found.index);
      apart.push(found.apart);
      await rest(nearest.length, all.length);
    }
    return { nearest, likeness: median(apart) / Math.max(this.#usual, 1e-9) };
  }

  /** Return the index of a sample's nearest training picture, and its distance. @param {Uint8Array} sample */
  find(sample) {
    return this.#nearest(this.#placed(sample));
  }

  /** Return the index of the nearest training picture, and its distance: the root mean square difference in grey levels. @param {Uint8Array} picture the result of `#placed` @param {number} but index of a training picture to skip */
  #nearest(picture, but = -1) {
    let [index, least] = [0, Number.POSITIVE_INFINITY];
    for (const [i, { views }] of this.#known.entries()) {
      if (i === but) continue;
      for (const view of views) {
        const sum = squares(picture, view, least);
        if (sum < least) [index, least] = [i, sum];
      }
    }
    return { index, apart: Math.sqrt(least / picture.length) };
  }
}

/** Split an array into pictures of `size` values each. @param {Uint8Array} pictures @param {number} size */
const cut = (pictures, size) =>
  Array.from({ length: pictures.length / size }, (_, i) => pictures.subarray(i * size, (i + 1) * size));

/** Return the sum of squared differences. If the sum reaches `most`, stop and return the sum so far. @param {Uint8Array} a @param {Uint8Array} b @param {number} most */
function squares(a, b, most) {
  let sum = 0;
  for (let i = 0; i < a.length && sum < most; )
    for (const end = i + SLICE; i < end; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/** Return the median. @param {number[]} values */
function median(values) {
  const [sorted, half] = [[...values].sort((a, b) => a - b), values.length / 2];
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}

/** Move a drawing's bright part to the middle, and scale it so that the standard deviation of the bright pixels' positions is SPREAD. @param {Uint8Array} picture @param {number} side */
function placed(picture, side) {
  const [across, down] = [1, side].map((step) => {
    const light = new Float64Array(side); // total brightness of each column (or row)
    for (const [i, level] of picture.entries()) light[Math.floor(i / step) % side] += level + 1e-9;
    const whole = light.reduce((sum, value) => sum + value);
    const middle = light.reduce((sum, value, i) => sum + (i + 0.5) * value, 0) / whole;
    const spread = light.reduce((sum, value, i) => sum + (i + 0.5 - middle) ** 2 * value, 0) / whole;
    const scale = Math.max(1, Math.sqrt(spread)) / SPREAD;
    return [scale, middle - (scale * side) / 2];
  });
  return moved(picture, side, [across[0], 0, across[1], 0, ...down]);
}

/** Rotate a picture like Pillow's `Image.rotate`. @param {Uint8Array} picture @param {number} side @param {number} degrees */
function turned(picture, side, degrees) {
  if (!degrees) return picture;
  const [cos, sin] = [Math.cos, Math.sin].map((of) => Number(of((-degrees * Math.PI) / 180).toFixed(15)));
  const half = side / 2;
  return moved(picture, side, [cos, sin, half - half * (cos + sin), -sin, cos, half - half * (cos - sin)]);
}

/**
 * Transform a picture like Pillow's `Image.transform(size, AFFINE, …, BILINEAR)`: the new pixel (x, y) is the old one
 * at (a x + b y + c, d x + e y + f). Between pixels, the nearest four are interpolated; outside the picture, it is
 * black.
 * @param {Uint8Array} picture @param {number} side @param {number[]} matrix
 */
function moved(picture, side, [a, b, c, d, e, f]) {
  const out = new Uint8Array(side * side);
  const inside = (/** @type {number} */ at) => Math.min(side - 1, Math.max(0, at));
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const [px, py] = [x + 0.5, y + 0.5];
      const [from, row] = [a * px + b * py + c, d * px + e * py + f];
      if (from < 0 || from >= side || row < 0 || row >= side) continue;
      const [left, top] = [Math.floor(from - 0.5), Math.floor(row - 0.5)];
      const [right, below] = [from - 0.5 - left, row - 0.5 - top]; // weights of the right and the lower pixels
      const [upper, lower] = [top, top + 1].map((line) => {
        const [one, other] = [left, left + 1].map((column) => picture[inside(line) * side + inside(column)]);
        return one + (other - one) * right;
      });
      out[y * side + x] = upper + (lower - upper) * below;
    }
  return out;
}
