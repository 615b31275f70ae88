// Seeded random numbers that equal those of NumPy's Generator(Philox(key=[seed, stream])). Stream 0 is x_T, and stream
// i + 1 is the noise of step i: see ddpm_core/noise.py.

import { UserError } from "./errors.js";

/** @typedef {bigint | string} Seed a whole number from 0 to 2^63 − 1; a JavaScript number can't hold it exactly */

const MAX_SEED = 2n ** 63n - 1n;
const f32 = Math.fround;
const TWO32 = 2 ** 32;
// Philox adds these constants to the two halves of its key in each round.
const STEPS = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];
const ROUNDS = 10;
const R = 3.6541528853610088; // where the tail of the ziggurat (see `ziggurat`) begins
const AREA = 0.004928673233974658; // the area of each of the ziggurat's 256 layers
const [R32, INVERSE_R32] = [f32(R), f32(1 / R)];
const [LIMIT, WIDTH, HEIGHT] = ziggurat();

/** Check the seed, and return it as a BigInt. @param {Seed} seed */
function checkSeed(seed) {
  const text = String(seed);
  if (typeof seed === "number" || !/^\d{1,19}$/.test(text) || BigInt(text) > MAX_SEED)
    throw new UserError(`a seed is a whole number from 0 to 2^63 − 1, got ${text}`);
  return BigInt(text);
}

/**
 * Return n standard normal numbers.
 * @param {Seed} seed @param {number} stream @param {number} n
 */
export const gaussian = (seed, stream, n) => new Random(checkSeed(seed), BigInt(stream)).normal(n);

/** A generator whose numbers equal those of NumPy's Generator(Philox(key=[seed, stream])). */
export class Random {
  #bits;

  /** @param {bigint} seed @param {bigint} stream */
  constructor(seed, stream) {
    this.#bits = philox(seed, stream);
  }

  /** Draw a uniform number in [0, 1). */
  #uniform = () => (this.#bits() >>> 8) / 2 ** 24;
  /** Draw a number with the standard exponential distribution. */
  #exponential = () => -f32(Math.log1p(-this.#uniform()));

  /** Draw n standard normal numbers, as NumPy's `standard_normal(n, dtype=float32)` does. @param {number} n */
  normal(n) {
    const drawn = new Float32Array(n);
    for (let i = 0; i < n; ) {
      const random = this.#bits();
      const layer = random & 255;
      const size = random >>> 9;
      const x = f32(size * WIDTH[layer]) * (random & 256 ? -1 : 1);
      if (size < LIMIT[layer]) drawn[i++] = x;
      else if (layer) {
        const y = f32(f32(f32(HEIGHT[layer - 1] - HEIGHT[layer]) * this.#uniform()) + HEIGHT[layer]);
        if (y < Math.exp(-0.5 * x * x)) drawn[i++] = x;
      } else {
        let [beyond, y] = [0, 0];
        do [beyond, y] = [f32(INVERSE_R32 * this.#exponential()), this.#exponential()];
        while (f32(y + y) <= f32(beyond * beyond));
        drawn[i++] = size & 256 ? -f32(R32 + beyond) : f32(R32 + beyond);
      }
    }
    return drawn;
  }

  /**
   * Draw n uniform whole numbers below the limit, as NumPy's `integers(limit, size=n)` does.
   * @param {number} limit below 2^32
   * @param {number} n
   */
  integers(limit, n) {
    if (limit === 1) return new Array(n).fill(0); // NumPy consumes no random bits here
    // Products whose lower half is below `rest` are rejected, because they would make some numbers more likely
    const rest = TWO32 % limit;
    const next = () => {
      let bits = this.#bits();
      while (Math.imul(bits, limit) >>> 0 < rest) bits = this.#bits();
      return high(bits, limit);
    };
    return Array.from({ length: n }, next);
  }
}

/**
 * Compute the tables of Marsaglia and Tsang's ziggurat. For each layer: the size below which a number needs no test, the
 * width in units of 2^−23, and the height.
 */
function ziggurat() {
  const density = (/** @type {number} */ x) => Math.exp(-0.5 * x * x);
  const edge = new Float64Array(257); // the right edges of the ziggurat's layers; edge[0] = 0
  edge[256] = AREA / density(R);
  edge[255] = R;
  for (let i = 254; i > 0; i--) edge[i] = Math.sqrt(-2 * Math.log(AREA / edge[i + 1] + density(edge[i + 1])));
  const outer = edge.slice(0, 256);
  const inner = Float64Array.from(outer, (_, i) => edge[i ? i - 1 : 255]);
  outer[0] = edge[256];
  const limit = Uint32Array.from(outer, (x, i) => Math.round((inner[i] / x) * 2 ** 23));
  return [limit, Float32Array.from(outer, (x) => x / 2 ** 23), Float32Array.from(edge.subarray(0, 256), density)];
}

/** Return the upper half of the product of two 32-bit numbers. @param {number} a @param {number} b */
const high = (a, b) => Math.floor((a * (b >>> 16) + Math.floor((a * (b & 65535)) / 65536)) / 65536);

/**
 * Multiply two numbers of 64 bits, and write the four 32-bit words of the product into `words`, the lowest first.
 * @param {number} aLow @param {number} aHigh @param {number} bLow @param {number} bHigh @param {Uint32Array} words
 */
function multiply(aLow, aHigh, bLow, bHigh, words) {
  const middle = high(aLow, bLow) + (Math.imul(aLow, bHigh) >>> 0) + (Math.imul(aHigh, bLow) >>> 0);
  const upper = high(aLow, bHigh) + high(aHigh, bLow) + (Math.imul(aHigh, bHigh) >>> 0) + Math.floor(middle / TWO32);
  words[0] = Math.imul(aLow, bLow);
  words[1] = middle;
  words[2] = upper;
  words[3] = high(aHigh, bHigh) + Math.floor(upper / TWO32);
}

/**
 * Return a function that computes the next 32 random bits of Philox 4×64.
 * @param {bigint} seed @param {bigint} stream
 */
function philox(seed, stream) {
  const halves = Array.from({ length: 2 * ROUNDS }, (_, i) => [seed, stream][i % 2] + BigInt(i >> 1) * STEPS[i % 2]);
  const key = new Uint32Array(new BigUint64Array(halves).buffer);
  const [block, a, b] = [new Uint32Array(8), new Uint32Array(4), new Uint32Array(4)];
  let counter = 0;
  let next = 8;
  return () => {
    if (next === 8) {
      block.fill(0);
      block[0] = ++counter;
      for (let k = 0; k < 4 * ROUNDS; k += 4) {
        multiply(block[0], block[1], 0xe14c6c93, 0xd2e7470e, a);
        multiply(block[4], block[5], 0x95121157, 0xca5a8263, b);
        for (let i = 0; i < 2; i++) {
          block[i] = b[2 + i] ^ block[2 + i] ^ key[k + i];
          block[4 + i] = a[2 + i] ^ block[6 + i] ^ key[k + 2 + i];
          block[2 + i] = b[i];
          block[6 + i] = a[i];
        }
      }
      next = 0;
    }
    return block[next++];
  };
}

/**
 * Draw n uniform numbers in [0, 1), in steps of 2^−24, as NumPy's `random(n, dtype=float32)` does.
 * @param {Seed} seed @param {number} stream @param {number} n
 */
export function uniform(seed, stream, n) {
  const bits = philox(checkSeed(seed), BigInt(stream));
  return Float32Array.from({ length: n }, () => (bits() >>> 8) / 2 ** 24);
}
