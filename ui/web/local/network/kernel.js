// The memory that a model's numbers live in, and the inner loops over it: kernel.wasm, or the same in plain JavaScript.

/** The compiled kernel; null in a browser without SIMD, where `Memory` computes in JavaScript. @param {BufferSource} code */
export const compile = (code) => (WebAssembly.validate(code) ? WebAssembly.compile(code) : null);

const f32 = Math.fround;
const POWERS = Float32Array.from({ length: 256 }, (_, i) => 2 ** (i - 127));
// of e^x on |x| < ln 2 / 2, from x⁷ to x²
const SERIES = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1].map(
  f32,
);
const [PER_LN2, LN2_HIGH, LN2_LOW] = [Math.LOG2E, 0.693359375, -2.1219444e-4].map(f32);

/** e^x with float32's operations. @param {number} x */
function exp(x) {
  const within = Math.max(Math.min(x, 88), -87);
  const n = Math.floor(f32(f32(within * PER_LN2) + 0.5));
  const rest = f32(f32(within - f32(n * LN2_HIGH)) - f32(n * LN2_LOW));
  let y = SERIES[0];
  for (let i = 1; i < SERIES.length; i++) y = f32(f32(y * rest) + SERIES[i]);
  return f32(f32(f32(f32(y * f32(rest * rest)) + rest) + 1) * POWERS[n + 127]);
}

/** The functions of kernel.ts, one number at a time. @param {() => Float32Array} numbers @param {() => Uint32Array} wholes */
const plain = (numbers, wholes) => ({
  /** @type {(...sizes: number[]) => void} */
  conv(a, plane, row, _, channels, shifts, taps, k, step, group, bias, add, out, far, outputs, h, w) {
    const f = numbers();
    const moves = Int32Array.from(wholes().subarray(shifts, shifts + taps));
    for (let m = 0; m < outputs; m += 4)
      for (let i = 0; i < h * w; i++) {
        const b = bias ? bias + m : 0;
        let p0 = f[b]; // not a list of four, which would be made anew for each place
        let p1 = f[b + 1];
        let p2 = f[b + 2];
        let p3 = f[b + 3];
        let s = k + (m / 4) * group;
        let r = a + Math.floor(i / w) * row + (i % w);
        for (let c = 0; c < channels; c++, r += plane)
          for (let t = 0; t < taps; t++, s += step) {
            const u = f[r + moves[t]];
            p0 = f32(p0 + f32(f[s] * u));
            p1 = f32(p1 + f32(f[s + 1] * u));
            p2 = f32(p2 + f32(f[s + 2] * u));
            p3 = f32(p3 + f32(f[s + 3] * u));
          }
        const o = out + m * far + i;
        const more = add && add + m * far + i;
        f[o] = p0 + (more && f[more]);
        f[o + far] = p1 + (more && f[more + far]);
        f[o + 2 * far] = p2 + (more && f[more + 2 * far]);
        f[o + 3 * far] = p3 + (more && f[more + 3 * far]);
      }
  },
  /** @type {(...sizes: number[]) => void} */
  spread(a, plane, channels, h, w, scales, silu, out, outPlane, row) {
    const f = numbers();
    for (let c = 0; c < channels; c++) {
      const [scale, shift] = f.subarray(scales + 2 * c);
      for (let i = 0; i < h * w; i++) {
        const z = f32(f32(scale * f[a + c * plane + i]) + shift);
        f[out + c * outPlane + Math.floor(i / w) * row + (i % w)] = silu ? z / f32(1 + exp(-z)) : z;
      }
    }
  },
  /** @type {(...sizes: number[]) => void} */
  softmax(a, rows, columns, apart, scale) {
    const f = numbers();
    for (let x = a; x < a + columns; x++) {
      const end = x + rows * apart;
      let [top, sum] = [f[x], 0];
      for (let at = x; at < end; at += apart) top = Math.max(top, f[at]);
      for (let at = x; at < end; at += apart) {
        f[at] = exp(f32(f32(f[at] - top) * f32(scale)));
        sum = f32(sum + f[at]);
      }
      for (let at = x; at < end; at += apart) f[at] /= sum;
    }
  },
});

/** A stack of float32 numbers: `f` from 0 to `top`. Places are indices. */
export class Memory {
  top = 8; // the first are 0 for ever: the kernel's word for nothing
  #memory = new WebAssembly.Memory({ initial: 1 });
  f = new Float32Array(this.#memory.buffer);
  u = new Uint32Array(this.#memory.buffer);

  /** @param {WebAssembly.Module | null} kernel what `compile` gave */
  constructor(kernel) {
    const env = { memory: this.#memory, abort() {} };
    /** @type {ReturnType<typeof plain>} */
    this.run = kernel
      ? /** @type {any} */ (new WebAssembly.Instance(kernel, { env }).exports)
      : plain(
          () => this.f,
          () => this.u,
        );
  }

  /** The place of `count` more numbers, whatever they are. @param {number} count */
  take(count) {
    const at = this.top;
    this.top += (count + 3) & ~3;
    const lack = this.top + 64 - this.f.length; // the kernel looks a little beyond the end of a matrix
    if (lack > 0) {
      try {
        this.#memory.grow(Math.ceil(lack / 16384) + 64);
      } catch {
        throw new Error("the model needs more memory than the browser gives to a page");
      }
      this.f = new Float32Array(this.#memory.buffer);
      this.u = new Uint32Array(this.#memory.buffer);
    }
    return at;
  }
}
