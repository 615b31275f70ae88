// Count what a network costs before its weights are read, by a pass through its layers that computes nothing. This
// check is needed because a config of a few kilobytes can demand any number of pixels.

import { UserError } from "../process/errors.js";

/** @import { Layers } from "./layers.js" */
/** @typedef {{ c: number, h: number, w: number }} Shape */

const MOST = 3e11; // largest number of multiplications in one evaluation; a network like the paper's for 256 × 256 pixels needs 2.5e11
const LARGEST = 2 ** 26; // largest number of values in an image between two layers: 256 MB
const ATTENDED = 128 * 128; // largest number of pixels in one attention layer, as in ddpm_core/checkpoint/config/fields.py

/**
 * Count the multiplications of one evaluation in PyTorch. Throws a UserError for more than a browser can compute.
 * @param {(layers: Layers) => unknown} evaluate builds the network of such layers, and evaluates it once
 */
export function cost(evaluate) {
  let work = 0;
  const spend = (/** @type {number} */ more) => {
    work += more;
    if (work > MOST)
      throw new UserError(
        `one evaluation takes more than the ${MOST / 1e9} billion multiplications that a browser can bear`,
      );
  };
  /** Return an image without values. Throws a UserError for a shape with too many values. @param {number} c @param {number} h @param {number} w */
  function image(c, h, w) {
    const count = c * h * w;
    if (count > LARGEST)
      throw new UserError(`a layer has ${digits(count)} numbers: a browser can bear ${digits(LARGEST)}`);
    return { c, h, w, plane: h * w };
  }
  const like = (/** @type {Shape} */ { c, h, w }) => image(c, h, w);
  /** Return a layer that counts multiplications. Each of its outputs is a sum over `from` channels and `taps` positions. @param {number} from @param {number} to @param {number} taps @param {number} [scale] factor of height and width */
  const sums =
    (from, to, taps, scale = 1) =>
    (/** @type {Shape} */ { h, w }) => {
      const out = image(to, h * scale, w * scale);
      spend(from * taps * to * out.plane);
      return out;
    };
  const layers = {
    weights: { take: () => new Float32Array(), finish() {} },
    ...{ image, affine: like, read: () => new Float32Array(), groupNorm: () => () => 0, layerNorm: () => like },
    evaluate: (/** @type {() => unknown} */ compute) => compute(),
    into(/** @type {Shape} */ out, /** @type {(out: Shape) => void} */ fill) {
      fill(out);
      return out;
    },
    imageOf: (/** @type {unknown} */ _, /** @type {number} */ c, /** @type {number} */ h, /** @type {number} */ w) =>
      image(c, h, w),
    fromStates: (/** @type {ArrayLike<number>} */ states, /** @type {number} */ c) => image(c, 1, states.length / c),
    prependMean: (/** @type {Shape} */ { c, w }) => ({ mean: image(c, 1, 1), all: image(c, 1, w + 1) }),
    ...{ each: like, activate: like, geglu: like, compact: like, add: like },
    concat: (/** @type {Shape} */ a, /** @type {Shape} */ b) => image(a.c + b.c, a.h, a.w),
    table: (/** @type {unknown} */ _, /** @type {unknown} */ __, /** @type {number} */ c) => () => image(c, 1, 1),
    linear: (/** @type {string} */ _, /** @type {number} */ from, /** @type {number} */ to) => sums(from, to, 1),
    conv: (/** @type {string} */ _, /** @type {number} */ from, /** @type {number} */ to) => sums(from, to, 9),
    downsample: (/** @type {string} */ _, /** @type {number} */ c) => sums(c, c, 9, 0.5),
    upsample: (/** @type {string} */ _, /** @type {number} */ c) => sums(c, c, 9, 2),
    attend(/** @type {Shape} */ q, /** @type {Shape} */ k) {
      const [queries, keys] = [q.h * q.w, k.h * k.w];
      if (keys > ATTENDED)
        throw new UserError(`attention over ${digits(keys)} pixels is too much: ${digits(ATTENDED)} at most`);
      spend(2 * q.c * queries * keys);
      return like(q);
    },
  };
  evaluate(/** @type {any} */ (layers));
  return work;
}

/** Write a count with separators: "1,000,000". */
const digits = (/** @type {number} */ count) => count.toLocaleString("en");
