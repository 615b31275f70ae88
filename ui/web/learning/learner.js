// Trains a network in a worker. Several workers can train one network: each computes the gradient for a share of a
// step's pictures, and updates a share of the weights. The page passes gradients and weights between the workers
// (team.js).

import { BatchLayers } from "../network/batch_layers.js";
import { Memory, pageKernel } from "../network/kernel.js";
import { Parameters } from "../network/parameters.js";
import { Weights } from "../network/weights.js";
import { flat, fromUint8, toUint8 } from "../process/floats.js";
import { normals, uniforms } from "./draws.js";
import { Objective } from "./objective.js";
import { Average, clipping, learningRate, Muon } from "./optimisers.js";
import { TIMES } from "./recipe.js";
import { learnedWeights, shapesOf } from "./shapes.js";

/** @import { BatchImage, BatchKernel } from "../network/tape.js" */
/** @import { Parameter } from "../network/parameters.js" */
/** @import { Pictures } from "./pictures.js" */
/** @import { Published, Recipe } from "./recipe.js" */
/** @import { Config } from "../network/unet.js" */
/** @import { Tensors } from "./shapes.js" */

/**
 * The state of a lane after some step, as a training saves it.
 * @typedef {object} Learned
 * @property {Tensors} weights
 * @property {Tensors} averages the moving average of the weights; the weights if there is no average
 * @property {Tensors} moments of the optimiser
 */
/**
 * The settings with which a learner begins.
 * @typedef {object} Begin
 * @property {Recipe} recipe
 * @property {Pictures} pictures
 * @property {Record<string, any>} config of the network @property {Record<string, any>} scheduler
 * @property {number} index of this worker @property {number} workers number of workers that train the network
 * @property {number} seed of the samples
 * @property {Tensors | Published} weights
 * @property {Learned | null} learned the state to continue from
 * @property {WebAssembly.Module} [code] the compiled batch.wasm; if missing, the learner fetches it
 */
/** A worker's share of the weights: names of its tensors, and their range in the array of all weights. @typedef {{ names: string[], from: number, to: number }} Share */
/** A training example before noise is mixed in. @typedef {{ x0: Float32Array, eps: Float32Array, t: number, label: number }} Example */

const N = 8; // number of pictures in one pass through the network
const SAMPLES = 24; // number of pictures in a grid
const STEPS = 10; // number of DDIM steps that draw a sample

/** Divide the tensors among the workers, so that all have about equal work. @param {Parameter[]} parameters @param {number} count @param {number} size number of all weights @returns {Share[]} */
function sharesOf(parameters, count, size) {
  const work = parameters.map(({ shape, length }) =>
    shape.length > 1 ? Math.min(shape[0], length / shape[0]) * length : length,
  );
  const whole = work.reduce((a, b) => a + b, 0);
  /** @type {Share[]} */
  const shares = Array.from({ length: count }, () => ({ names: [], from: size, to: size }));
  let [sum, place] = [0, 0];
  for (const [i, { name, length }] of parameters.entries()) {
    const share = shares[Math.min(count - 1, Math.floor((sum / whole) * count))];
    if (!share.names.length) share.from = place;
    place += (length + 3) & ~3;
    share.names.push(name);
    share.to = place;
    sum += work[i];
  }
  return shares;
}

/** Return the weights with which a training begins. @param {Tensors | Published} weights @param {Config} config */
const tensorsOf = (weights, config) =>
  weights instanceof Map
    ? weights
    : learnedWeights(new Weights(weights.file, weights.name), shapesOf(config), weights.nullLabel);

export class Learner {
  /** The number of the current epoch, and the order of the pictures in this epoch. */
  #order = { epoch: -1, pictures: new Uint32Array() };

  /** @param {WebAssembly.Module} code @param {Begin} begin */
  constructor(code, { recipe, pictures, config, scheduler, index, workers, seed, weights, learned }) {
    this.recipe = recipe;
    this.pictures = pictures;
    this.index = index;
    this.workers = workers;
    this.seed = seed;
    this.objective = new Objective(recipe, scheduler);
    this.size = pictures.channels * pictures.side * pictures.side;
    this.classes = pictures.labels ? pictures.classes.length : 0;
    /** @type {Memory<BatchKernel>} */
    const memory = new Memory(code);
    this.parameters = new Parameters(memory, shapesOf(config));
    this.layers = new BatchLayers(memory, this.parameters, N);
    this.unet = this.layers.unet(config);
    const all = [...this.parameters.all.values()];
    this.shares = sharesOf(all, workers, this.parameters.size);
    this.names = new Set(this.shares[index].names);
    this.optimiser = new Muon(
      memory,
      all.filter(({ name }) => this.names.has(name)),
    );
    this.parameters.put(learned ? learned.averages : tensorsOf(weights, config));
    this.average = recipe.average ? new Average(recipe.average, this.#ofShare(this.parameters.weights)) : null;
    if (!learned) return;
    this.parameters.put(learned.weights);
    this.optimiser.moments = learned.moments;
  }

  /** Return a copy of this worker's part of an array. The array has one value for each weight, in the order of the weights. @param {Float32Array} numbers */
  #ofShare(numbers, { from, to } = this.shares[this.index]) {
    return numbers.slice(from, to);
  }

  // --- A step

  /** Compute the gradient for this worker's pictures of a step. Return the pictures' part of the loss, and a list with the gradient of each other worker's share of the weights. @param {{ step: number }} asked */
  gradient({ step }) {
    const { recipe, index, workers, layers, parameters } = this;
    layers.begin();
    let loss = 0;
    for (let i = index * N; i < recipe.batch; i += workers * N) loss += this.#learn(step * recipe.batch + i);
    layers.end();
    const parts = this.shares.map((share, i) => (i === index ? null : this.#ofShare(parameters.gradients, share)));
    return { loss: loss / recipe.batch, parts };
  }

  /** Add the gradient of N examples to the gradient of the step. Return the sum of the examples' losses. @param {number} first index of the first example */
  #learn(first) {
    const { objective, size } = this;
    const examples = Array.from({ length: N }, (_, j) => this.example(first + j));
    const inputs = examples.map(({ x0, eps, t }) => objective.input(objective.noisy(x0, eps, t), t));
    const [times, labels] = [inputs.map(({ time }) => time), examples.map(({ label }) => label)];
    const out = /** @type {BatchImage} */ (
      /** @type {unknown} */ (this.unet.forward(flat(inputs.map(({ x }) => x)), times, labels))
    );
    const gradient = this.layers.read(out);
    let sum = 0;
    for (const [j, { x0, eps, t }] of examples.entries()) {
      const target = objective.target(x0, eps, t);
      const [weight, own] = [objective.weight(t), gradient.subarray(j * size, (j + 1) * size)];
      const by = (2 * weight) / (size * this.recipe.batch);
      let squares = 0;
      for (let i = 0; i < size; i++) {
        const apart = own[i] - target[i];
        squares += apart * apart;
        own[i] = by * apart;
      }
      sum += (weight * squares) / size;
    }
    this.layers.back(out, gradient);
    return sum;
  }

  /** Return an example. An example depends only on the seed and on the example's index, so all workers would make the same example. @param {number} number index of the example @returns {Example} */
  example(number) {
    const { pictures, recipe, size } = this;
    const { seed, dropout } = recipe;
    const picture = this.#picture(number);
    const [u, dropped] = uniforms(seed, "example", number, 2);
    return {
      x0: this.#pixels(picture),
      eps: normals(seed, "noise", number, size),
      t: this.objective.time(u),
      label: pictures.labels && dropped >= dropout ? pictures.labels[picture] : this.classes,
    };
  }

  /** Return the index of the picture in an example. Each epoch shows all pictures, in a new order. @param {number} number index of the example */
  #picture(number) {
    const { count } = this.pictures;
    const epoch = Math.floor(number / count);
    if (this.#order.epoch !== epoch) {
      const order = Uint32Array.from({ length: count }, (_, i) => i);
      const draws = uniforms(this.recipe.seed, "order", epoch, count);
      for (let i = count - 1; i > 0; i--) {
        const j = Math.floor(draws[i] * (i + 1));
        [order[i], order[j]] = [order[j], order[i]];
      }
      this.#order = { epoch, pictures: order };
    }
    return this.#order.pictures[number % count];
  }

  /** Return a training picture as values in [−1, 1]. @param {number} picture index */
  #pixels(picture) {
    const { images, channels } = this.pictures;
    return fromUint8(images.subarray(picture * this.size, (picture + 1) * this.size), channels);
  }

  /** Add the other workers' gradients to this worker's share. Return the sum of squares of the share's gradient. @param {{ parts: Float32Array[] }} asked */
  sum({ parts }) {
    const { from, to } = this.shares[this.index];
    const { m } = this.layers;
    const own = this.parameters.gradients.subarray(from, to);
    for (const part of parts) for (let i = 0; i < own.length; i++) own[i] += part[i];
    return { squares: m.run.squares(this.parameters.grad + from, to - from) };
  }

  /** Update this worker's share of the weights, and return the new values. @param {{ step: number, norm: number }} asked norm: of the gradient of all weights */
  step({ step, norm }) {
    this.optimiser.step(learningRate(this.recipe, step), clipping(norm), step);
    const weights = this.#ofShare(this.parameters.weights);
    this.average?.update(weights, step);
    return { weights };
  }

  /** Copy the other workers' shares of the weights. @param {{ ranges: (Float32Array | null)[] }} asked */
  put({ ranges }) {
    for (const [i, range] of ranges.entries()) if (range) this.parameters.weights.set(range, this.shares[i].from);
    return {};
  }

  // --- Results

  /** Return this worker's share of the averaged weights, null if there is no average. */
  averages() {
    return { range: this.average ? this.average.values.slice() : null };
  }

  /**
   * Compute this worker's share of a grid. Return its samples and errors of x̂_0, with null for those of other workers.
   * @param {{ averages: Float32Array[] | null }} asked all shares of the averaged weights; null if there is no average
   */
  look({ averages }) {
    const latest = this.parameters.weights.slice();
    if (averages) this.put({ ranges: averages });
    const samples = SAMPLES / N;
    const found = this.#jobs(0, samples + TIMES.length, (job) =>
      job < samples ? this.#sample(job * N) : this.#error(TIMES[job - samples]),
    );
    this.parameters.weights.set(latest);
    const more = averages ? this.#jobs(samples + TIMES.length, samples, (job) => this.#sample(job * N)) : [];
    return { found: [...found, ...more] };
  }

  /** Compute this worker's jobs among `count` jobs. Return a list of all results, null for the jobs of other workers. @template T @param {number} before number of jobs that were already given out: counting goes on there, so that all workers get about as many jobs @param {number} count @param {(job: number) => T} compute */
  #jobs(before, count, compute) {
    this.layers.begin();
    const found = Array.from({ length: count }, (_, job) =>
      (before + job) % this.workers === this.index ? compute(job) : null,
    );
    this.layers.forget();
    return found;
  }

  /** Predict x̂_0 for pictures of one time t. @param {Float32Array[]} xt @param {number} t @param {number[]} labels */
  #denoise(xt, t, labels) {
    const inputs = xt.map((one) => this.objective.input(one, t));
    const times = inputs.map(({ time }) => time);
    const output = this.unet.network(flat(inputs.map(({ x }) => x)), times, labels);
    return xt.map((one, j) => this.objective.x0(output.subarray(j * this.size, (j + 1) * this.size), one, t));
  }

  /** Draw pictures by DDIM without guidance. Picture i has the class i modulo the number of classes. @param {number} first index of the first picture */
  #sample(first) {
    const { objective } = this;
    const numbers = Array.from({ length: N }, (_, j) => first + j);
    const labels = numbers.map((number) => number % (this.classes || 1));
    let x = numbers.map((number) => normals(this.seed, "sample", number, this.size));
    for (const [t, s] of this.#chain) {
      const x0 = this.#denoise(x, t, labels);
      x = x.map((one, j) => objective.ddim(one, x0[j], t, s));
    }
    return x.map((one) => toUint8(one, this.pictures.channels));
  }

  /** Return for each step of a sample the times [t, s] at which the step begins and ends. */
  get #chain() {
    const { T } = this.objective;
    return Array.from({ length: STEPS }, (_, k) => [T - (k * T) / STEPS, T - ((k + 1) * T) / STEPS]);
  }

  /** Return the root mean square error of x̂_0 in grey levels. All calls use the same pictures and the same noise. @param {number} share the time, as a fraction of T */
  #error(share) {
    const { objective, pictures, size } = this;
    const t = Math.round(share * objective.T);
    const numbers = Array.from({ length: N }, (_, j) => Math.floor((j * pictures.count) / N));
    const labels = numbers.map((number) => pictures.labels?.[number] ?? 0);
    const images = numbers.map((number) => this.#pixels(number));
    const noise = numbers.map((_, j) => normals(this.seed, "error", j, size));
    const found = this.#denoise(
      images.map((x0, j) => objective.noisy(x0, noise[j], t)),
      t,
      labels,
    );
    let squares = 0;
    for (const [j, x0] of images.entries()) for (let i = 0; i < size; i++) squares += (found[j][i] - x0[i]) ** 2;
    return 127.5 * Math.sqrt(squares / (N * size));
  }

  /** Return this worker's share of the weights, of their averages and of the optimiser's moments. @returns {Learned} */
  collect() {
    const { parameters, average, names } = this;
    /** Keep the tensors of this worker's share. @param {Tensors} tensors */
    const own = (tensors) => new Map([...tensors].filter(([name]) => names.has(name)));
    const weights = own(parameters.split(parameters.weights));
    const whole = parameters.weights.slice();
    if (average) whole.set(average.values, this.shares[this.index].from);
    return { weights, averages: own(parameters.split(whole)), moments: this.optimiser.moments };
  }
}

/** The networks that learn in this worker, by their lanes. @type {Map<number, Learner>} */
const learners = new Map();

/** List the buffers of an answer. The worker then moves them to the page instead of copying them. @param {any} content @returns {ArrayBuffer[]} */
function buffers(content) {
  if (ArrayBuffer.isView(content)) return [/** @type {ArrayBuffer} */ (content.buffer)];
  if (!content || typeof content !== "object") return [];
  return (content instanceof Map ? [...content.values()] : Object.values(content)).flatMap(buffers);
}

/** Call a method of a lane's learner, or make the learner ("begin"). Return its answer, and the buffers to move to the page. @param {{ lane: number, what: "begin" | "gradient" | "sum" | "step" | "put" | "averages" | "look" | "collect", values: any }} question */
export async function answer({ lane, what, values }) {
  if (what === "begin") learners.set(lane, new Learner(values.code ?? (await pageKernel("batch")), values));
  const learner = /** @type {Learner} */ (learners.get(lane));
  const content = what === "begin" ? {} : learner[what](values);
  return { content, moved: buffers(content) };
}
