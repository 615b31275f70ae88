// 3 × 3 convolutions of a batch by Winograd's products, with forward and backward pass. Each transform is linear, so
// its backward pass is the transposed transform. For the output's gradient d and the input a, the gradient of the
// weights is Gᵀ [Σ (A d Aᵀ) ⊙ (Bᵀ a B)] G, and the gradient of the input is B [U ⊙ (A d Aᵀ)] Bᵀ. Like the
// convolution, each takes 16 products a channel for four outputs. For U, A, B and G see kernel.wasm.ts.

import { up } from "./tape.js";

/** @import { Normalisation } from "./group_norm.js" */
/** @import { BatchImage, Frame, Tape } from "./tape.js" */
/** @typedef {ReturnType<typeof sizesOf>} Sizes */
/** @typedef {{ scales?: Normalisation | null, act?: string | null, shift?: BatchImage | null, add?: BatchImage | null, out?: BatchImage }} Around as in layers.js; `act` needs `scales` */

const APART = 16; // number of unused values between two matrices that are used at once; without them, both would use the same cache sets
const BAND = 65536; // number of float32 values that are transformed at once: 256 kB
/** The products that are not always 0, as runs of consecutive indices: [first index, number of indices]. For an enlarged image, the third row and the third column of the 4 × 4 products are 0. */
const RUNS = {
  all: [[0, 16]],
  enlarged: [
    [0, 2],
    [3, 3],
    [7, 1],
    [12, 2],
    [15, 1],
  ],
};

/** Return the sizes of the buffers of a convolution from c to o channels, for n pictures of h × w pixels. @param {number} c @param {number} o @param {number} h @param {number} w @param {number} n */
function sizesOf(c, o, h, w, n) {
  const [high, wide] = [(h + 1) >> 1, (w + 1) >> 1]; // number of rows and of columns of tiles
  const rows = Math.min(high, Math.max(1, Math.floor(BAND / (16 * (c + o) * wide * n)))); // number of rows of tiles in a band
  const [row, tiles] = [(2 * wide + 2) * n, rows * wide * n];
  const plane = (2 * high + 2) * row; // number of values of one channel with its border
  return { h, w, high, wide, rows, row, plane, tiles, nextA: c * tiles + APART, nextM: o * tiles + APART };
}

export class Winograd {
  /** @param {Tape} tape @param {string} name @param {number} from channels @param {number} to @param {boolean} isEnlarged whether each pixel is first repeated to 2 × 2 */
  constructor(tape, name, from, to, isEnlarged) {
    this.tape = tape;
    this.from = from;
    this.to = to;
    this.isEnlarged = isEnlarged;
    this.c = up(from, 4); // rounded up to a multiple of 4; the additional channels are 0
    this.o = up(to, 4);
    this.weight = tape.weights.take(`${name}.weight`, to, from, 3, 3);
    this.bias = tape.weights.take(`${name}.bias`, to);
    this.next = this.c * this.o + APART;
    this.k = tape.zeros(16 * this.next);
    this.transpose = tape.zeros(16 * this.next);
    this.grad = tape.zeros(16 * this.next);
    tape.register(this);
  }

  /** Transform the weights for the forward and the backward pass, and set the gradients of the transformed weights to 0. */
  pack() {
    const { m } = this.tape;
    const { weight, from, to, next } = this;
    m.run.filters(weight.at, 9 * from, 9, to, from, this.k, 4 * this.c, next);
    m.run.filters(weight.at, 9, 9 * from, from, to, this.transpose, 4 * this.o, next);
    m.f.fill(0, this.grad, this.grad + 16 * next);
  }

  /** Transform the gradient back, and add it to the gradient of the weights. */
  unpack() {
    const { weight, from, to, next } = this;
    this.tape.m.run.unfilters(weight.grad, 9 * from, 9, to, from, this.grad, 4 * this.c, next);
  }

  /** Yield the bands of tile rows: the first row, and the number of rows. @param {Sizes} sizes */
  *#bands({ high, rows }) {
    for (let y = 0; y < high; y += rows) yield [y, Math.min(rows, high - y)];
  }

  /** Return the convolution of x, and record its backward pass. @param {BatchImage} x @param {Around} around */
  forward(x, around) {
    const { m, n } = this.tape;
    const times = this.isEnlarged ? 2 : 1;
    const sizes = sizesOf(this.c, this.o, times * x.h, times * x.w, n);
    const { h, w, wide, plane, row, tiles, nextA, nextM } = sizes;
    const out = around.out ?? this.tape.image(this.to, h, w);
    const { top } = m;
    const a = this.#pad(x, around, sizes);
    const offsets = this.#offsets(around.shift);
    const [data, made] = [m.take(16 * nextA), m.take(16 * nextM)];
    for (const [y, rows] of this.#bands(sizes)) {
      m.run.tiles(a, plane, row, this.c, y, rows, wide, n, data, tiles, nextA);
      for (const [i, count] of this.#runs) {
        const by = [this.k + i * this.next, 4, 4 * this.c, 0, 0, made + i * nextM, tiles, this.o, rows * wide * n];
        m.run.product(data + i * nextA, tiles, this.c, ...by, count, nextA, this.next, nextM);
      }
      const to = [offsets, around.add?.at ?? 0, out.at, out.plane, this.to, y, rows, h, w, n];
      m.run.untile(made, tiles, nextM, ...to, Number(!this.isEnlarged));
    }
    m.top = top;
    this.tape.note(() => this.backward(x, out, around, sizes));
    return out;
  }

  /** The runs of products that this convolution computes. */
  get #runs() {
    return this.isEnlarged ? RUNS.enlarged : RUNS.all;
  }

  /** Write the convolution's input (x, normalised or enlarged, with a border of zeros), and return its place. @param {BatchImage} x @param {Around} around @param {Sizes} sizes */
  #pad(x, { scales, act }, { h, w, high, plane, row }) {
    const { m, n } = this.tape;
    const { c, from } = this;
    const a = m.take(c * plane);
    const frame = { inner: a + row + n, plane, row };
    m.run.border(a, plane, row, c, 2 * high + 2, h, w, n, 1);
    m.f.fill(0, a + from * plane, a + c * plane);
    if (scales) scales.put(Boolean(act), frame);
    else if (this.isEnlarged) m.run.enlarge(x.at, x.plane, from, x.h, x.w, n, frame.inner, plane, row);
    else this.tape.frame(x, frame);
    return a;
  }

  /** Compute bias + shift for each channel and picture, and return the place of these sums. @param {BatchImage | null | undefined} shift */
  #offsets(shift) {
    const { m, n } = this.tape;
    const at = m.take(this.to * n);
    const { f } = m;
    for (let i = 0; i < this.to * n; i++)
      f[at + i] = f[this.bias.at + Math.floor(i / n)] + (shift ? f[shift.at + i] : 0);
    return at;
  }

  /**
   * Compute the gradients of x, weights, shift and the added image. This pads x again, which takes 3 % of the time:
   * keeping all padded images since `forward` would take a fifth more memory.
   * @param {BatchImage} x @param {BatchImage} out @param {Around} around @param {Sizes} sizes
   */
  backward(x, out, around, sizes) {
    const { tape } = this;
    const { scales, act, shift, add } = around;
    const { m, n } = tape;
    const { plane, row } = sizes;
    const sums = m.take(this.to * n);
    m.run.sums(out.grad, out.plane, this.to, out.h * out.w, n, sums);
    tape.total(this.bias.grad, sums, n, this.to);
    if (shift) tape.pass(shift, sums);
    const more = x.constant || (scales ? scales.claim() : tape.claim(x));
    const { top } = m;
    const grad = x.constant ? 0 : tape.zeros(this.c * plane);
    this.#products(out, this.#pad(x, around, sizes), grad, sizes);
    if (grad) {
      const frame = { inner: grad + row + n, plane, row };
      if (scales) scales.back(Boolean(act), frame, more);
      else this.#addGradient(x, frame, more);
    }
    m.top = top;
    if (add) tape.pass(add, out.grad);
  }

  /** Compute the gradient of the weights, and, unless `grad` is 0, the gradient of the data at the place `grad`. @param {BatchImage} out @param {number} a @param {number} grad @param {Sizes} sizes */
  #products(out, a, grad, sizes) {
    const { m, n } = this.tape;
    const { h, w, wide, plane, row, tiles, nextA, nextM } = sizes;
    const [data, made] = [m.take(16 * nextA), m.take(16 * nextM)];
    if (this.o > this.to) m.f.fill(0, made, made + 16 * nextM);
    for (const [y, rows] of this.#bands(sizes)) {
      const width = rows * wide * n;
      m.run.tiles(a, plane, row, this.c, y, rows, wide, n, data, tiles, nextA);
      m.run.untileBack(out.grad, out.plane, this.to, y, rows, h, w, n, made, tiles, nextM);
      for (const [i, count] of this.#runs) {
        const [d, v] = [made + i * nextM, data + i * nextA];
        const to = [this.grad + i * this.next, 4 * this.c, count, nextM, nextA, this.next];
        m.run.outer(d, tiles, this.o, v, tiles, this.c, width, ...to);
        if (!grad) continue;
        const by = [this.transpose + i * this.next, 4, 4 * this.o, 0, 0, v, tiles, this.c, width];
        m.run.product(d, tiles, this.o, ...by, count, nextM, this.next, nextA);
      }
      if (grad)
        m.run.tilesBack(grad, plane, row, this.c, y, rows, wide, n, data, tiles, nextA, Number(!this.isEnlarged));
    }
  }

  /** Add the gradient in a frame to the gradient of x. The forward pass copied or enlarged x into such a frame. @param {BatchImage} x @param {Frame} frame @param {boolean} more whether x had a gradient */
  #addGradient(x, frame, more) {
    const { m, n } = this.tape;
    if (!more) m.f.fill(0, x.grad, x.grad + x.c * x.plane);
    if (this.isEnlarged) m.run.enlargeBack(x.grad, x.plane, x.c, x.h, x.w, n, frame.inner, frame.plane, frame.row);
    else this.tape.unframe(x, frame);
  }
}
