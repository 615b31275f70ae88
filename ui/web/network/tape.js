// Images of several pictures at once, and the tape on which layers record their backward functions.

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
 * An image has the shape [c][h][w][n], for n pictures. `grad` is the place of its gradient, which has the same shape;
 * 0 means that there is none yet. A constant needs no gradient.
 * @typedef {{ at: number, c: number, h: number, w: number, plane: number, grad: number, constant: boolean }} BatchImage
 */

/** Round n up to a multiple of `step`. @param {number} n @param {number} step */
export const up = (n, step) => Math.ceil(n / step) * step;

export class Tape {
  /** The backward functions, in the order of the layers. @type {(() => void)[]} */
  #steps = [];
  /** The layers that keep their weights in the kernel's order. A step begins with `pack`, and ends with `unpack`, which adds the gradients in PyTorch's order. @type {{ pack: () => void, unpack: () => void }[]} */
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

  /** Begin a step: read the current weights, and set all gradients to 0. Memory taken before this call stays allocated. */
  begin() {
    this.#floor = this.m.top;
    this.weights.gradients.fill(0);
    for (const map of this.#maps) map.pack();
  }

  /** Backpropagate an image's gradient, and add to the gradients of the weights. This frees all images. @param {BatchImage} out @param {Float32Array} gradient in the order of `read` */
  back(out, gradient) {
    this.claim(out);
    this.fill(gradient, out.grad, out);
    for (const step of this.#steps.reverse()) step();
    this.forget();
  }

  /** End a step: add the gradients of all batches of the step to the gradients of the parameters, in PyTorch's order. */
  end() {
    for (const map of this.#maps) map.unpack();
  }

  /** Free all images of the step without backpropagation. */
  forget() {
    this.#steps = [];
    this.m.top = this.#floor;
  }

  /** Return the result of `compute`, and free its images. There is no backpropagation through these images. @template T @param {() => T} compute */
  evaluate(compute) {
    const { top } = this.m;
    const { length } = this.#steps;
    const found = compute();
    this.#steps.length = length;
    this.m.top = top;
    return found;
  }

  // --- For layers

  /** Record the backward function of a layer. @param {() => void} step */
  note(step) {
    this.#steps.push(step);
  }

  /** Register a layer that keeps its weights in the kernel's order. @param {{ pack: () => void, unpack: () => void }} map */
  register(map) {
    this.#maps.push(map);
  }

  /** Allocate `count` zeros and return their place. @param {number} count */
  zeros(count) {
    const at = this.m.take(count);
    this.m.f.fill(0, at, at + count);
    return at;
  }

  /** Allocate an uninitialised image. Its channels are rounded up to a multiple of 4, because the kernel writes 4 at once. @param {number} c @param {number} h @param {number} w @returns {BatchImage} */
  image(c, h, w) {
    const plane = h * w * this.n;
    return { at: this.m.take(up(c, 4) * plane), c, h, w, plane, grad: 0, constant: false };
  }

  /** Write numbers into an image, or into its gradient. The numbers belong to all pictures, one picture after the other, or to one picture that is repeated. @param {ArrayLike<number>} numbers @param {number} at @param {BatchImage} x */
  fill(numbers, at, { c, h, w }) {
    const { n } = this;
    const { f } = this.m;
    const size = c * h * w;
    const count = numbers.length / size;
    if (count !== n && count !== 1) throw new Error(`${numbers.length} numbers for ${n} pictures of ${size}`);
    for (let j = 0; j < n; j++)
      for (let i = 0, from = (j % count) * size; i < size; i++) f[at + i * n + j] = numbers[from + i];
  }

  /** Return whether an image has a gradient already. If it has none, allocate an uninitialised gradient. @param {BatchImage} x */
  claim(x) {
    if (x.grad) return true;
    x.grad = this.m.take(up(x.c, 4) * x.plane);
    return false;
  }

  /** If an image has no gradient, allocate one of zeros. @param {BatchImage} x */
  claimZeros(x) {
    if (!this.claim(x)) this.m.f.fill(0, x.grad, x.grad + x.c * x.plane);
  }

  /**
   * Add the gradient at a place to the gradient of an image. An image without a gradient takes over the place without
   * a copy, because no layer reads the gradient of its output again after its backward function.
   * @param {BatchImage} x @param {number} at
   */
  pass(x, at) {
    if (x.constant) return;
    if (x.grad) this.m.run.add(at, x.grad, x.c * x.plane);
    else x.grad = at;
  }

  /** Sum values over the pictures, and add the sums to gradients of weights. @param {number} grad place of the first gradient @param {number} from place of the first value @param {number} step distance between two weights' values @param {number} count number of weights */
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

  /** Call `visit` for each row of an image, with the row's offset in the image, its place in the frame, and its length. @param {BatchImage} x @param {Frame} frame @param {(from: number, to: number, count: number) => void} visit */
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

  /** Add the values in a frame to the gradient of an image. @param {BatchImage} x @param {Frame} frame */
  unframe(x, frame) {
    this.#rows(x, frame, (from, to, count) => this.m.run.add(to, x.grad + from, count));
  }
}

/** A frame: planes with a border around an image. `inner` is the place of the image's first value. @typedef {{ inner: number, plane: number, row: number }} Frame */
