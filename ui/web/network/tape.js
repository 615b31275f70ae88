// Images of several pictures at once, and the tape on which their layers note how the gradient goes back.

/** @import { Memory } from "./kernel.js" */
/** @import { Parameters } from "./parameters.js" */
/**
 * The functions of batch.wasm.ts, which says what each of them takes.
 * @typedef {"adam" | "add" | "border" | "columns" | "columnsBack" | "enlarge" | "enlargeBack" | "filters" | "lanes" | "mix" | "normalise" |
 *   "normaliseBack" | "outer" | "pack" | "product" | "silu" | "siluBack" | "softmax" | "softmaxBack" | "stats" | "sums" | "tiles" |
 *   "tilesBack" | "unfilters" | "unpack" | "untile" | "untileBack"} BatchLoop
 * @typedef {Record<BatchLoop, (...sizes: number[]) => void> & { squares: (at: number, count: number) => number }} BatchKernel
 */
/**
 * Planes of h rows of w places of n numbers, one for each picture. `grad` is the place of its gradient, which lies alike: 0 is none
 * yet. Nothing wants the gradient of a constant.
 * @typedef {{ at: number, c: number, h: number, w: number, plane: number, grad: number, constant: boolean }} BatchImage
 */

/** @param {number} n @param {number} step */
export const up = (n, step) => Math.ceil(n / step) * step;

export class Tape {
  /** The backward functions, in the order of the layers. @type {(() => void)[]} */
  #steps = [];
  /** What layers do when the weights of a step are there, and when its gradients are. @type {{ pack: () => void, unpack: () => void }[]} */
  #maps = [];
  #floor;

  /** @param {Memory<BatchKernel>} memory of batch.wasm @param {Parameters} weights @param {number} n pictures, a multiple of 8 */
  constructor(memory, weights, n) {
    this.m = memory;
    this.weights = weights;
    this.n = n;
    this.#floor = memory.top;
  }

  // --- A step

  /** Begin a step: take the weights as they are now, and set all gradients to 0. What is in the memory now stays there. */
  begin() {
    this.#floor = this.m.top;
    this.weights.gradients.fill(0);
    for (const map of this.#maps) map.pack();
  }

  /** Go back from the gradient of an image to those of the weights, which are added to the step's. This frees all images. @param {BatchImage} out @param {Float32Array} gradient as `read` orders it */
  back(out, gradient) {
    this.claim(out);
    this.fill(gradient, out.grad, out);
    for (const step of this.#steps.reverse()) step();
    this.forget();
  }

  /** End a step: bring the gradients of all its batches into the parameters' order. */
  end() {
    for (const map of this.#maps) map.unpack();
  }

  /** Free all images of the step without going back. */
  forget() {
    this.#steps = [];
    this.m.top = this.#floor;
  }

  /** Return what a function computes. Its images are freed, and no gradient goes back through them. @template T @param {() => T} compute */
  evaluate(compute) {
    const { top } = this.m;
    const { length } = this.#steps;
    const found = compute();
    this.#steps.length = length;
    this.m.top = top;
    return found;
  }

  // --- For layers

  /** Note what goes back through a layer. @param {() => void} step */
  note(step) {
    this.#steps.push(step);
  }

  /** Note a layer whose weights lie otherwise than the parameters. @param {{ pack: () => void, unpack: () => void }} map */
  register(map) {
    this.#maps.push(map);
  }

  /** The place of `count` zeros. @param {number} count */
  zeros(count) {
    const at = this.m.take(count);
    this.m.f.fill(0, at, at + count);
    return at;
  }

  /** A new image, whatever its numbers are. The kernel writes four channels at once. @param {number} c @param {number} h @param {number} w @returns {BatchImage} */
  image(c, h, w) {
    const plane = h * w * this.n;
    return { at: this.m.take(up(c, 4) * plane), c, h, w, plane, grad: 0, constant: false };
  }

  /** Set the numbers of an image, or of its gradient: picture after picture, or one picture for all. @param {ArrayLike<number>} numbers @param {number} at @param {BatchImage} x */
  fill(numbers, at, { c, h, w }) {
    const { n } = this;
    const { f } = this.m;
    const size = c * h * w;
    const count = numbers.length / size;
    if (count !== n && count !== 1) throw new Error(`${numbers.length} numbers for ${n} pictures of ${size}`);
    for (let j = 0; j < n; j++)
      for (let i = 0, from = (j % count) * size; i < size; i++) f[at + i * n + j] = numbers[from + i];
  }

  /** Whether an image has a gradient, to which more is to be added. If not, it gets the place for one. @param {BatchImage} x */
  claim(x) {
    if (x.grad) return true;
    x.grad = this.m.take(up(x.c, 4) * x.plane);
    return false;
  }

  /** Give an image a gradient of zeros, if it has none. @param {BatchImage} x */
  claimZeros(x) {
    if (!this.claim(x)) this.m.f.fill(0, x.grad, x.grad + x.c * x.plane);
  }

  /**
   * Add a gradient to that of an image. If it is the first, the image takes its place over: nobody reads a gradient after the
   * turn of the layer that it came to, so a sum hands it on without a copy.
   * @param {BatchImage} x @param {number} at
   */
  pass(x, at) {
    if (x.constant) return;
    if (x.grad) this.m.run.add(at, x.grad, x.c * x.plane);
    else x.grad = at;
  }

  /** Add sums over the pictures to gradients of weights. @param {number} grad the first of them @param {number} from the first number @param {number} step to those of the next weight @param {number} count of weights */
  total(grad, from, step, count) {
    const { f } = this.m;
    for (let i = 0, at = from; i < count; i++, at += step) {
      let sum = 0;
      for (let j = 0; j < this.n; j++) sum += f[at + j];
      f[grad + i] += sum;
    }
  }

  /** Add the sums over places and pictures to the gradient of a bias. @param {BatchImage} out @param {number} grad */
  totalBias(out, grad) {
    const { m, n } = this;
    const { top } = m;
    const sums = m.take(out.c * n);
    m.run.sums(out.grad, out.plane, out.c, out.h * out.w, n, sums);
    this.total(grad, sums, n, out.c);
    m.top = top;
  }

  /** For each row of an image: its place, and that in planes with a border. @param {BatchImage} x @param {Frame} frame @param {(from: number, to: number, count: number) => void} visit */
  #rows({ c, h, w, plane }, frame, visit) {
    for (let i = 0; i < c * h; i++) {
      const [channel, y] = [Math.floor(i / h), i % h];
      visit(channel * plane + y * w * this.n, frame.inner + channel * frame.plane + y * frame.row, w * this.n);
    }
  }

  /** Copy an image into a frame. @param {BatchImage} x @param {Frame} frame */
  frame(x, frame) {
    this.#rows(x, frame, (from, to, count) => this.m.f.copyWithin(to, x.at + from, x.at + from + count));
  }

  /** Add what is in a frame to the gradient of an image. @param {BatchImage} x @param {Frame} frame */
  unframe(x, frame) {
    this.#rows(x, frame, (from, to, count) => this.m.run.add(to, x.grad + from, count));
  }
}

/** Planes with a border around an image, whose first number is at `inner`. @typedef {{ inner: number, plane: number, row: number }} Frame */
