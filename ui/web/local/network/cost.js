// What a network costs, and whether a browser can bear it: found out by a walk through its layers that computes nothing,
// before its weights are read. A file of some kilobytes can ask for any number of pixels.

/** @import { Memory } from "./kernel.js" */
/** @import { layers } from "./layers.js" */
/** @import { Weights } from "./weights.js" */
/** @typedef {{ c: number, h: number, w: number }} Shape */

const MOST = 3e11; // multiplications of one evaluation: a network like the paper's at 256 × 256 has 2.5e11
const LARGEST = 2 ** 26; // numbers between two layers: 256 MB
const ATTENDED = 128 * 128; // pixels that attend to each other, as in ddpm_core/checkpoint/config/fields.py

/**
 * The multiplications of an evaluation, as PyTorch would compute it. Throws a sentence for more than a browser can bear.
 * @param {(memory: Memory, weights: Weights, make: typeof layers) => unknown} evaluate builds the network of such layers, and evaluates it once
 */
export function cost(evaluate) {
  let work = 0;
  const spend = (/** @type {number} */ more) => {
    work += more;
    if (work > MOST)
      throw new Error(
        `one evaluation takes more than the ${MOST / 1e9} billion multiplications that a browser can bear`,
      );
  };
  /** Its place is none, so that no loop over its numbers begins. @param {number} c @param {number} h @param {number} w */
  function image(c, h, w) {
    const count = c * h * w;
    if (count > LARGEST) throw new Error(`a layer has ${said(count)} numbers: a browser can bear ${said(LARGEST)}`);
    return { at: Number.NaN, c, h, w, plane: h * w };
  }
  const like = (/** @type {Shape} */ { c, h, w }) => image(c, h, w);
  /** Each output is a sum over `from` channels and `taps`. @param {number} from @param {number} to @param {number} taps @param {number} [scale] of the sides */
  const sums =
    (from, to, taps, scale = 1) =>
    (/** @type {Shape} */ { h, w }) => {
      const out = image(to, h * scale, w * scale);
      spend(from * taps * to * out.plane);
      return out;
    };
  const make = () => ({
    ...{ image, dense: like, taken: () => new Float32Array(), norm: () => () => 0, layerNorm: () => like },
    into(/** @type {Shape} */ out, /** @type {(out: Shape) => void} */ fill) {
      fill(out);
      return out;
    },
    given: (/** @type {unknown} */ _, /** @type {number} */ c, /** @type {number} */ h, /** @type {number} */ w) =>
      image(c, h, w),
    turned: (/** @type {ArrayLike<number>} */ states, /** @type {number} */ c) => image(c, 1, states.length / c),
    ...{ each: like, active: like, gated: like, settled: like, added: like },
    joined: (/** @type {Shape} */ a, /** @type {Shape} */ b) => image(a.c + b.c, a.h, a.w),
    linear: (/** @type {string} */ _, /** @type {number} */ from, /** @type {number} */ to) => sums(from, to, 1),
    conv: (/** @type {string} */ _, /** @type {number} */ from, /** @type {number} */ to) => sums(from, to, 9),
    downsample: (/** @type {string} */ _, /** @type {number} */ c) => sums(c, c, 9, 0.5),
    upsample: (/** @type {string} */ _, /** @type {number} */ c) => sums(c, c, 9, 2),
    attend(/** @type {Shape} */ q, /** @type {Shape} */ k) {
      const [queries, keys] = [q.h * q.w, k.h * k.w];
      if (keys > ATTENDED)
        throw new Error(`attention over ${said(keys)} pixels is too much: ${said(ATTENDED)} at most`);
      spend(2 * q.c * queries * keys);
      return like(q);
    },
  });
  const weights = { take: () => new Float32Array(), finish() {} };
  const memory = { top: 0, f: new Float32Array() };
  evaluate(/** @type {any} */ (memory), /** @type {any} */ (weights), /** @type {any} */ (make));
  return work;
}

const said = (/** @type {number} */ count) => count.toLocaleString("en");
