// Restores a picture x_0 from a measurement y = A x_0 by replacement, RePaint or DDNM: see ddpm_core/restore.py.

import { UserError } from "./errors.js";
import { combine, minus } from "./floats.js";
import { qSample, withEps } from "./predict.js";
import { begin, chain, walk } from "./runs.js";

/** @import { Term } from "./floats.js" */
/** @import { Process } from "./predict.js" */
/** @import { Settings, Step } from "./runs.js" */
/** @import { Advance } from "./samplers.js" */
/** @typedef {(x: Float32Array) => Float32Array} Linear */
/** @typedef {{ forward: Linear, pseudoinverse: Linear }} Measurement the linear map A of an image, and its pseudoinverse A⁺ */

const f32 = Math.fround;
const EXTRA = 2 ** 20; // offset of the indices of additional noise: noise j of step i has index i + j · 2^20
const LEAST = 0.01; // singular values of a blur below this share of the largest count as 0
/**
 * For RePaint and replacement, the number of steps in a block, and how often each block runs; null for DDNM.
 * @type {Record<string, { jump: number, rounds: number } | null>}
 */
const METHODS = { ddnm: null, replacement: { jump: 1, rounds: 1 }, repaint: { jump: 10, rounds: 10 } };

// --- Measurements

/**
 * Return the measurement that keeps the known pixels, and sets all other pixels to 0.
 * @param {ArrayLike<number | boolean>} known whether each pixel is known
 * @returns {Measurement}
 */
export function mask(known) {
  const keep = (/** @type {Float32Array} */ x) => x.map((value, i) => value * Number(known[i % known.length]));
  return { forward: keep, pseudoinverse: keep };
}

/**
 * Return the measurement that averages every block of factor × factor pixels.
 * @param {number} factor
 * @param {number} size
 * @returns {Measurement}
 */
export function downsample(factor, size) {
  if (size % factor) throw new UserError(`${size}×${size} pixels can't be divided into blocks of ${factor}×${factor}`);
  const side = size / factor;
  return {
    forward(x) {
      const means = new Float32Array(x.length / factor ** 2);
      return means.map((_, i) => {
        const first = Math.floor(i / side) * factor * size + (i % side) * factor;
        let sum = 0;
        for (let row = 0; row < factor; row++)
          for (let column = 0; column < factor; column++) sum = f32(sum + x[first + row * size + column]);
        return sum / factor ** 2;
      });
    },
    pseudoinverse: (y) =>
      new Float32Array(y.length * factor ** 2).map(
        (_, i) => y[Math.floor(i / (size * factor)) * side + Math.floor((i % size) / factor)],
      ),
  };
}

/** Return the measurement that averages the channels. @param {number} channels @returns {Measurement} */
export function grey(channels) {
  return {
    forward(x) {
      const pixels = x.length / channels;
      return x.slice(0, pixels).map((first, i) => {
        let sum = first;
        for (let k = 1; k < channels; k++) sum = f32(sum + x[k * pixels + i]);
        return sum / channels;
      });
    },
    pseudoinverse: (y) => new Float32Array(channels * y.length).map((_, i) => y[i % y.length]),
  };
}

/**
 * Return the measurement that blurs size × size pixels with a Gaussian, which ends at three standard deviations. Edges
 * are mirrored, so the eigenvectors are cosines. Eigenvalues below 1 % of the largest are set to 0, because 8 bits
 * could not keep their share of the picture.
 * @param {number} deviation standard deviation in pixels @param {number} size
 * @returns {Measurement}
 */
export function blur(deviation, size) {
  const radius = Math.min(Math.ceil(3 * deviation), size - 1);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * deviation ** 2)),
  );
  const total = weights.reduce((sum, weight) => sum + weight);
  const cosine = (/** @type {number} */ k, /** @type {number} */ at) => Math.cos((Math.PI * k * at) / size);
  const side = Array.from({ length: size }, (_, k) => k);
  const waves = side.map((k) => side.map((j) => Math.sqrt((k ? 2 : 1) / size) * cosine(k, j + 0.5)));
  const back = side.map((j) => side.map((k) => waves[k][j]));
  const values = side.map((k) => weights.reduce((sum, weight, i) => sum + (weight / total) * cosine(k, i - radius), 0));
  /**
   * Return the function x -> Wᵀ (M ∘ W x Wᵀ) W, where W is `waves`.
   * @param {(value: number) => number} of computes M from the eigenvalues @returns {Linear}
   */
  const applyMatrix = (of) => (x) => {
    const restored = new Float32Array(x.length);
    for (let first = 0; first < x.length; first += size * size) {
      const rows = side.map((i) => Array.from(x.subarray(first + i * size, first + (i + 1) * size)));
      const seen = multiplyBothSides(rows, waves).map((row, k) =>
        row.map((value, l) => value * of(values[k] * values[l])),
      );
      restored.set(multiplyBothSides(seen, back).flat(), first);
    }
    return restored;
  };
  const most = Math.max(...values) ** 2;
  const kept = (/** @type {number} */ value) => Math.abs(value) >= LEAST * most;
  return { forward: applyMatrix((v) => (kept(v) ? v : 0)), pseudoinverse: applyMatrix((v) => (kept(v) ? 1 / v : 0)) };
}

/** Return M x Mᵀ. @param {number[][]} x @param {number[][]} matrix M */
function multiplyBothSides(x, matrix) {
  const dot = (/** @type {number[]} */ a, /** @type {number[]} */ b) =>
    a.reduce((sum, value, i) => sum + value * b[i], 0);
  const right = x.map((row) => matrix.map((weights) => dot(row, weights)));
  const columns = right.map((_, j) => right.map((row) => row[j]));
  return matrix.map((weights) => columns.map((column) => dot(column, weights)));
}

// --- Methods

/**
 * Yield the steps of a run that restores the picture whose measurement is y. RePaint and replacement yield their steps
 * only when a block is done; until then, they yield null after each evaluation.
 * @param {Process} model @param {Float32Array} y @param {Measurement} measurement @param {string} method
 * @param {Settings} settings
 * @returns {AsyncGenerator<Step | null>}
 */
export function restore(model, y, measurement, method, settings) {
  if (!Object.hasOwn(METHODS, method))
    throw new UserError(`the method ${method} needs the installed lab: here are ${Object.keys(METHODS).join(", ")}`);
  const repeats = METHODS[method];
  const way = chain(model, settings);
  const { x, evaluate, noise } = begin(model, settings);
  const { forward, pseudoinverse } = measurement;
  /** Return x after the smallest change that makes its measurement equal `wanted`. */
  const toFit = (/** @type {Float32Array} */ x, /** @type {Float32Array} */ wanted) =>
    combine([1, x], [1, pseudoinverse(minus(wanted, forward(x)))]);
  if (repeats) {
    if (!way.advance) throw new UserError("this method takes samplers that evaluate at their own state");
    if (way.memory) throw new UserError(`${way.name} remembers earlier steps: use ddpm, ddim or consistency`);
    return repaint(repeats, way.advance());
  }
  /** Return x̂_0, changed so that it fits y, and the ε that belongs to this x̂_0. */
  const guess = async (/** @type {Float32Array} */ x, /** @type {number} */ t, /** @type {number} */ index) => {
    const found = await evaluate(x, t, index);
    return { ...withEps(model, toFit(found.x0Hat, y), x, t), v: found.v };
  };
  return walk(way, guess, x, noise);

  /**
   * Take each block of `jump` steps `rounds` times. After each step, replace the measured part of the state.
   * @param {{ jump: number, rounds: number }} repeats @param {Advance} advance @returns {AsyncGenerator<Step | null>}
   */
  async function* repaint({ jump, rounds }, advance) {
    const { pairs } = way;
    let state = x;
    for (let first = 0; first < pairs.length; first += jump) {
      const block = pairs.slice(first, first + jump);
      for (let round = 0; round < rounds; round++) {
        const extra = (/** @type {number} */ k, /** @type {number} */ j) => noise(k + (3 * round + j) * EXTRA);
        /** @type {Step[]} */
        const steps = [];
        for (const [i, [t, s]] of block.entries()) {
          const index = first + i;
          const found = await evaluate(state, t, index);
          const [next, sigma] = advance(found, index, t, s, state, (k) => extra(k, 0));
          /** @type {[Term, ...Term[]]} */
          const wanted = [[Math.sqrt(model.alphaBar[s]), y]];
          if (s) wanted.push([Math.sqrt(1 - model.alphaBar[s]), forward(extra(index, 1))]);
          state = toFit(next, combine(...wanted));
          steps.push({ index, t, s, x: state, x0: found.x0Hat, sigma });
          yield null;
        }
        if (round < rounds - 1) state = qSample(model, state, block[0][0], extra(first, 2), steps[steps.length - 1].s);
        else yield* steps;
      }
    }
  }
}
