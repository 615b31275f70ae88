// Group normalisation of a batch, with its forward and backward pass.

/** @import { Parameter } from "./parameters.js" */
/** @import { BatchImage, Frame, Tape } from "./tape.js" */
/** The parameters of a group norm. @typedef {{ weight: Parameter, bias: Parameter, groups: number, eps: number }} Norm */

/** The normalisation of an image of several pictures. Each group of each picture has statistics; each channel of each picture has a gain and an offset. */
export class Normalisation {
  #tape;
  #norm;
  #over;
  #stats;
  /** @type {number} */
  #gains;

  /** @param {Tape} tape @param {Norm} norm @param {BatchImage} x @param {BatchImage | null} over scale and shift of each channel, from the time embedding */
  constructor(tape, norm, x, over) {
    const { m, n } = tape;
    this.#tape = tape;
    this.#norm = norm;
    this.#over = over;
    this.x = x;
    this.#stats = m.take(2 * norm.groups * n);
    this.#gains = m.take(2 * x.c * n);
    for (const { at, stat, size } of this.#groups()) m.run.stats(at, x.plane, size, x.h * x.w, n, norm.eps, stat);
    const { f } = m;
    for (let c = 0; c < x.c; c++)
      for (let j = 0; j < n; j++) {
        const at = this.#gains + 2 * c * n + j;
        const more = this.#more(c, j);
        f[at] = f[norm.weight.at + c] * more;
        f[at + n] = f[norm.bias.at + c] * more + (over ? f[over.at + (x.c + c) * n + j] : 0);
      }
  }

  /** Return 1 + the scale that `over` has for channel c of picture j; 1 without `over`. @param {number} c @param {number} j */
  #more(c, j) {
    return this.#over ? 1 + this.#tape.m.f[this.#over.at + c * this.#tape.n + j] : 1;
  }

  /** Yield each group: its first channel, its number of channels, and the places of its values, statistics and gains. */
  *#groups() {
    const { n } = this.#tape;
    const { x } = this;
    const size = x.c / this.#norm.groups;
    for (let g = 0, c = 0; c < x.c; g++, c += size)
      yield { c, size, at: x.at + c * x.plane, stat: this.#stats + 2 * g * n, gain: this.#gains + 2 * c * n };
  }

  /** Write the normalised image into a frame, with the activation if `act`. @param {boolean} act @param {Frame} frame */
  put(act, frame) {
    const { m, n } = this.#tape;
    const { h, w, plane } = this.x;
    for (const { c, size, at, stat, gain } of this.#groups()) {
      const to = [frame.inner + c * frame.plane, frame.plane, frame.row];
      m.run.normalise(at, plane, size, h, w, n, stat, gain, Number(act), ...to);
    }
  }

  /** Allocate the gradients that `back` writes. Return whether the image has a gradient already. If so, `back` must add to this gradient. */
  claim() {
    if (this.#over) this.#tape.claimZeros(this.#over);
    return this.#tape.claim(this.x);
  }

  /** Backpropagate the gradient in a frame. This overwrites the frame. @param {boolean} act @param {Frame} frame of the gradient @param {boolean} more the result of `claim` */
  back(act, frame, more) {
    const { m, n } = this.#tape;
    const { c: channels, h, w, plane, at: first, grad } = this.x;
    const { top } = m;
    const sums = m.take(2 * channels * n);
    for (const { c, size, at, stat, gain } of this.#groups()) {
      const from = [frame.inner + c * frame.plane, frame.plane, frame.row];
      const to = [sums + 2 * c * n, grad + at - first, Number(more)];
      m.run.normaliseBack(at, plane, size, h, w, n, stat, gain, Number(act), ...from, ...to);
    }
    this.#learn(sums);
    m.top = top;
  }

  /** Add to the gradients of weight, bias and `over`. @param {number} sums place of the sums of d and of d x̂, where d is the gradient of the output and x̂ the normalised input */
  #learn(sums) {
    const { n } = this.#tape;
    const { f } = this.#tape.m;
    const { weight, bias } = this.#norm;
    const { c: channels } = this.x;
    const grad = this.#over?.grad;
    for (let c = 0; c < channels; c++) {
      let [gain, offset] = [0, 0];
      for (let j = 0; j < n; j++) {
        const [d, dx] = [f[sums + 2 * c * n + j], f[sums + (2 * c + 1) * n + j]];
        const more = this.#more(c, j);
        gain += dx * more;
        offset += d * more;
        if (!grad) continue;
        f[grad + c * n + j] += dx * f[weight.at + c] + d * f[bias.at + c];
        f[grad + (channels + c) * n + j] += d;
      }
      f[weight.grad + c] += gain;
      f[bias.grad + c] += offset;
    }
  }
}
