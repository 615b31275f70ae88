// The memory that a model's numbers live in, and the inner loops over it: kernel.wasm, or the same in plain JavaScript.

/** The compiled kernel; null in a browser without SIMD, where `Memory` computes in JavaScript. @param {BufferSource} code */
export const compile = (code) => (globalThis.WebAssembly?.validate(code) ? WebAssembly.compile(code) : null);

/**
 * The functions of kernel.wasm.ts in plain JavaScript. JavaScript has no float32 operations, and rounding
 * after each of float64 costs four times as much: four products are summed at once, so last bits are not the kernel's.
 * @param {{ f: Float32Array, u: Uint32Array }} m
 */
const plain = (m) => ({
  /** Four outputs at a time, to which each turn adds four terms of their sums. @type {(...sizes: number[]) => void} */
  conv(...sizes) {
    // As int32: a size that was once the result of a division is a float64 for V8, and all that is added to it.
    const [a, plane, row, _, channels, shifts, taps, k, step, group, bias, add, out, far, outputs, h, w] =
      new Int32Array(sizes);
    const { f } = m;
    const moves = new Int32Array(4 * Math.ceil((channels * taps) / 4));
    for (let n = 0; n < channels * taps; n++) moves[n] = ((n / taps) | 0) * plane + m.u[shifts + (n % taps)];
    const weights = new Float32Array(4 * moves.length); // 0 behind the last, as in `moves`
    for (let o = 0; o < outputs; o += 4) {
      for (let j = 0; j < 4; j++) {
        const to = out + (o + j) * far;
        f.fill(bias && f[bias + o + j], to, to + h * w);
        if (add) for (let i = to; i < to + h * w; i++) f[i] += f[i - out + add];
      }
      for (let n = 0, at = k + (o >> 2) * group; n < channels * taps; n++, at += step)
        for (let j = 0; j < 4; j++) weights[4 * n + j] = f[at + j];
      for (let n = 0; n < moves.length; n += 4) {
        const r0 = moves[n];
        const r1 = moves[n + 1];
        const r2 = moves[n + 2];
        const r3 = moves[n + 3];
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
  },
  /** @type {(...sizes: number[]) => void} */
  spread(a, plane, channels, h, w, scales, silu, out, outPlane, row) {
    const { f } = m;
    for (let c = 0; c < channels; c++) {
      const [scale, shift] = f.subarray(scales + 2 * c);
      for (let i = 0; i < h * w; i++) {
        const z = scale * f[a + c * plane + i] + shift;
        f[out + c * outPlane + Math.floor(i / w) * row + (i % w)] = silu ? z / (1 + Math.exp(-z)) : z;
      }
    }
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
    } catch {
      throw new Error("the model needs more memory than the browser gives to a page");
    }
  }
}
