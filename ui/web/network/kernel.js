// A model's memory, and the compiled loops that compute in this memory: kernel.wasm evaluates networks, and
// batch.wasm trains them.

import { UserError } from "../process/errors.js";

/**
 * The functions of kernel.wasm.ts, which says what each of them takes.
 * @typedef {"conv" | "product" | "tiles" | "filters" | "untiled" | "pixels" | "enlarged" | "moments" | "spread" | "gated" | "softmax"} Loop
 * @typedef {Record<Loop, (...sizes: number[]) => void>} Kernel
 */

const NO_SIMD =
  "this browser can't run the models: they need WebAssembly with SIMD. Allow it for this page (Safari's Lockdown Mode " +
  "switches it off), or use another browser";

/** Compile kernel.wasm. Throws a UserError in a browser without WebAssembly SIMD. @param {BufferSource} code */
export async function compile(code) {
  if (globalThis.WebAssembly?.validate(code)) return WebAssembly.compile(code);
  throw new UserError(NO_SIMD);
}

/** @type {Map<string, Promise<WebAssembly.Module>>} */
const modules = new Map();

/** Fetch and compile a kernel once. After a failure, the next call tries again. @param {"kernel" | "batch"} name */
export function pageKernel(name) {
  const module =
    modules.get(name) ??
    fetch(new URL(`${name}.wasm`, import.meta.url))
      .then((answer) => (answer.ok ? answer.arrayBuffer() : Promise.reject(new Error(`HTTP ${answer.status}`))))
      .catch((error) => {
        throw new UserError("a file of the page could not be loaded: load the page again", { cause: error });
      })
      .then(compile)
      .catch((error) => {
        modules.delete(name);
        throw error;
      });
  modules.set(name, module);
  return module;
}

/** A model's memory: a stack of float32 values. The values below `top` are in use. A place is an index into `f`. @template [K=Kernel] its functions */
export class Memory {
  top = 8; // nothing is stored at place 0, because 0 means "none" to the kernel
  f = new Float32Array();
  u = new Uint32Array();
  d = new Float64Array();
  #memory;

  /** @param {WebAssembly.Module} kernel the result of `compile` */
  constructor(kernel) {
    this.#memory = new WebAssembly.Memory({ initial: 1 });
    const env = { memory: this.#memory, abort() {} };
    const { exports } = new WebAssembly.Instance(kernel, { env });
    this.run = /** @type {K} */ (/** @type {unknown} */ (exports));
    this.#grow(1);
  }

  /** Allocate `count` uninitialised values and return their place. @param {number} count */
  take(count) {
    const at = this.top;
    this.top += (count + 3) & ~3;
    const lack = this.top + 64 - this.f.length; // keep 64 more values, because the kernel reads a little beyond the end of a matrix
    if (lack > 0) this.#grow(Math.ceil(lack / 16384) + 16);
    return at;
  }

  /** Add pages of 64 KiB to the memory. @param {number} pages */
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
