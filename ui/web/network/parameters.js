// The trained weights and their gradients, in the kernel's memory.

/** @import { Memory } from "./kernel.js" */
/** @import { BatchKernel } from "./tape.js" */
/** A tensor in PyTorch's order: the places of its values and of their gradients. @typedef {{ name: string, shape: number[], length: number, at: number, grad: number }} Parameter */

export class Parameters {
  /** The tensors by name, in their order in memory. @type {Map<string, Parameter>} */
  all = new Map();
  /** Names of the tensors that no layer has taken yet. @type {Set<string>} */
  #left;
  /** Number of values of all tensors, including padding: each tensor starts at a multiple of four. */
  size = 0;

  /** Allocate memory for all weights, then for all gradients. @param {Memory<BatchKernel>} memory @param {Iterable<[string, number[]]>} shapes by name */
  constructor(memory, shapes) {
    this.m = memory;
    for (const [name, shape] of shapes) {
      const length = shape.reduce((a, b) => a * b, 1);
      this.all.set(name, { name, shape, length, at: this.size, grad: this.size });
      this.size += (length + 3) & ~3;
    }
    this.at = memory.take(this.size);
    this.grad = memory.take(this.size);
    memory.f.fill(0, this.at, this.grad + this.size);
    for (const one of this.all.values()) {
      one.at += this.at;
      one.grad += this.grad;
    }
    this.#left = new Set(this.all.keys());
  }

  /** A view of all weights. When the memory grows, the view becomes invalid. */
  get weights() {
    return this.m.f.subarray(this.at, this.at + this.size);
  }

  /** A view of all gradients. When the memory grows, the view becomes invalid. */
  get gradients() {
    return this.m.f.subarray(this.grad, this.grad + this.size);
  }

  /** Return the tensor of a layer, and check its shape. @param {string} name @param {number[]} shape the expected shape */
  take(name, ...shape) {
    const found = this.all.get(name);
    if (`${found?.shape}` !== `${shape}`) throw new Error(`${name} has shape ${found?.shape}, not ${shape}`);
    this.#left.delete(name);
    return /** @type {Parameter} */ (found);
  }

  /** Check that the layers took all tensors. Call this after all layers are made. */
  finish() {
    const [name] = this.#left;
    if (name) throw new Error(`no layer has ${name}`);
  }

  /** Set the values of tensors. @param {Iterable<[string, ArrayLike<number>]>} tensors by name */
  put(tensors) {
    for (const [name, numbers] of tensors) {
      const { at, length } = /** @type {Parameter} */ (this.all.get(name));
      if (numbers.length !== length) throw new Error(`${name} has ${length} numbers, not ${numbers.length}`);
      this.m.f.set(numbers, at);
    }
  }

  /** Split an array in the order of the weights into copies by tensor name. @param {Float32Array} numbers such as the weights, their gradients or their average */
  split(numbers) {
    return new Map(
      [...this.all.values()].map(({ name, at, length }) => [name, numbers.slice(at - this.at, at - this.at + length)]),
    );
  }
}
