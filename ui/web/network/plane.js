// The small network for points in the plane, and its training. The random numbers are those of
// ddpm_core/plane/plane_network.py. The values of a layer form a matrix with a row for each unit and a column for
// each point.

import { Mixture } from "../process/mixture.js";
import { Random } from "../process/noise.js";
import { Memory } from "./kernel.js";

/** @import { Data } from "../process/mixture.js" */
/** @import { Schedule } from "../process/schedule.js" */

const STREAM = 2n ** 63n; // number of the random stream of a training; the steps of runs have other streams
const POINTS = 512; // number of points in a batch or in one evaluation
const ROW = POINTS + 16; // number of values from the start of one row to the next: 512 alone would put all rows into the same cache sets
const LEARNING_RATE = 4e-3;
const [FIRST, SECOND, TINY] = [0.9, 0.999, 1e-8]; // β₁, β₂ and ε of Adam
const FREQUENCIES = 16; // number of frequencies in the embedding of t
const WAVES = [1, 2, 4].map((n) => f32(n * Math.PI)); // frequencies in the embedding of a coordinate, in radians per unit
const [FEATURES, HIDDEN] = [2 + 2 * (FREQUENCIES + 2 * WAVES.length), 128];
/** Number of units of each layer. The kernel needs multiples of 4, so 2 units are added to the features and 2 to the outputs; they stay 0. */
const SIZES = [FEATURES + 2, HIDDEN, HIDDEN, HIDDEN, 4];

/** Round to float32. @param {number} value */
function f32(value) {
  return Math.fround(value);
}

/** A linear layer of the network, with the memory for its training. */
class Layer {
  /** @param {Memory} m @param {number} inputs @param {number} outputs */
  constructor(m, inputs, outputs) {
    this.m = m;
    this.inputs = inputs;
    this.outputs = outputs;
    /** Return an array for the weights of each output, then all biases. */
    const numbers = () => new Float32Array(outputs * inputs + outputs);
    this.weights = numbers();
    this.gradient = numbers();
    this.averages = [numbers(), numbers()];
    this.packed = m.take(outputs * inputs);
    this.bias = m.take(outputs);
    this.transposed = m.take(outputs * inputs); // the transposed weights, for backpropagation
    this.z = m.take(outputs * ROW);
    this.h = m.take(outputs * ROW); // SiLU(z)
    this.back = m.take(outputs * ROW); // the derivatives of the loss with respect to z
    this.scales = m.take(2 * outputs);
    for (let i = 0; i < outputs; i++) m.f[this.scales + 2 * i] = 1;
  }

  /** Copy the weights into the kernel's order. Call this after each change of the weights. */
  pack() {
    const { m, inputs, outputs, weights } = this;
    m.f.set(weights.subarray(outputs * inputs), this.bias);
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < inputs; i++) {
        const weight = weights[o * inputs + i];
        m.f[this.packed + (o >> 2) * 4 * inputs + 4 * i + (o & 3)] = weight;
        m.f[this.transposed + (i >> 2) * 4 * outputs + 4 * o + (i & 3)] = weight;
      }
  }

  /** Compute z and its SiLU, and return the SiLU's place. @param {number} from the place of the previous layer's rows */
  forward(from) {
    const { m, inputs, outputs } = this;
    m.run.product(
      ...[from, ROW, inputs, this.packed, 4, 4 * inputs, this.bias, 0],
      ...[this.z, ROW, outputs, POINTS, 1, 0, 0, 0],
    );
    m.run.spread(this.z, ROW, outputs, 1, POINTS, this.scales, 1, this.h, ROW, ROW);
    return this.h;
  }

  /** Compute the gradient of the weights. @param {number} from the place of the previous layer's rows @param {{ transposed: number, packed: number, found: number }} room places for intermediate matrices */
  learn(from, { transposed, packed, found }) {
    const { m, inputs, outputs, gradient } = this;
    const { f } = m;
    const wide = inputs + 16;
    for (let i = 0; i < inputs; i++)
      for (let n = 0, at = from + i * ROW; n < POINTS; n++) f[transposed + n * wide + i] = f[at + n];
    for (let o = 0; o < outputs; o++) {
      const to = packed + (o >> 2) * 4 * POINTS + (o & 3);
      let sum = 0;
      for (let n = 0, at = this.back + o * ROW; n < POINTS; n++) {
        sum += f[at + n];
        f[to + 4 * n] = f[at + n];
      }
      gradient[outputs * inputs + o] = sum;
    }
    m.run.product(transposed, wide, POINTS, packed, 4, 4 * POINTS, 0, 0, found, wide, outputs, inputs, 1, 0, 0, 0);
    for (let o = 0; o < outputs; o++) gradient.set(f.subarray(found + o * wide, found + o * wide + inputs), o * inputs);
  }

  /** Compute the derivatives of the loss with respect to z of the previous layer. @param {Layer} before */
  backward({ z, h, back }) {
    const { m, inputs, outputs } = this;
    const { f } = m;
    m.run.product(
      ...[this.back, ROW, outputs, this.transposed, 4, 4 * outputs, 0, 0],
      ...[back, ROW, inputs, POINTS, 1, 0, 0, 0],
    );
    for (let i = 0; i < inputs; i++)
      for (let at = i * ROW, end = at + POINTS; at < end; at++) {
        const silu = f[h + at];
        const sigmoid = f[z + at] ? silu / f[z + at] : 0.5;
        f[back + at] *= sigmoid * (1 - silu) + silu;
      }
  }

  /** Change the weights by one step of Adam. @param {number} rate the learning rate @param {number} count number of the step, from 1 */
  step(rate, count) {
    const { weights, gradient } = this;
    const [mean, square] = this.averages;
    const size = rate / (1 - FIRST ** count);
    const root = Math.sqrt(1 - SECOND ** count);
    for (let i = 0; i < weights.length; i++) {
      const slope = gradient[i];
      mean[i] += (1 - FIRST) * (slope - mean[i]);
      square[i] = SECOND * square[i] + (1 - SECOND) * slope * slope;
      weights[i] -= (size * mean[i]) / (Math.sqrt(square[i]) / root + TINY);
    }
    this.pack();
  }
}

/** The network ε_θ(x_t, t) of points: three hidden layers on x_t and sinusoidal features of x_t and t. */
export class PlaneNetwork {
  #rates = Array.from({ length: FREQUENCIES }, (_, i) => f32(1e4 ** (-i / FREQUENCIES)));

  /** @param {WebAssembly.Module} kernel the result of `compile` @param {Random} generator draws the first weights */
  constructor(kernel, generator) {
    const m = new Memory(kernel);
    this.m = m;
    this.features = m.take(SIZES[0] * ROW);
    this.layers = SIZES.slice(1).map((outputs, i) => new Layer(m, SIZES[i], outputs));
    for (const layer of this.layers) {
      const isLast = layer === this.layers.at(-1);
      const [rows, columns] = [isLast ? 2 : HIDDEN, layer === this.layers[0] ? FEATURES : HIDDEN];
      const scale = f32(isLast ? 0 : Math.sqrt(2 / columns));
      const drawn = generator.normal(rows * columns);
      for (const [i, value] of drawn.entries())
        layer.weights[Math.floor(i / columns) * layer.inputs + (i % columns)] = scale * value;
      layer.pack();
    }
  }

  /** Evaluate the network at up to POINTS points. Return the place of ε_θ, which has a row for each coordinate. @param {Float32Array} x x₁ and x₂ of one point after the other @param {(point: number) => number} tIndex t − 1 */
  #forward(x, tIndex) {
    const { f } = this.m;
    for (let n = 0; 2 * n < x.length; n++) {
      let at = this.features + n;
      const put = (/** @type {number} */ value) => {
        f[at] = value;
        at += ROW;
      };
      const point = [x[2 * n], x[2 * n + 1]];
      const t = tIndex(n);
      const angles = this.#rates.map((rate) => f32(t * rate));
      for (const wave of WAVES) angles.push(f32(wave * point[0]), f32(wave * point[1]));
      point.forEach(put);
      for (const angle of angles) put(Math.sin(angle));
      for (const angle of angles) put(Math.cos(angle));
    }
    let at = this.features;
    for (const layer of this.layers) at = layer.forward(at);
    return /** @type {Layer} */ (this.layers.at(-1)).z;
  }

  /** Return ε_θ of points that all have the same time. @param {Float32Array} x @param {number} tIndex t − 1 */
  evaluate(x, tIndex) {
    const eps = new Float32Array(x.length);
    for (let first = 0; first < x.length; first += 2 * POINTS) {
      const part = x.subarray(first, first + 2 * POINTS);
      const z = this.#forward(part, () => tIndex);
      for (let i = 0; i < part.length; i++) eps[first + i] = this.m.f[z + (i % 2) * ROW + (i >> 1)];
    }
    return eps;
  }

  /** Compute the gradient of L_simple on a batch, and return L_simple. @param {Float32Array} x x_t @param {number[]} t @param {Float32Array} eps @param {Parameters<Layer["learn"]>[1]} room */
  learn(x, t, eps, room) {
    const z = this.#forward(x, (n) => t[n] - 1);
    const { layers, m } = this;
    const { back } = layers[layers.length - 1];
    let loss = 0;
    for (let i = 0; i < x.length; i++) {
      const at = (i % 2) * ROW + (i >> 1);
      const error = m.f[z + at] - eps[i];
      loss += error ** 2 / x.length;
      m.f[back + at] = (2 * error) / x.length;
    }
    for (let i = layers.length - 1; i >= 0; i--) {
      layers[i].learn(i ? layers[i - 1].h : this.features, room);
      if (i) layers[i].backward(layers[i - 1]);
    }
    return loss;
  }
}

/**
 * Train a network. Yield the network before the first step, with the loss NaN, and after each step, with the loss of
 * this step.
 * @param {WebAssembly.Module} kernel the result of `compile` @param {Data} data @param {Schedule} schedule @param {number} steps
 * @returns {Generator<{ step: number, loss: number, network: PlaneNetwork }, any>}
 */
export function* training(kernel, data, { alphaBar }, steps) {
  const generator = new Random(0n, STREAM);
  const network = new PlaneNetwork(kernel, generator);
  const { m, layers } = network;
  const room = {
    transposed: m.take(POINTS * (HIDDEN + 16)),
    packed: m.take(HIDDEN * POINTS),
    found: m.take(HIDDEN * (HIDDEN + 16)),
  };
  const mixture = new Mixture(data);
  yield { step: 0, loss: Number.NaN, network };
  for (let step = 1; step <= steps; step++) {
    const rate = (LEARNING_RATE * (1 + Math.cos((Math.PI * (step - 1)) / steps))) / 2;
    const x0 = mixture.draw(POINTS, generator);
    const t = generator.integers(alphaBar.length - 1, POINTS).map((index) => index + 1);
    const eps = generator.normal(2 * POINTS);
    const loss = network.learn(noisePoints(alphaBar, x0, t, eps), t, eps, room);
    for (const layer of layers) layer.step(rate, step);
    yield { step, loss, network };
  }
}

/** Return x_t of points. t lists the time of each point. @param {Float64Array} alphaBar @param {Float32Array} x0 @param {number[]} t @param {Float32Array} eps */
const noisePoints = (alphaBar, x0, t, eps) =>
  x0.map((value, i) => {
    const at = alphaBar[t[i >> 1]];
    return f32(f32(Math.sqrt(at)) * value) + f32(f32(Math.sqrt(1 - at)) * eps[i]);
  });

/** Estimate L_simple for the exact ε, which no network can beat. The estimate uses random points, the same number at each t. @param {Data} data @param {Schedule} schedule */
export function leastLoss(data, { alphaBar }, draws = 20_000) {
  const mixture = new Mixture(data);
  const generator = new Random(0n, STREAM);
  const x0 = mixture.draw(draws, generator);
  const t = Array.from({ length: draws }, (_, i) => (i % (alphaBar.length - 1)) + 1);
  const eps = generator.normal(2 * draws);
  const x = noisePoints(alphaBar, x0, t, eps);
  let sum = 0;
  for (let i = 0; i < x.length; i += 2) {
    const exact = mixture.epsilon(x[i], x[i + 1], alphaBar[t[i >> 1]]);
    sum += (exact[0] - eps[i]) ** 2 + (exact[1] - eps[i + 1]) ** 2;
  }
  return sum / x.length;
}
