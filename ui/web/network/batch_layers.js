// The layers of layers.js for n pictures at once, with backpropagation, for training. The kernel is batch.wasm.ts.

import { UserError } from "../process/errors.js";
import { Normalisation } from "./group_norm.js";
import { Tape, up } from "./tape.js";
import { UNet } from "./unet.js";
import { Winograd } from "./winograd.js";

/** @import { BatchImage } from "./tape.js" */
/** @import { Around } from "./winograd.js" */
/** @import { Config } from "./unet.js" */
/** @typedef {{ at: number, c: number, plane: number }} Planes */

const SILU = ["silu", "swish"];

/** Return the reason why a network of this config can't be trained in the browser, or null if it can be trained. @param {Config} config checked */
function obstacle(config) {
  const { block_out_channels: widths, act_fn: act, dropout, mid_block_scale_factor: factor } = config;
  if (config._class_name !== "UNet2DModel") return `a ${config._class_name} can't learn here, only a UNet2DModel can`;
  if (!SILU.includes(act)) return `act_fn is ${act}: a network learns here only with silu`;
  if (dropout) return `dropout is ${dropout}: a network learns here only with 0`;
  if (factor !== 1) return `mid_block_scale_factor is ${factor}: a network learns here only with 1`;
  const odd = widths.find((/** @type {number} */ width) => width % 4);
  return odd ? `block_out_channels has ${odd}: a network learns here only with multiples of 4` : null;
}

/** A linear map over the channels of planes. */
class Matrix {
  /** @param {Tape} tape @param {string} name @param {number} to channels @param {number[]} shape of the weights of each output @param {boolean} bias */
  constructor(tape, name, to, shape, bias) {
    this.tape = tape;
    this.to = to;
    this.from = shape.reduce((a, b) => a * b, 1);
    this.weight = tape.weights.take(`${name}.weight`, to, ...shape);
    this.bias = bias ? tape.weights.take(`${name}.bias`, to) : null;
    const [c, o] = [up(this.from, 4), up(to, 4)];
    this.group = 4 * c; // number of values from the weights of one group of four outputs to the next
    this.transposeGroup = 4 * o;
    this.k = tape.zeros(c * o);
    this.transpose = tape.zeros(c * o);
    this.grad = tape.zeros(c * o);
    tape.register(this);
  }

  /** Copy the weights into the kernel's order, once for the forward and once for the backward pass. Set the gradients to 0. */
  pack() {
    const { m } = this.tape;
    const { weight, from, to } = this;
    m.run.pack(weight.at, from, 1, to, from, this.k, this.group);
    m.run.pack(weight.at, 1, from, from, to, this.transpose, this.transposeGroup);
    m.f.fill(0, this.grad, this.grad + up(to, 4) * up(from, 4));
  }

  /** Add the gradients, which are in the kernel's order, to the parameter's gradients in PyTorch's order. */
  unpack() {
    const { weight, from, to } = this;
    this.tape.m.run.unpack(weight.grad, from, 1, to, from, this.grad, this.group);
  }

  /** Multiply planes by the matrix, add the image `add`, and write the sum to `out`. @param {Planes} a @param {BatchImage} out @param {BatchImage | null} add */
  multiply(a, out, add = null) {
    const by = [this.k, 4, this.group, this.bias?.at ?? 0, add?.at ?? 0];
    this.tape.m.run.product(a.at, a.plane, this.from, ...by, out.at, out.plane, this.to, out.plane, 1, 0, 0, 0);
  }

  /** Multiply an image's gradient by the transposed matrix, and write the product to planes. @param {BatchImage} out @param {number} to the place of the planes @param {number} plane @param {number} add the place of values to add, or 0 */
  multiplyBack(out, to, plane, add = 0) {
    const by = [this.transpose, 4, this.transposeGroup, 0, add, to, plane, this.from, out.plane];
    this.tape.m.run.product(out.grad, out.plane, this.to, ...by, 1, 0, 0, 0);
  }

  /** Backpropagate one product: add to the gradients of weights and bias. @param {BatchImage} out the product @param {Planes} a the planes that were multiplied */
  learn(out, a) {
    const { tape, bias } = this;
    if (bias) tape.totalBias(out, bias.grad);
    const to = [this.grad, this.group, 1, 0, 0, 0];
    tape.m.run.outer(out.grad, out.plane, this.to, a.at, a.plane, up(this.from, 4), out.plane, ...to);
  }
}

/**
 * The layers of `Layers` for n pictures at once. This is a step of training:
 *
 *     const unet = layers.unet(config);                // once
 *     layers.begin();                                  // copies the current weights, sets gradients to 0
 *     for (…) {                                        // n pictures at a time
 *       const out = unet.forward(pictures, times, labels); // Float32Array picture after picture; lists of n numbers
 *       const found = layers.read(out);                // in the order of `pictures`
 *       layers.back(out, gradient);                    // gradient of the loss in the same order; frees all images
 *     }
 *     layers.end();                                    // now weights.gradients has the sums over all pictures
 *
 * `unet.network(pictures, times, labels)` evaluates without gradients, with the weights of the last `begin`.
 * `layers.forget()` ends a `forward` without `back`. Other users of the memory must allocate before the first `begin`.
 */
export class BatchLayers extends Tape {
  /** Build a network of these layers. Throws a UserError for a network that can't be trained in the browser. @param {Config} config the result of completeUnet */
  unet(config) {
    const reason = obstacle(config);
    if (reason) throw new UserError(reason);
    return new UNet(/** @type {any} */ (this), config);
  }

  // --- Images

  /** Return an image of these values: the values of all pictures, one picture after the other, or of one picture that is repeated. @param {Float32Array} numbers @param {number} c @param {number} h @param {number} w */
  imageOf(numbers, c, h, w) {
    const out = this.image(c, h, w);
    this.m.f.fill(0, out.at + c * out.plane, out.at + up(c, 4) * out.plane);
    this.fill(numbers, out.at, out);
    return { ...out, constant: true };
  }

  /** Return the values of an image, picture after picture. @param {BatchImage} x */
  read({ at, c, h, w }) {
    const { n } = this;
    const { f } = this.m;
    const size = c * h * w;
    const out = new Float32Array(n * size);
    for (let j = 0; j < n; j++) for (let i = 0; i < size; i++) out[j * size + i] = f[at + i * n + j];
    return out;
  }

  /** Fill an image. No memory is freed, because the backward pass needs every image of the forward pass. @param {BatchImage} out @param {(out: BatchImage) => void} fill */
  into(out, fill) {
    fill(out);
    return out;
  }

  /** Return the image at the same place. No memory is freed, because the backward pass needs all images. @param {BatchImage} x */
  compact(x) {
    return x;
  }

  /** Return an image with the channels of a, then of b. @param {BatchImage} a @param {BatchImage} b */
  concat(a, b) {
    const out = this.image(a.c + b.c, a.h, a.w);
    const second = a.c * a.plane;
    this.m.f.copyWithin(out.at, a.at, a.at + second);
    this.m.f.copyWithin(out.at + second, b.at, b.at + b.c * b.plane);
    this.note(() => {
      this.pass(a, out.grad);
      this.pass(b, out.grad + second);
    });
    return out;
  }

  // --- Elementwise operations

  /** Add another image of the same shape to x. @param {BatchImage} x @param {BatchImage} more */
  add(x, more) {
    this.m.run.add(more.at, x.at, x.c * x.plane);
    this.note(() => this.pass(more, x.grad));
    return x;
  }

  /** Return scale · x + shift, with SiLU if `act` is not null. Without `scales`, return SiLU(x). These layers have no other activation. @param {BatchImage} x @param {Normalisation | null} scales @param {string | null} act */
  affine(x, scales, act = null) {
    const out = this.image(x.c, x.h, x.w);
    const count = x.c * x.plane;
    if (scales) {
      const frame = (/** @type {number} */ inner) => ({ inner, plane: x.plane, row: x.w * this.n });
      scales.put(act !== null, frame(out.at));
      this.note(() => scales.back(act !== null, frame(out.grad), scales.claim()));
    } else {
      this.m.run.silu(x.at, out.at, count);
      this.note(() => {
        const more = Number(this.claim(x));
        this.m.run.siluBack(x.at, out.grad, x.grad, count, more);
      });
    }
    return out;
  }

  // --- Linear maps and convolutions

  /** Build an embedding: a function that takes a row number for each picture, and returns these rows of a table. @param {string} name @param {number} rows @param {number} c */
  table(name, rows, c) {
    const { at, grad } = this.weights.take(`${name}.weight`, rows, c);
    const { n } = this;
    return (/** @type {number | number[]} */ numbers) => {
      const own = Array.from({ length: n }, (_, j) => (Array.isArray(numbers) ? numbers[j] : numbers) * c);
      const out = this.image(c, 1, 1);
      const { f } = this.m;
      for (let i = 0; i < c * n; i++) f[out.at + i] = f[at + own[i % n] + Math.floor(i / n)];
      this.note(() => {
        const { f: now } = this.m;
        for (let i = 0; i < c * n; i++) now[grad + own[i % n] + Math.floor(i / n)] += now[out.grad + i];
      });
      return out;
    };
  }

  /** Build a linear map of the channels. @param {string} name @param {number} from channels @param {number} to @param {{ bias?: boolean, square?: number }} options */
  linear(name, from, to, { bias = true, square = 0 } = {}) {
    const matrix = new Matrix(this, name, to, [from, ...(square ? [square, square] : [])], bias);
    /** @param {BatchImage} x @param {{ out?: BatchImage, add?: BatchImage | null }} options */
    return (x, { out = this.image(to, x.h, x.w), add = null } = {}) => {
      matrix.multiply(x, out, add);
      this.note(() => {
        if (!x.constant) {
          const more = this.claim(x);
          matrix.multiplyBack(out, x.grad, x.plane, more ? x.grad : 0);
        }
        matrix.learn(out, x);
        if (add) this.pass(add, out.grad);
      });
      return out;
    };
  }

  /** Build a 3 × 3 convolution. @param {string} name @param {number} from @param {number} to */
  conv(name, from, to) {
    const winograd = new Winograd(this, name, from, to, false);
    return (/** @type {BatchImage} */ x, /** @type {Around} */ around = {}) => winograd.forward(x, around);
  }

  /** Build a 3 × 3 convolution of an image whose pixels are repeated to 2 × 2. @param {string} name @param {number} c */
  upsample(name, c) {
    const winograd = new Winograd(this, name, c, c, true);
    return (/** @type {BatchImage} */ x) => winograd.forward(x, {});
  }

  /** Build a 3 × 3 convolution with a stride of 2. @param {string} name @param {number} c @param {number} before number of zeros to the left and above */
  downsample(name, c, before) {
    const matrix = new Matrix(this, name, c, [c, 3, 3], true);
    const { m, n } = this;
    return (/** @type {BatchImage} */ x) => {
      const out = this.image(c, x.h / 2, x.w / 2);
      const row = (x.w + 2) * n;
      const plane = (x.h + 2) * row;
      const frame = (/** @type {number} */ at) => ({ inner: at + before * (row + n), plane, row });
      /** Return nine planes for each channel: the inputs of the nine taps. */
      const taps = () => {
        const a = m.take(c * plane);
        m.run.border(a, plane, row, c, x.h + 2, x.h, x.w, n, before);
        this.frame(x, frame(a));
        const at = m.take(9 * c * out.plane);
        m.run.columns(a, plane, row, c, out.h, out.w, n, at, out.plane);
        return { at, c: 9 * c, plane: out.plane };
      };
      this.evaluate(() => matrix.multiply(taps(), out));
      this.note(() => {
        this.claimZeros(x);
        this.evaluate(() => {
          const seen = taps();
          matrix.learn(out, seen);
          matrix.multiplyBack(out, seen.at, seen.plane);
          const grad = this.zeros(c * plane);
          m.run.columnsBack(grad, plane, row, c, out.h, out.w, n, seen.at, seen.plane);
          this.unframe(x, frame(grad));
        });
      });
      return out;
    };
  }

  // --- Normalisation and attention

  /** Build a group normalisation, whose result is the `scales` of `affine` and `conv`. @param {string} name @param {number} c @param {number} groups @param {number} eps */
  groupNorm(name, c, groups, eps) {
    if (c % groups) throw new UserError(`norm_num_groups is ${groups}: ${c} channels can't be parted into so many`);
    const [weight, bias] = ["weight", "bias"].map((part) => this.weights.take(`${name}.${part}`, c));
    return (/** @type {BatchImage} */ x, /** @type {BatchImage | null} */ over = null) =>
      new Normalisation(this, { weight, bias, groups, eps }, x, over);
  }

  /** Return the attention: for each place of q, the mean of v over all places, weighted by the match of q with k there. The channels are split among the heads. @param {BatchImage} q @param {BatchImage} k @param {BatchImage} v @param {number} heads */
  attend(q, k, v, heads) {
    const { m, n } = this;
    const out = this.image(q.c, q.h, q.w);
    const [d, queries, keys] = [q.c / heads, q.h * q.w, k.h * k.w];
    const [row, scale] = [keys * n, 1 / Math.sqrt(d)];
    const shares = m.take(heads * queries * row);
    /** Return the places of a head's channels in q, k, v and out. @param {number} head @param {"at" | "grad"} which */
    const places = (head, which) => [q, k, v, out].map((x) => x[which] + head * d * x.plane);
    for (let head = 0; head < heads; head++) {
      const p = shares + head * queries * row;
      const [qa, ka, va, oa] = places(head, "at");
      m.run.lanes(qa, n, q.plane, ka, n, k.plane, p, row, n, queries, keys, d, n, 1);
      for (let i = 0; i < queries; i++) m.run.softmax(p + i * row, keys, n, n, scale);
      m.run.lanes(va, v.plane, n, p, row, n, oa, out.plane, n, d, queries, keys, n, 1);
    }
    this.note(() => {
      for (const x of [q, k, v]) this.claim(x); // no other layer uses q, k and v, so their gradients are overwritten
      const { top } = m;
      const dp = m.take(queries * row);
      for (let head = 0; head < heads; head++) {
        const p = shares + head * queries * row;
        const [[qa, ka, va], [qd, kd, vd, od]] = [places(head, "at"), places(head, "grad")];
        m.run.lanes(od, n, out.plane, va, n, v.plane, dp, row, n, queries, keys, d, n, 1);
        m.run.lanes(od, out.plane, n, p, n, row, vd, v.plane, n, d, keys, queries, n, 1);
        m.run.softmaxBack(p, dp, queries, keys, n);
        m.run.lanes(ka, k.plane, n, dp, row, n, qd, q.plane, n, d, queries, keys, n, scale);
        m.run.lanes(qa, q.plane, n, dp, n, row, kd, k.plane, n, d, keys, queries, n, scale);
      }
      m.top = top;
    });
    return out;
  }
}
