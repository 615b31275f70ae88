// Updates weights from gradients: Muon, Adam and the learning rate as in train/fit/optimisers.py, and the moving
// average of the weights as in train/fit/ema.py.

import { stepsOf } from "./recipe.js";

/** @import { Memory } from "../network/kernel.js" */
/** @import { Parameter } from "../network/parameters.js" */
/** @import { BatchKernel } from "../network/tape.js" */
/** @import { Recipe } from "./recipe.js" */
/** @import { Tensors } from "./shapes.js" */
/** A tensor that the optimiser updates. within: whether Muon updates the tensor, instead of Adam. moments: the place of the moments in memory; Adam's second moments follow the first moments. @typedef {Parameter & { size: number, within: boolean, moments: number }} State */

const [WARMUP, DECAY] = [50, 1000]; // number of steps in which the learning rate rises, and the earliest step at which it may reach 0
const [MOMENTUM, BETA1, BETA2] = [0.95, 0.9, 0.999];
const [CLIP, SMALL] = [1, 1e-6]; // the largest norm of a gradient, and the number that PyTorch adds to a norm before it divides by the norm
const ADAMS = /^conv_in\.|^conv_out\.|embedding/; // names of the tensors that Adam updates; Adam also updates all vectors
const QUINTIC = [3.4445, -4.775, 2.0315]; // coefficients of x, x³ and x⁵ in a Newton-Schulz step, which moves singular values x towards 1
const ROUNDS = 5;

/** Return the learning rate of a step, counted from 0. @param {Recipe} recipe @param {number} step */
export function learningRate(recipe, step) {
  const done = Math.min(1, Math.max(0, step - WARMUP) / (Math.max(DECAY, stepsOf(recipe)) - WARMUP));
  return recipe.lr * Math.min(1, (step + 1) / WARMUP) * 0.5 * (1 + Math.cos(Math.PI * done));
}

/** Return the factor by which to multiply a gradient, so that its norm is at most CLIP. @param {number} norm of the gradient */
export const clipping = (norm) => Math.min(1, CLIP / (norm + SMALL));

/** The moving average of weights. New weights count more in the first steps. */
export class Average {
  /** @param {number} decay highest decay @param {Float32Array} values */
  constructor(decay, values) {
    this.decay = decay;
    this.values = values;
  }

  /** Add the weights of a step to the average. @param {Float32Array} weights @param {number} step from 0 on */
  update(weights, step) {
    const { values } = this;
    const share = 1 - Math.min(this.decay, (1 + step) / (10 + step));
    for (let i = 0; i < values.length; i++) values[i] += (weights[i] - values[i]) * share;
  }
}

/** The optimiser: Muon updates matrices and convolutions inside a network, and Adam updates all other tensors. */
export class Muon {
  /** @param {Memory<BatchKernel>} memory @param {Parameter[]} parameters to update */
  constructor(memory, parameters) {
    this.m = memory;
    this.states = parameters.map((parameter) => {
      const within = parameter.shape.length > 1 && !ADAMS.test(parameter.name);
      const size = (parameter.length + 3) & ~3;
      const moments = memory.take(within ? size : 2 * size);
      memory.f.fill(0, moments, memory.top);
      return { ...parameter, size, within, moments };
    });
  }

  /** Return copies of the optimiser's moments. @returns {Tensors} */
  get moments() {
    return new Map(this.states.map((state) => [state.name, this.#momentsOf(state).slice()]));
  }

  set moments(kept) {
    for (const state of this.states) this.#momentsOf(state).set(/** @type {Float32Array} */ (kept.get(state.name)));
  }

  /** Return a view of a tensor's moments. @param {State} state */
  #momentsOf({ moments, size, within }) {
    return this.m.f.subarray(moments, moments + (within ? size : 2 * size));
  }

  /** Update the weights. @param {number} rate learning rate @param {number} by factor for the gradients @param {number} step from 0 on */
  step(rate, by, step) {
    const [first, second] = [1 - BETA1 ** (step + 1), 1 - BETA2 ** (step + 1)];
    for (const state of this.states) {
      const { at, grad, moments, size } = state;
      if (state.within) this.#turn(state, rate, by);
      else this.m.run.adam(at, grad, moments, moments + size, size, rate / first, second, by);
    }
  }

  /** Update a matrix by Muon, with Nesterov momentum. @param {State} state @param {number} rate learning rate @param {number} by factor for the gradient */
  #turn({ at, grad, moments, size, shape }, rate, by) {
    const { m } = this;
    const { top } = m;
    const [rows, columns] = [shape[0], size / shape[0]];
    m.run.mix(grad, by * (1 - MOMENTUM), moments, MOMENTUM, size);
    const ahead = m.take(size);
    m.f.copyWithin(ahead, moments, moments + size);
    m.run.mix(grad, by * (1 - MOMENTUM), ahead, MOMENTUM, size);
    const direction = rows > columns ? this.#tall(ahead, rows, columns) : this.#orthogonal(ahead, rows, columns);
    m.run.mix(direction, -rate * 0.2 * Math.sqrt(Math.max(rows, columns)), at, 1, size);
    m.top = top;
  }

  /** Apply `#orthogonal` to a matrix with more rows than columns: transpose the matrix first, and transpose the result back. Return the place x, which then contains the result. @param {number} x @param {number} rows @param {number} columns */
  #tall(x, rows, columns) {
    const turned = this.m.take(rows * columns);
    this.#transpose(x, rows, columns, turned);
    this.#transpose(this.#orthogonal(turned, columns, rows), columns, rows, x);
    return x;
  }

  /** Write the transpose of the matrix at x to the place `out`. @param {number} x @param {number} rows @param {number} columns @param {number} out */
  #transpose(x, rows, columns, out) {
    const { f } = this.m;
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) f[out + j * rows + i] = f[x + i * columns + j];
  }

  /** Move the singular values of a matrix towards 1, and return the place of the result. This overwrites the matrix, which is at x. @param {number} x @param {number} rows @param {number} columns */
  #orthogonal(x, rows, columns) {
    const { m } = this;
    const { run } = m;
    const [size, square] = [rows * columns, rows * rows];
    run.mix(x, 0, x, 1 / (Math.sqrt(run.squares(x, size)) + 1e-7), size);
    let other = m.take(size);
    const [parts, gram, power, packed] = [1, 2, 3, 4].map(() => m.take(square));
    for (let round = 0; round < ROUNDS; round++) {
      m.f.fill(0, parts, parts + square);
      run.outer(x, columns, rows, x, columns, rows, columns, parts, 4 * rows, 1, 0, 0, 0);
      // `outer` groups four rows: [row / 4][column][row % 4]. This loop writes one row after the other.
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < rows; j++) m.f[gram + i * rows + j] = m.f[parts + (i >> 2) * 4 * rows + 4 * j + (i & 3)];
      run.product(gram, rows, rows, parts, 4, 4 * rows, 0, 0, power, rows, rows, rows, 1, 0, 0, 0);
      run.mix(gram, QUINTIC[1], power, QUINTIC[2], square);
      for (let i = 0; i < rows; i++) m.f[power + i * rows + i] += QUINTIC[0];
      run.pack(power, rows, 1, rows, rows, packed, 4 * rows);
      run.product(x, columns, rows, packed, 4, 4 * rows, 0, 0, other, columns, rows, columns, 1, 0, 0, 0);
      [x, other] = [other, x];
    }
    return x;
  }
}
