// The memory that a model's numbers live in, and the inner loops over it: kernel.wasm, which kernel.wasm.ts is compiled to.

import { UserError } from "../process/errors.js";

/**
 * The functions of kernel.wasm.ts, which says what each of them takes.
 * @typedef {"conv" | "product" | "tiles" | "filters" | "untiled" | "pixels" | "enlarged" | "moments" | "spread" | "gated" | "softmax"} Loop
 * @typedef {Record<Loop, (...sizes: number[]) => void>} Kernel
 */

const NO_SIMD =
  "this browser can't run the models: they need WebAssembly with SIMD. Allow it for this page (Safari's Lockdown Mode " +
  "switches it off), or use another browser";

/** Compile kernel.wasm. Throws a UserError in a browser that can't. @param {BufferSource} code */
export async function compile(code) {
  if (globalThis.WebAssembly?.validate(code)) return WebAssembly.compile(code);
  throw new UserError(NO_SIMD);
}

/** @type {Promise<WebAssembly.Module> | undefined} */
let kernel;

/** The kernel of the page, which is fetched once, and again where that failed. */
export function pageKernel() {
  kernel ??= fetch(new URL("kernel.wasm", import.meta.url))
    .then((answer) => (answer.ok ? answer.arrayBuffer() : Promise.reject(new Error(`HTTP ${answer.status}`))))
    .catch((error) => {
      throw new UserError("a file of the page could not be loaded: load the page again", { cause: error });
    })
    .then(compile)
    .catch((error) => {
      kernel = undefined;
      throw error;
    });
  return kernel;
}

/** A stack of float32 numbers: `f` from 0 to `top`. Places are indices. */
export class Memory {
  top = 8; // the first are 0 for ever: the kernel's word for nothing
  f = new Float32Array();
  u = new Uint32Array();
  d = new Float64Array();
  #memory;

  /** @param {WebAssembly.Module} kernel what `compile` gave */
  constructor(kernel) {
    this.#memory = new WebAssembly.Memory({ initial: 1 });
    const env = { memory: this.#memory, abort() {} };
    const { exports } = new WebAssembly.Instance(kernel, { env });
    this.run = /** @type {Kernel} */ (/** @type {unknown} */ (exports));
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
      this.#memory.grow(pages);
    } catch (error) {
      throw new UserError("the model needs more memory than the browser gives to a page", { cause: error });
    }
    const { buffer } = this.#memory;
    this.f = new Float32Array(buffer);
    this.u = new Uint32Array(buffer);
    this.d = new Float64Array(buffer);
  }
}
