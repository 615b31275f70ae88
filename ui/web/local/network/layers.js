// The layers that networks are made of, over images in a Memory: each is made of its weights once, and is then a function.
/** @import { Memory } from "./kernel.js" */
/** @import { Weights } from "./weights.js" */

/**
 * Planes of h rows of w numbers, `plane` apart; behind each are some that mean nothing, as the kernel writes eight at once.
 * @typedef {{ at: number, c: number, h: number, w: number, plane: number }} Image
 * @typedef {{ at: number, c: number, plane: number, row?: number, side?: number, move?: (tap: number) => number }} Seen
 *   planes that a convolution sees, with `side` taps in a row; `row` is from one row of its outputs to the next
 * @typedef {{ out?: Image, add?: Image | null }} Into where a layer's image goes, and an image that is added to it
 * @typedef {Into & { scales?: number | null, act?: string | null, shift?: Image | null }} Around
 *   a convolution: what comes before it, as for `affine`, and a number more for each of its channels
 * @typedef {(x: number) => number} Activation
 */

const PART = 8; // channels of a 3 × 3 convolution that are summed in a row
const up = (/** @type {number} */ n, /** @type {number} */ step) => Math.ceil(n / step) * step;
const sigmoid = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));

/** By the rational function that Eigen and XLA use, in float32's accuracy. From the highest power of x² down. */
const ERF = [
  [-2.72614225801306e-10, 2.77068142495902e-8, -2.10102402082508e-6, -5.69250639462346e-5],
  [-7.3499063032656e-4, -2.9545998085403e-3, -1.60960333262415e-2],
].flat();
const UNDER = [
  -1.45660718464996e-5, -2.13374055278905e-4, -1.68282697438203e-3, -7.37332916720468e-3, -1.42647390514189e-2,
];
/** @param {number} x */
function erf(x) {
  const t = Math.max(-4, Math.min(4, x));
  let [over, under] = [0, 0];
  for (let i = 0; i < ERF.length; i++) over = over * t * t + ERF[i];
  for (let i = 0; i < UNDER.length; i++) under = under * t * t + UNDER[i];
  return (t * over) / under;
}

/** silu, too, which the kernel computes where it can. @type {Record<string, Activation>} */
export const ACTIVATIONS = {
  relu: (x) => Math.max(x, 0),
  silu: (x) => x * sigmoid(x),
  swish: (x) => x * sigmoid(x),
  gelu: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  quick_gelu: (x) => x * sigmoid(1.702 * x),
  mish(x) {
    const e = Math.exp(Math.min(x, 20));
    return x * ((e * (e + 2)) / (e * (e + 2) + 2)); // tanh(ln(1 + e^x))
  },
};
const fused = (/** @type {string | null} */ act) => act === "silu" || act === "swish";

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
    const out = { at: m.take(x.c * plane), c: x.c, h: x.h, w: x.w, plane, row, side: 3 };
    m.f.fill(0, out.at, m.top);
    affine(x, scales, act, { ...out, at: out.at + row + 1 }, row);
    return act && !fused(act) ? each(out, ACTIVATIONS[act]) : out; // 0 stays 0
  }

  /** @param {Image} x @param {number | null} scales @param {string | null} act @param {Image} out @param {number} row */
  function affine(x, scales, act, out, row) {
    const pairs = scales ?? put(Array.from({ length: 2 * x.c }, (_, i) => 1 - (i % 2)));
    m.run.spread(x.at, x.plane, x.c, x.h, x.w, pairs, Number(fused(act)), out.at, out.plane, row);
  }

  /** The activation of scales · x + shifts. @param {Image} x @param {number | null} scales @param {string | null} act */
  function dense(x, scales, act = null) {
    const out = image(x.c, x.h, x.w);
    affine(x, scales, act, out, x.w);
    return act && !fused(act) ? each(out, ACTIVATIONS[act]) : out;
  }

  /**
   * The kernel's sums, of so many channels at a time: in long sums float32 loses digits.
   * @param {Seen} a @param {Image} out @param {number} h @param {number} w
   * @param {{ k: number, bias?: number, add?: Image | null, step?: number, group?: number }} weights
   */
  function sums(a, out, h, w, { k, bias = 0, add = null, step = 4, group = 4 * a.c }) {
    const { row = 0, side = 0, move = (i) => (side ? Math.floor(i / side) * row + (i % side) : i * a.plane) } = a;
    const taps = side ** 2;
    const most = side ? PART : 8 * PART;
    const { top } = m;
    // What the kernel takes for taps: those of a convolution, or the channels themselves, which is quicker for one tap.
    const moves = m.take(most + taps);
    for (let i = 0; i < (taps || most); i++) m.u[moves + i] = move(i);
    const places = [out.at, a.c > most ? m.take(up(out.c, 4) * out.plane) : 0]; // in turn, and the last is out's
    const pair = side && w % 8 && w % 4 === 0 ? row : 4;
    let turn = Math.floor((a.c - 1) / most) % 2;
    for (let c = 0; c < a.c; c += most, turn = 1 - turn) {
      const count = Math.min(most, a.c - c);
      const from = [a.at + c * a.plane, a.plane, row, pair, side ? count : 1, moves, taps || count];
      const by = [k + c * (taps || 1) * step, step, group * (taps || 1), c ? 0 : bias];
      const before = c ? places[1 - turn] : (add?.at ?? 0);
      m.run.conv(...from, ...by, before, places[turn], out.plane, out.c, h, w);
    }
    m.top = top;
    return out;
  }

  /** A linear map of the channels, the same at each place. @param {Image} x @param {Image} out @param {Parameters<typeof sums>[4]} weights */
  const product = (x, out, weights) => sums(x, out, 1, x.h * x.w, weights);

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
        const a = padded(x, around);
        const { shift, add } = around;
        const own = shift
          ? put(Float32Array.from({ length: to }, (_, i) => m.f[b + i] + m.f[shift.at + i * shift.plane]))
          : b;
        sums(a, out, x.h, x.w, { k, bias: own, add });
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
        sums({ ...a, side: 3, move }, out, out.h, out.w, { k, bias });
      });
  }

  /**
   * A convolution of an image with each pixel as four: each of the four sees 2 × 2 pixels, by sums of the weights.
   * @param {string} name @param {number} c @param {boolean} bias
   */
  function upsample(name, c, bias = true) {
    const whole = weights.take(`${name}.weight`, c, c, 3, 3);
    const b = bias ? put(weights.take(`${name}.bias`, c)) : 0;
    const corners = [0, 1, 2, 3].map((i) => ({ below: i >> 1, right: i & 1 }));
    const kernels = corners.map(({ below, right }) => {
      const k = new Float32Array(4 * c * c);
      for (let i = 0; i < whole.length; i++) {
        const [y, x] = [(Math.floor(i / 3) % 3) + 1 - below, (i % 3) + 1 - right];
        k[4 * Math.floor(i / 9) + 2 * (y >> 1) + (x >> 1)] += whole[i];
      }
      return packed(k, c);
    });
    return (/** @type {Image} */ x) =>
      into(image(c, 2 * x.h, 2 * x.w), (out) => {
        const [a, part] = [padded(x, {}), image(c, x.h, x.w)];
        for (const [n, { below, right }] of corners.entries()) {
          sums({ ...a, at: a.at + below * a.row + right, side: 2 }, part, x.h, x.w, { k: kernels[n], bias: b });
          for (let i = 0; i < c * x.h; i++) {
            const from = part.at + Math.floor(i / x.h) * part.plane + (i % x.h) * x.w;
            const to = out.at + Math.floor(i / x.h) * out.plane + (2 * (i % x.h) + below) * out.w + right;
            for (let u = 0; u < x.w; u++) m.f[to + 2 * u] = m.f[from + u];
          }
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
      const { f } = m;
      const [n, size] = [x.h * x.w, c / groups];
      for (let g = 0; g < c; g += size) {
        let [sum, squares] = [0, 0];
        for (let k = g; k < g + size; k++)
          for (let i = x.at + k * x.plane, end = i + n; i < end; i++) {
            sum += f[i];
            squares += f[i] * f[i];
          }
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
  return { ...shapes, each, dense, linear, conv, downsample, upsample, norm, layerNorm, attend };
}
