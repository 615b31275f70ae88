// The memory that a model's numbers live in, and the inner loops over it: kernel.wasm, or the same in plain JavaScript.

/** The compiled kernel; null in a browser without SIMD, where `Memory` computes in JavaScript. @param {BufferSource} code */
export const compile = (code) => (globalThis.WebAssembly?.validate(code) ? WebAssembly.compile(code) : null);

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

/** @param {number} x */
export const gelu = (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));

/**
 * Outputs, four at a time, to which each turn adds four terms of their sums: weights, `step` apart, times planes moved by `moves`.
 * @param {Float32Array} f @param {number[]} moves @param {Int32Array} sizes as int32: a size that was once the result of
 *   a division is a float64 for V8, and all that is added to it
 */
function sums(f, moves, [a, row, k, step, group, bias, add, out, far, outputs, h, w]) {
  const own = new Int32Array(4 * Math.ceil(moves.length / 4));
  own.set(moves);
  const weights = new Float32Array(4 * own.length); // 0 behind the last, as in `own`
  for (let o = 0; o < outputs; o += 4) {
    for (let j = 0; j < 4; j++) {
      const to = out + (o + j) * far;
      const first = bias && f[bias + o + j];
      if (add) for (let i = to; i < to + h * w; i++) f[i] = first + f[i - out + add];
      else f.fill(first, to, to + h * w);
    }
    for (let n = 0, at = k + (o >> 2) * group; n < moves.length; n++, at += step)
      for (let j = 0; j < 4; j++) weights[4 * n + j] = f[at + j];
    for (let n = 0; n < own.length; n += 4) {
      const r0 = own[n];
      const r1 = own[n + 1];
      const r2 = own[n + 2];
      const r3 = own[n + 3];
      const i = 4 * n;
      const k0 = weights[i];
      const l0 = weights[i + 1];
      const m0 = weights[i + 2];
      const n0 = weights[i + 3];
      const k1 = weights[i + 4];
      const l1 = weights[i + 5];
      const m1 = weights[i + 6];
      const n1 = weights[i + 7];
      const k2 = weights[i + 8];
      const l2 = weights[i + 9];
      const m2 = weights[i + 10];
      const n2 = weights[i + 11];
      const k3 = weights[i + 12];
      const l3 = weights[i + 13];
      const m3 = weights[i + 14];
      const n3 = weights[i + 15];
      let to = out + o * far;
      for (let y = 0; y < h; y++)
        for (let r = a + y * row, end = r + w; r < end; r++, to++) {
          const a0 = f[r + r0];
          const a1 = f[r + r1];
          const a2 = f[r + r2];
          const a3 = f[r + r3];
          f[to] += k0 * a0 + k1 * a1 + k2 * a2 + k3 * a3;
          f[to + far] += l0 * a0 + l1 * a1 + l2 * a2 + l3 * a3;
          f[to + 2 * far] += m0 * a0 + m1 * a1 + m2 * a2 + m3 * a3;
          f[to + 3 * far] += n0 * a0 + n1 * a1 + n2 * a2 + n3 * a3;
        }
    }
  }
}

/**
 * The functions of kernel.wasm.ts in plain JavaScript. JavaScript has no float32 operations, and rounding
 * after each of float64 costs four times as much: four products are summed at once, so last bits are not the kernel's.
 * @param {{ f: Float32Array, u: Uint32Array, d: Float64Array }} m
 */
const plain = (m) => ({
  /** @type {(...sizes: number[]) => void} */
  conv(a, plane, row, _, channels, shifts, k, ...rest) {
    const moves = Array.from({ length: 9 * channels }, (_, n) => Math.floor(n / 9) * plane + m.u[shifts + (n % 9)]);
    sums(m.f, moves, Int32Array.of(a, row, k, 4, ...rest));
  },
  /** @type {(...sizes: number[]) => void} */
  product(a, plane, channels, k, step, group, bias, add, out, far, outputs, w, count, nextA, nextK, nextOut) {
    const moves = Array.from({ length: channels }, (_, c) => c * plane);
    for (let n = 0; n < count; n++) {
      const [to, before] = [out + n * nextOut, add && add + n * nextOut];
      const by = [k + n * nextK, step, group, bias, before];
      sums(m.f, moves, Int32Array.of(a + n * nextA, 0, ...by, to, far, outputs, 1, w));
    }
  },
  /** @type {(...sizes: number[]) => void} */
  tiles(a, plane, row, channels, h, w, out, outPlane, next) {
    const { f } = m;
    const t = new Float32Array(16);
    for (let c = 0; c < channels; c++)
      for (let y = 0, to = out + c * outPlane; y < h; y += 2)
        for (let x = 0; x < w; x += 2, to++) {
          for (let j = 0, at = a + c * plane + y * row + x; j < 4; j++, at++) {
            const [d0, d1, d2, d3] = [f[at], f[at + row], f[at + 2 * row], f[at + 3 * row]];
            t[j] = d0 - d2;
            t[4 + j] = d1 + d2;
            t[8 + j] = d2 - d1;
            t[12 + j] = d1 - d3;
          }
          for (let i = 0, o = to; i < 16; i += 4, o += 4 * next) {
            f[o] = t[i] - t[i + 2];
            f[o + next] = t[i + 1] + t[i + 2];
            f[o + 2 * next] = t[i + 2] - t[i + 1];
            f[o + 3 * next] = t[i + 1] - t[i + 3];
          }
        }
  },
  /** @type {(...sizes: number[]) => void} */
  filters(k, group, channels, outputs, out, next) {
    const { f } = m;
    const t = new Float32Array(12);
    for (let o = 0, to = out; o < outputs; o += 4)
      for (let n = 0; n < 4 * channels; n++, to++) {
        for (let i = 0, at = k + (o >> 2) * group + 36 * (n >> 2) + (n & 3); i < 3; i++, at += 4) {
          const [g0, g1, g2] = [f[at], f[at + 12], f[at + 24]];
          const sum = Math.fround(g0 + g2);
          t[i] = g0;
          t[3 + i] = sum + g1;
          t[6 + i] = sum - g1;
          t[9 + i] = g2;
        }
        for (let i = 0, at = to; i < 12; i += 3, at += 4 * next) {
          const sum = Math.fround(t[i] + t[i + 2]);
          f[at] = t[i];
          f[at + next] = sum + t[i + 1];
          f[at + 2 * next] = sum - t[i + 1];
          f[at + 3 * next] = t[i + 2];
        }
      }
  },
  /** @type {(...sizes: number[]) => void} */
  untiled(a, plane, next, bias, add, out, far, outputs, h, w) {
    const { f } = m;
    const t = new Float32Array(8);
    for (let o = 0; o < outputs; o++)
      for (let y = 0, from = a + o * plane; y < h; y += 2)
        for (let x = 0; x < w; x += 2, from++) {
          for (let i = 0, at = from; i < 4; i++, at += 4 * next) {
            const [m0, m1, m2, m3] = [f[at], f[at + next], f[at + 2 * next], f[at + 3 * next]];
            t[i] = m0 + (m1 + m2) / 2;
            t[4 + i] = (m1 - m2) / 2 - m3;
          }
          for (let j = 0, i = 0; j < 2 && x + j < w; j++, i += 4) {
            const at = out + o * far + y * w + x + j;
            const more = bias && f[bias + o];
            f[at] = more + t[i] + (t[i + 1] + t[i + 2]) / 2 + (add && f[at - out + add]);
            if (y + 1 < h) f[at + w] = more + (t[i + 1] - t[i + 2]) / 2 - t[i + 3] + (add && f[at + w - out + add]);
          }
        }
  },
  /** @type {(...sizes: number[]) => void} */
  pixels(a, plane, row, channels, h, w, out, outPlane, next) {
    const { f } = m;
    const t = new Float32Array(9);
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < h * w; i++) {
        for (let j = 0, at = a + c * plane + Math.floor(i / w) * row + (i % w); j < 3; j++, at++) {
          t[j] = f[at] - f[at + row];
          t[3 + j] = f[at + row];
          t[6 + j] = f[at + 2 * row] - f[at + row];
        }
        for (let j = 0, o = out + c * outPlane + i; j < 9; j += 3, o += 3 * next) {
          f[o] = t[j] - t[j + 1];
          f[o + next] = t[j + 1];
          f[o + 2 * next] = t[j + 2] - t[j + 1];
        }
      }
  },
  /** @type {(...sizes: number[]) => void} */
  enlarged(a, plane, next, bias, out, far, outputs, h, w) {
    const { f } = m;
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < h * w; i++) {
        const more = bias && f[bias + o];
        const to = out + o * far + Math.floor(i / w) * 4 * w + 2 * (i % w);
        for (let j = 0, at = a + o * plane + i; j < 4; j++) {
          const one = at + ((j >> 1) * 3 + (j & 1)) * next;
          f[to + (j >> 1) * 2 * w + (j & 1)] = more + f[one] + f[one + next] + f[one + 3 * next] + f[one + 4 * next];
        }
      }
  },
  /** @type {(...sizes: number[]) => void} */
  moments(a, plane, channels, n, out) {
    const { f } = m;
    let [sum, squares] = [0, 0];
    for (let c = 0; c < channels; c++)
      for (let i = a + c * plane, end = i + n; i < end; i++) {
        sum += f[i];
        squares += f[i] * f[i];
      }
    m.d.set([sum, squares], out / 2);
  },
  /** @type {(...sizes: number[]) => void} */
  spread(a, plane, channels, h, w, scales, act, out, outPlane, row) {
    const { f } = m;
    for (let c = 0; c < channels; c++) {
      const [scale, shift] = f.subarray(scales + 2 * c);
      for (let i = 0; i < h * w; i++) {
        const z = scale * f[a + c * plane + i] + shift;
        f[out + c * outPlane + Math.floor(i / w) * row + (i % w)] =
          act === 1 ? z / (1 + Math.exp(-z)) : act ? Math.max(z, 0) : z;
      }
    }
  },
  /** @type {(...sizes: number[]) => void} */
  gated(a, b, n) {
    for (let i = 0; i < n; i++) m.f[a + i] *= gelu(m.f[b + i]);
  },
  /** @type {(...sizes: number[]) => void} */
  softmax(a, rows, columns, apart, scale) {
    const { f } = m;
    for (let x = a; x < a + columns; x++) {
      const end = x + rows * apart;
      let [top, sum] = [f[x], 0];
      for (let at = x; at < end; at += apart) top = Math.max(top, f[at]);
      for (let at = x; at < end; at += apart) {
        f[at] = Math.exp((f[at] - top) * scale);
        sum += f[at];
      }
      for (let at = x; at < end; at += apart) f[at] /= sum;
    }
  },
});

/** A stack of float32 numbers: `f` from 0 to `top`. Places are indices. */
export class Memory {
  top = 8; // the first are 0 for ever: the kernel's word for nothing
  f = new Float32Array();
  u = new Uint32Array();
  d = new Float64Array();
  #memory;

  /** @param {WebAssembly.Module | null} kernel what `compile` gave */
  constructor(kernel) {
    this.#memory = kernel && new WebAssembly.Memory({ initial: 1 });
    this.kind = kernel ? "WebAssembly" : "JavaScript";
    const env = { memory: this.#memory, abort() {} };
    /** @type {ReturnType<typeof plain>} */
    this.run = kernel
      ? /** @type {any} */ (new WebAssembly.Instance(kernel, /** @type {any} */ ({ env })).exports)
      : plain(this);
    this.#grow(1);
  }

  /** The place of `count` more numbers, whatever they are. @param {number} count */
  take(count) {
    const at = this.top;
    this.top += (count + 3) & ~3;
    const lack = this.top + 64 - this.f.length; // the kernel looks a little beyond the end of a matrix
    if (lack > 0) this.#grow(Math.ceil(lack / 16384) + 16);
    return at;
  }

  /** @param {number} pages of 64 KiB */
  #grow(pages) {
    try {
      const more = this.#memory ? null : new Float32Array(this.f.length + 16384 * pages);
      more?.set(this.f);
      this.#memory?.grow(pages);
      const buffer = more?.buffer ?? /** @type {WebAssembly.Memory} */ (this.#memory).buffer;
      this.f = new Float32Array(buffer);
      this.u = new Uint32Array(buffer);
      this.d = new Float64Array(buffer);
    } catch {
      throw new Error("the model needs more memory than the browser gives to a page");
    }
  }
}
