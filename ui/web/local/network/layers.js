// The layers that networks are made of, over images in a Memory: each is made of its weights once, and is then a function.
import { gelu } from "./kernel.js";

/** @import { Memory } from "./kernel.js" */
/** @import { Weights } from "./weights.js" */

/**
 * Planes of h rows of w numbers, `plane` apart; behind each are some that mean nothing, as the kernel writes eight at once.
 * @typedef {{ at: number, c: number, h: number, w: number, plane: number }} Image
 * @typedef {{ at: number, c: number, plane: number, row: number, move?: (tap: number) => number }} Seen
 *   planes that a convolution sees; `row` is from one row of its outputs to the next
 * @typedef {{ out?: Image, add?: Image | null }} Into where a layer's image goes, and an image that is added to it
 * @typedef {Into & { scales?: number | null, act?: string | null, shift?: Image | null }} Around
 *   a convolution: what comes before it, as for `affine`, and a number more for each of its channels
 * @typedef {(x: number) => number} Activation
 */

const PART = 8; // channels of a 3 × 3 convolution that are summed in a row
const BAND = 256; // tiles or pixels that are transformed at once: so large images need little memory
const APART = 16; // numbers between matrices that are read and written at once: else they share a set of a cache
const WIDE = 64; // channels that Winograd's products sum in a row
/** Winograd's products are quicker from so many channels and pixels on. */
const [CHANNELS, PIXELS] = [8, 25];
const up = (/** @type {number} */ n, /** @type {number} */ step) => Math.ceil(n / step) * step;
const SUMS = [[0, 1], [1], [1, 2]]; // for each weight of a side those that it is in, of the three of an upsampling
const sigmoid = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));

/** Also those that the kernel computes where it can. @type {Record<string, Activation>} */
const ACTIVATIONS = {
  relu: (x) => Math.max(x, 0),
  silu: (x) => x * sigmoid(x),
  swish: (x) => x * sigmoid(x),
  gelu,
  quick_gelu: (x) => x * sigmoid(1.702 * x),
  mish(x) {
    const e = Math.exp(Math.min(x, 20));
    return x * ((e * (e + 2)) / (e * (e + 2) + 2)); // tanh(ln(1 + e^x))
  },
};
/** The kernel's numbers of activations. @type {Record<string, number>} */
const FUSED = { silu: 1, swish: 1, relu: 2 };

/** @param {Memory} m @param {Weights} weights */
export function layers(m, weights) {
  /** @param {number} c @param {number} h @param {number} w @returns {Image} */
  function image(c, h, w) {
    const plane = up(h * w + (w % 4 ? up(w, 8) - w : 0), 8);
    return { at: m.take(up(c, 4) * plane), c, h, w, plane };
  }

  /** What `make` puts into an image, without what it takes on the way. @param {Image} out @param {(out: Image) => void} make */
  function into(out, make) {
    const { top } = m;
    make(out);
    m.top = top;
    return out;
  }

  /** The place of constants. @param {ArrayLike<number>} values */
  function put(values) {
    const at = m.take(up(values.length, 4));
    m.f.fill(0, at, m.top);
    m.f.set(values, at);
    return at;
  }

  /** The place of weights in the kernel's order. @param {Float32Array} values @param {number} outputs */
  function packed(values, outputs) {
    const n = values.length / outputs;
    const at = m.take(up(outputs, 4) * n);
    m.f.fill(0, at, m.top);
    for (let o = 0, from = 0; o < outputs; o++)
      for (let i = 0, to = at + (o >> 2) * n * 4 + (o & 3); i < n; i++, to += 4) m.f[to] = values[from++];
    return at;
  }

  /** In place. @template {Image} I @param {I} x @param {Activation} f */
  function each(x, f) {
    for (let i = x.at, end = i + x.c * x.plane; i < end; i++) m.f[i] = f(m.f[i]);
    return x;
  }

  /** The activation of scales · x + shifts, with a border of zeros. @param {Image} x @param {Around} around */
  function padded(x, { scales = null, act = null }) {
    const row = (x.w % 4 ? up(x.w, 8) : x.w) + 2;
    const plane = (x.h + 2) * row;
    const out = { at: m.take(x.c * plane), c: x.c, h: x.h, w: x.w, plane, row };
    m.f.fill(0, out.at, m.top);
    affine(x, scales, act, { ...out, at: out.at + row + 1 }, row);
    return finished(out, act); // 0 stays 0
  }

  /** @param {Image} x @param {number | null} scales @param {string | null} act @param {Image} out @param {number} row */
  function affine(x, scales, act, out, row) {
    const pairs = scales ?? put(Array.from({ length: 2 * x.c }, (_, i) => 1 - (i % 2)));
    m.run.spread(x.at, x.plane, x.c, x.h, x.w, pairs, FUSED[act ?? ""] ?? 0, out.at, out.plane, row);
  }

  /** The activation in place, where `affine` has not made it. @template {Image} I @param {I} x @param {string | null} act */
  const finished = (x, act) => (act && !FUSED[act] ? each(x, ACTIVATIONS[act]) : x);

  /** The activation of scales · x + shifts. @param {Image} x @param {number | null} scales @param {string | null} act */
  function dense(x, scales, act = null, out = image(x.c, x.h, x.w)) {
    affine(x, scales, act, out, x.w);
    return finished(out, act);
  }

  /** The activation in place. @param {Image} x @param {string} act */
  const active = (x, act) => dense(x, null, act, x);

  /** x · GELU(gate), in place of x. @param {Image} x @param {Image} gate */
  function gated(x, gate) {
    m.run.gated(x.at, gate.at, x.c * x.plane);
    return x;
  }

  /**
   * The kernel's sums of a 3 × 3 convolution, of so many channels at a time: in long sums float32 loses digits.
   * @param {Seen} a @param {Image} out @param {number} k @param {number} bias @param {Image | null} add
   */
  function sums(a, out, k, bias, add = null) {
    const { row, move = (i) => Math.floor(i / 3) * row + (i % 3) } = a;
    const { top } = m;
    const moves = m.take(9);
    for (let i = 0; i < 9; i++) m.u[moves + i] = move(i);
    const places = [out.at, a.c > PART ? m.take(up(out.c, 4) * out.plane) : 0]; // in turn, and the last is out's
    const pair = out.w % 8 && out.w % 4 === 0 ? row : 4;
    let turn = Math.floor((a.c - 1) / PART) % 2;
    for (let c = 0; c < a.c; c += PART, turn = 1 - turn) {
      const from = [a.at + c * a.plane, a.plane, row, pair, Math.min(PART, a.c - c), moves];
      const before = c ? places[1 - turn] : (add?.at ?? 0);
      const by = [k + c * 36, a.c * 36, c ? 0 : bias, before];
      m.run.conv(...from, ...by, places[turn], out.plane, out.c, out.h, out.w);
    }
    m.top = top;
    return out;
  }

  /**
   * A linear map of the channels, the same at each place.
   * @param {Image} x @param {Image} out @param {{ k: number, bias?: number, add?: Image | null, step?: number, group?: number }} weights
   */
  function product(x, out, { k, bias = 0, add = null, step = 4, group = 4 * x.c }) {
    const by = [k, step, group, bias, add?.at ?? 0];
    m.run.product(x.at, x.plane, x.c, ...by, out.at, out.plane, out.c, x.h * x.w, 1, 0, 0, 0);
    return out;
  }

  /** Bands of an image, of some hundred products a channel: [first row, rows]. @param {Image} x @param {number} side of what takes a product */
  function* bands({ h, w }, side) {
    const most = side * Math.max(1, Math.floor(BAND / Math.ceil(w / side)));
    for (let y = 0; y < h; y += most) yield [y, Math.min(most, h - y)];
  }

  /**
   * A 3 × 3 convolution by Winograd's products. The weights are transformed anew each time, which takes some hundredths of
   * the time; transformed weights would take 16 / 9 of the memory.
   * @param {Image} x @param {Around} around @param {Image} out @param {number} k @param {number} bias
   */
  function winograd(x, around, out, k, bias) {
    const a = padded(x, around);
    const add = around.add?.at;
    const outputs = up(out.c, 4);
    const { top } = m;
    for (const [y, h] of bands(x, 2)) {
      const count = Math.ceil(h / 2) * Math.ceil(x.w / 2);
      const plane = up(count, 8) + 8;
      const nextMade = outputs * plane + APART;
      const made = m.take(16 * nextMade);
      const above = m.top;
      for (let c = 0; c < x.c; c += WIDE) {
        const part = Math.min(WIDE, x.c - c);
        const next = [part * plane + APART, part * outputs + APART];
        const [data, own] = next.map((numbers) => m.take(16 * numbers));
        m.run.tiles(a.at + c * a.plane + y * a.row, a.plane, a.row, part, h, x.w, data, plane, next[0]);
        m.run.filters(k + 36 * c, 36 * x.c, part, out.c, own, next[1]);
        const by = [own, 4, 4 * part, 0, c && made];
        m.run.product(data, plane, part, ...by, made, plane, out.c, count, 16, ...next, nextMade);
        m.top = above;
      }
      const to = [bias, add ? add + y * x.w : 0, out.at + y * x.w, out.plane, out.c];
      m.run.untiled(made, plane, nextMade, ...to, h, x.w);
      m.top = top;
    }
  }

  /** @param {string} name @param {number} from channels @param {number} to @param {{ bias?: boolean, square?: number }} options */
  function linear(name, from, to, { bias = true, square = 0 } = {}) {
    const k = packed(weights.take(`${name}.weight`, to, from, ...(square ? [square, square] : [])), to);
    const b = bias ? put(weights.take(`${name}.bias`, to)) : 0;
    /** @param {Image} x @param {Into} options */
    return (x, { out = image(to, x.h, x.w), add = null } = {}) => product(x, out, { k, bias: b, add });
  }

  /** A 3 × 3 convolution. @param {string} name @param {number} from @param {number} to @param {boolean} bias */
  function conv(name, from, to, bias = true) {
    const k = packed(weights.take(`${name}.weight`, to, from, 3, 3), to);
    const b = bias ? put(weights.take(`${name}.bias`, to)) : 0;
    /** @param {Image} x @param {Around} around */
    return (x, around = {}) =>
      into(around.out ?? image(to, x.h, x.w), (out) => {
        const { shift, add } = around;
        const own = shift ? m.take(to) : b;
        if (shift) for (let i = 0; i < to; i++) m.f[own + i] = m.f[b + i] + m.f[shift.at + i * shift.plane];
        if (from < CHANNELS || x.h * x.w < PIXELS) sums(padded(x, around), out, k, own, add);
        else winograd(x, around, out, k, own);
      });
  }

  /** A 3 × 3 convolution with a stride of 2. @param {string} name @param {number} c @param {number} before zeros left and above */
  function downsample(name, c, before) {
    const k = packed(weights.take(`${name}.weight`, c, c, 3, 3), c);
    const bias = put(weights.take(`${name}.bias`, c));
    return (/** @type {Image} */ x) =>
      into(image(c, x.h / 2, x.w / 2), (out) => {
        const half = up(out.w, 8) + 2; // rows of the even columns, and behind them of the odd ones
        const a = { at: m.take(2 * c * (x.h + 2) * half), c, plane: 2 * (x.h + 2) * half, row: 4 * half };
        m.f.fill(0, a.at, m.top);
        for (let i = 0; i < c * x.h; i++) {
          const from = x.at + Math.floor(i / x.h) * x.plane + (i % x.h) * x.w;
          const to = a.at + Math.floor(i / x.h) * a.plane + ((i % x.h) + before) * 2 * half;
          for (let u = 0; u < x.w; u++) m.f[to + ((u + before) & 1) * half + ((u + before) >> 1)] = m.f[from + u];
        }
        const move = (/** @type {number} */ i) => Math.floor(i / 3) * 2 * half + ((i % 3) & 1) * half + ((i % 3) >> 1);
        sums({ ...a, move }, out, k, bias);
      });
  }

  /**
   * A convolution of an image with each pixel as four, by nine products a channel.
   * @param {string} name @param {number} c @param {boolean} bias
   */
  function upsample(name, c, bias = true) {
    const whole = weights.take(`${name}.weight`, c, c, 3, 3);
    const b = bias ? put(weights.take(`${name}.bias`, c)) : 0;
    const sums = new Float32Array(whole.length); // [output][product][channel]
    for (let i = 0; i < whole.length; i++) {
      const [o, from] = [Math.floor(i / (9 * c)), Math.floor(i / 9) % c];
      for (const y of SUMS[Math.floor(i / 3) % 3])
        for (const x of SUMS[i % 3]) sums[(9 * o + 3 * y + x) * c + from] += whole[i];
    }
    const k = packed(sums, c);
    return (/** @type {Image} */ x) =>
      into(image(c, 2 * x.h, 2 * x.w), (out) => {
        const a = padded(x, {});
        const { top } = m;
        for (const [y, h] of bands(x, 1)) {
          const plane = up(h * x.w, 8) + 8;
          const next = [c, up(c, 4)].map((planes) => planes * plane + APART);
          const [data, made] = next.map((numbers) => m.take(9 * numbers));
          m.run.pixels(a.at + y * a.row, a.plane, a.row, c, h, x.w, data, plane, next[0]);
          m.run.product(data, plane, c, k, 4, 36 * c, 0, 0, made, plane, c, h * x.w, 9, next[0], 4 * c, next[1]);
          m.run.enlarged(made, plane, next[1], b, out.at + 4 * y * x.w, out.plane, c, h, x.w);
          m.top = top;
        }
      });
  }

  /** An image of numbers that are given; or they are put into `out`, from its channel `first` on. @param {Float32Array} numbers @param {number} c @param {number} h @param {number} w */
  function given(numbers, c, h, w, out = image(c, h, w), first = 0) {
    for (let i = 0; i < c; i++) m.f.set(numbers.subarray(i * h * w, (i + 1) * h * w), out.at + (first + i) * out.plane);
    return out;
  }

  /** Put an image's numbers into another one of its shape. @param {Image} x @param {Image} out */
  const copied = (x, out) => m.f.copyWithin(out.at, x.at, x.at + x.c * x.plane);

  /** Show the numbers that an image has now. @param {Image} x @param {(numbers: Float32Array) => void} keep */
  const shown = (x, keep) => keep(taken(x));

  /** The numbers of an image. @param {Image} x */
  function taken({ at, c, h, w, plane }) {
    const out = new Float32Array(c * h * w);
    for (let i = 0; i < c; i++) out.set(m.f.subarray(at + i * plane, at + i * plane + h * w), i * h * w);
    return out;
  }

  /** States of words, one after the other, as an image of a row. @param {Float32Array} states @param {number} c */
  function turned(states, c) {
    const out = image(c, 1, states.length / c);
    for (let i = 0; i < states.length; i++) m.f[out.at + (i % c) * out.plane + Math.floor(i / c)] = states[i];
    return out;
  }

  /** An image, moved down to where all from there on is over. @param {Image} x @param {number} at */
  function settled(x, at) {
    const size = up(x.c, 4) * x.plane;
    m.f.copyWithin(at, x.at, x.at + size);
    m.top = at + size;
    return { ...x, at };
  }

  /** x, to which another image of its shape is added. @param {Image} x @param {Image} more */
  function added(x, more) {
    for (let i = 0; i < x.c * x.plane; i++) m.f[x.at + i] += m.f[more.at + i];
    return x;
  }

  /** The channels of both. @param {Image} a @param {Image} b */
  function joined(a, b) {
    const out = image(a.c + b.c, a.h, a.w);
    m.f.copyWithin(out.at, a.at, a.at + a.c * a.plane);
    m.f.copyWithin(out.at + a.c * a.plane, b.at, b.at + b.c * b.plane);
    return out;
  }

  /**
   * Group normalisation: the scales and shifts that make it, in turn; with (1 + scale, shift) of each channel on top.
   * @param {string} name @param {number} c @param {number} groups @param {number} eps
   */
  function norm(name, c, groups, eps) {
    if (c % groups) throw new Error(`norm_num_groups is ${groups}: ${c} channels can't be parted into so many`);
    const [weight, bias] = [weights.take(`${name}.weight`, c), weights.take(`${name}.bias`, c)];
    return (/** @type {Image} */ x, /** @type {Image | null} */ over = null) => {
      const pairs = m.take(2 * c);
      const room = m.take(4);
      m.top = room;
      const { f, d } = m;
      const [n, size] = [x.h * x.w, c / groups];
      for (let g = 0; g < c; g += size) {
        m.run.moments(x.at + g * x.plane, x.plane, size, n, room);
        const [sum, squares] = [d[room / 2], d[room / 2 + 1]];
        const mean = sum / (n * size);
        const inverse = 1 / Math.sqrt(squares / (n * size) - mean * mean + eps);
        for (let k = g; k < g + size; k++) {
          const [scale, shift] = [inverse * weight[k], bias[k] - mean * inverse * weight[k]];
          const more = over ? 1 + f[over.at + k * over.plane] : 1;
          f[pairs + 2 * k] = scale * more;
          f[pairs + 2 * k + 1] = shift * more + (over ? f[over.at + (c + k) * over.plane] : 0);
        }
      }
      return pairs;
    };
  }

  /** Normalisation over the channels of each place. @param {string} name @param {number} c */
  function layerNorm(name, c, eps = 1e-5) {
    const [weight, bias] = [weights.take(`${name}.weight`, c), weights.take(`${name}.bias`, c)];
    return (/** @type {Image} */ x) => {
      const out = image(c, x.h, x.w);
      for (let i = 0; i < x.h * x.w; i++) {
        let [sum, squares] = [0, 0];
        for (let k = 0, at = x.at + i; k < c; k++, at += x.plane) {
          sum += m.f[at];
          squares += m.f[at] * m.f[at];
        }
        const mean = sum / c;
        const inverse = 1 / Math.sqrt(squares / c - mean * mean + eps);
        for (let k = 0, at = i; k < c; k++, at += x.plane)
          m.f[out.at + at] = (m.f[x.at + at] - mean) * inverse * weight[k] + bias[k];
      }
      return out;
    };
  }

  /**
   * What each place of q finds in v where k fits, in `heads` parts of the channels. It is as large as q.
   * @param {Image} q @param {Image} k @param {Image} v @param {number} heads @param {boolean} causal
   */
  function attend(q, k, v, heads, causal = false) {
    const [queries, keys, d] = [q.h * q.w, k.h * k.w, q.c / heads];
    return into(image(q.c + 4, q.h, q.w), (out) => {
      // as the kernel writes four at once
      const turned = m.take((keys + 1) * up(v.c, 4));
      for (let c = 0; c < v.c; c++)
        for (let j = 0; j < keys; j++) m.f[turned + j * up(v.c, 4) + c] = m.f[v.at + c * v.plane + j];
      const scores = image(keys, 1, Math.min(64, queries));
      for (let head = 0; head < heads; head++)
        for (let i = 0; i < queries; i += 64) {
          const w = Math.min(64, queries - i);
          const part = { ...q, at: q.at + head * d * q.plane + i, c: d, h: 1, w };
          product(part, scores, { k: k.at + head * d * k.plane, step: k.plane, group: 4 });
          for (let [j, row] = [i + 1, scores.at + (i + 1) * scores.plane]; causal && j < keys; j++, row += scores.plane)
            m.f.fill(-3e38, row, row + Math.min(j - i, w));
          m.run.softmax(scores.at, keys, up(w, 4), scores.plane, 1 / Math.sqrt(d));
          const found = { ...out, at: out.at + head * d * out.plane + i, c: d };
          product({ ...scores, w }, found, { k: turned + head * d, step: up(v.c, 4), group: 4 });
        }
      out.c = q.c;
    });
  }

  const shapes = { image, into, given, copied, taken, shown, turned, settled, added, joined };
  return { ...shapes, each, dense, active, gated, linear, conv, downsample, upsample, norm, layerNorm, attend };
}
