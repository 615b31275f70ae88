// Readers are linear probes: they estimate x̂_0 from a block's output. This module also turns a block's output into a
// colour picture. ddpm_core/checkpoint/sidecars/readers_file.py describes their file, readers.safetensors.
// ddpm_core/engines/readers.py has the same class in Python.
import { jsonObject } from "../messages/bytes.js";
import { UserError } from "../process/errors.js";
import { insideOf } from "./surgery.js";
import { Weights } from "./weights.js";

/** @import { Config } from "./unet.js" */
/** @import { Tap } from "../process/predict.js" */
/** @typedef {{ rank: number, side: number, features: Float32Array, offset: Float32Array, patches: Float32Array, basis: Float32Array, centre: Float32Array, spread: Float32Array }} Block */
/** The metadata of the file. seeds: the number of runs to which the readers were fitted, then the number of other runs, on which R² was measured. figures: results of `python -m benchmarks inside`. @typedef {{ weights_sha256: string, times: number[], clip: boolean, measured: number[], r2: Record<string, number[]>, seeds: [number, number], figures: Record<string, any> }} About */

const FILE = "readers.safetensors";
const OTHER = `${FILE} is not a file of readers: delete it, or make it again`;
const LONGEST = 500_000; // largest length of the file's metadata, in characters
const LOW = 6 / 29; // CIELAB uses a cube root above this value, and a straight line below it
const SRGB = [
  [3.2406, -1.5372, -0.4986],
  [-0.9689, 1.8758, 0.0415],
  [0.0557, -0.204, 1.057],
];
const WHITE = [0.9505, 1, 1.089]; // the white point D65 in CIE XYZ
/** Return whether a value is a list of times in ascending order. @param {unknown} values */
const areAscending = (values) =>
  Array.isArray(values) && values.length > 0 && values.every((t, i) => Number.isInteger(t) && t > (values[i - 1] ?? 0));

/** Return how to interpolate at t: the index of the last time before t, and how far t is on the way to the next time, from 0 to 1. @param {number[]} times @param {number} t @returns {[number, number]} */
function findInterval(times, t) {
  if (times.length === 1) return [0, 0];
  const j = Math.max(
    0,
    Math.min(
      times.findLastIndex((time) => time <= t),
      times.length - 2,
    ),
  );
  return [j, Math.max(0, Math.min((t - times[j]) / (times[j + 1] - times[j]), 1))];
}

/** Return whether a value is an object of finite numbers. */
const isRow = (/** @type {unknown} */ row) => row instanceof Object && Object.values(row).every(Number.isFinite);

/** Return whether `figures` has the fields that the page reads from `python -m benchmarks inside`. @param {Record<string, any>} figures */
function areFigures(figures) {
  if (!(figures instanceof Object) || Array.isArray(figures)) return false;
  if (!Object.keys(figures).length) return true;
  const { seeds, steps, unit, whole, off, graft } = figures;
  return (
    Number.isInteger(seeds) &&
    Number.isInteger(steps) &&
    ["rms", "right"].includes(unit) &&
    Number.isFinite(whole) &&
    [off, graft].every((rows) => rows instanceof Object && Object.values(rows).every(isRow))
  );
}

/** Check the metadata of a file of readers, and return it. @param {unknown} text @returns {About} */
function checkAbout(text) {
  const about = typeof text === "string" && text.length <= LONGEST ? jsonObject(text) : null;
  const { times, measured, r2, figures } = about ?? {};
  const isShares = (/** @type {unknown} */ shares) =>
    Array.isArray(shares) && shares.length === measured.length && shares.every(Number.isFinite);
  const hasBlocks = r2 instanceof Object && Object.keys(r2).length > 0;
  if (
    areAscending(times) &&
    areAscending(measured) &&
    hasBlocks &&
    Object.values(r2).every(isShares) &&
    areFigures(figures)
  )
    return /** @type {About} */ (about);
  throw new UserError("no readers");
}

export class Readers {
  /** @type {Record<string, Block>} */
  #blocks = {};
  #channels = 0;
  /** @type {Float32Array} */
  #mean = new Float32Array();
  /** Side length of the estimated x̂_0, in values. */
  size = 0;

  /** Read a file of readers. Throws a UserError for any other file. @param {ArrayBuffer} file */
  constructor(file) {
    try {
      const weights = new Weights(file, FILE);
      this.about = checkAbout(weights.metadata.ddpm_core);
      this.#readBlocks(weights, this.about);
    } catch (error) {
      throw error instanceof UserError ? new UserError(OTHER, { cause: error }) : error;
    }
  }

  /** Read the readers of all blocks. @param {Weights} weights @param {About} about */
  #readBlocks(weights, { times, r2 }) {
    const K = times.length;
    [, this.#channels, this.size] = weights.shape("mean");
    this.#mean = weights.take("mean", K, this.#channels, this.size, this.size);
    for (const name of Object.keys(r2)) {
      const [, rank, side] = weights.shape(`${name}.offset`);
      const [, c] = weights.shape(`${name}.basis`);
      if (this.size % side) throw new UserError(`no readers of ${name}`);
      this.#blocks[name] = {
        ...{ rank, side },
        features: weights.take(`${name}.features`, K, rank, c),
        offset: weights.take(`${name}.offset`, K, rank, side, side),
        patches: weights.take(`${name}.patches`, K, this.#channels * (this.size / side) ** 2, rank),
        basis: weights.take(`${name}.basis`, 3, c),
        centre: weights.take(`${name}.centre`, K, 3),
        spread: weights.take(`${name}.spread`, K, 3),
      };
    }
    weights.finish();
  }

  /** Throw a UserError if a block of the network has no readers of its size. @param {Config} config of the network */
  check(config) {
    for (const [name, { shape }] of Object.entries(insideOf(config).blocks)) {
      const [c, , given] = shape;
      const { basis, side } = this.#blocks[name] ?? {};
      if (basis?.length !== 3 * c || side !== Math.min(given, this.size)) throw new UserError(OTHER);
    }
  }

  /**
   * Return the estimate of x̂_0 from a block's output, as (channels, rows, columns): pixels in [−1, 1], or a latent.
   * @param {string} name of the block @param {Tap} tap the output of the block @param {number} t
   */
  read(name, tap, t) {
    const { rank, side, features, offset, patches } = this.#blocks[name];
    const [c, , given] = tap.shape;
    const a = poolMeans(tap, given / side);
    const { size } = this;
    const [s, n, pixels] = [size / side, side * side, this.#channels * (size / side) ** 2];
    const out = new Float32Array(this.#channels * size * size);
    const [j, u] = findInterval(this.about.times, t);
    for (const [i, share] of [
      [j, 1 - u],
      [j + 1, u],
    ]) {
      if (!share) continue;
      const found = multiply(features.subarray(i * rank * c), rank, c, a, n);
      for (let k = 0; k < rank * n; k++) found[k] += offset[i * rank * n + k];
      const read = multiply(patches.subarray(i * pixels * rank), pixels, rank, found, n);
      for (let k = 0; k < pixels * n; k++) {
        const [pixel, place] = [Math.floor(k / n), k % n];
        const [d, dy, dx] = [Math.floor(pixel / (s * s)), Math.floor(pixel / s) % s, pixel % s];
        const at = (d * size + Math.floor(place / side) * s + dy) * size + (place % side) * s + dx;
        out[at] += share * (read[k] + this.#mean[i * out.length + at]);
      }
    }
    return this.about.clip ? out.map((value) => Math.max(-1, Math.min(value, 1))) : out;
  }

  /** Return R² of a block's estimates, measured on runs that the readers were not fitted to. @param {string} name @param {number} t */
  r2(name, t) {
    const { measured, r2 } = this.about;
    const [j, u] = findInterval(measured, t);
    return (1 - u) * r2[name][j] + (u && u * r2[name][j + 1]);
  }

  /**
   * Return a picture of a block's output in sRGB, with the colours innermost. Three directions in the output's
   * channels set the lightness and the two colour axes of CIELAB.
   * @param {string} name of the block @param {Tap} tap the output of the block @param {number} t
   */
  colours(name, { shape: [c, h, w], data }, t) {
    const { basis, centre, spread } = this.#blocks[name];
    const n = h * w;
    const [j, u] = findInterval(this.about.times, t);
    const along = (/** @type {Float32Array} */ rows, /** @type {number} */ k) =>
      (1 - u) * rows[3 * j + k] + (u && u * rows[3 * j + 3 + k]);
    const q = multiply(basis, 3, c, data, n);
    for (let k = 0; k < 3; k++) {
      const [middle, deviation] = [along(centre, k), along(spread, k)];
      for (let i = k * n; i < k * n + n; i++) q[i] = 1.6 * Math.tanh((q[i] - middle) / deviation / 1.6);
    }
    const out = new Uint8Array(3 * n);
    for (let i = 0; i < n; i++) out.set(toSrgb(56 + 22 * q[i], 30 * q[n + i], 30 * q[2 * n + i]), 3 * i);
    return out;
  }
}

/** Reduce each channel: return the means of its squares of step × step values. @param {Tap} tap @param {number} step @returns {ArrayLike<number>} */
function poolMeans({ shape: [c, h, w], data }, step) {
  if (step <= 1) return data;
  const out = new Float64Array((c * h * w) / step ** 2);
  for (let i = 0; i < data.length; i++) {
    const [row, column] = [Math.floor(i / w), i % w]; // `row` counts the rows of all channels, one channel after the other
    out[Math.floor(row / step) * (w / step) + Math.floor(column / step)] += data[i] / step ** 2;
  }
  return out;
}

/** Return the matrix product of a (rows × middle) and b (middle × columns). @param {ArrayLike<number>} a @param {number} rows @param {number} middle @param {ArrayLike<number>} b @param {number} columns */
function multiply(a, rows, middle, b, columns) {
  const out = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++)
    for (let m = 0; m < middle; m++) {
      const weight = a[r * middle + m];
      for (let k = 0; k < columns; k++) out[r * columns + k] += weight * b[m * columns + k];
    }
  return out;
}

/** Convert a colour from CIELAB to sRGB with 8 bits. @param {number} L @param {number} a @param {number} b */
function toSrgb(L, a, b) {
  const y = (L + 16) / 116;
  const xyz = [y + a / 500, y, y - b / 200].map((f, i) => WHITE[i] * (f > LOW ? f ** 3 : 3 * LOW ** 2 * (f - 4 / 29)));
  return SRGB.map((row) => {
    const linear = Math.max(0, Math.min(row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2], 1));
    return Math.round(255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055));
  });
}
