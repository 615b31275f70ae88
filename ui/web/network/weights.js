// The weights of a network: a .safetensors file, of which every tensor must be asked for by its name and shape.
import { jsonObject } from "../messages/bytes.js";
import { UserError } from "../process/errors.js";

const HEADER = 16 << 20; // bytes
const LARGEST = 1e8; // far beyond any that was trained, as MAX_WEIGHT in ddpm_core/checkpoint/config/fields.py

/** Attention weights as diffusers named them before 0.12. */
const LEGACY = { ".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0." };

const SCALE = ".scale"; // ends the name of the scales of an int8 tensor, one a row, as in ddpm_core/checkpoint/weights.py

/** @type {Float32Array | undefined} of all 2¹⁶ float16 */
let halves;

/** The number that 16 bits mean as float16. @param {number} bits */
function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return Number.NaN;
  return (bits >> 15 ? -1 : 1) * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}

/** @type {Record<string, { bytes: number, read: (bytes: ArrayBuffer) => Float32Array }>} */
const KINDS = {
  I8: { bytes: 1, read: (bytes) => Float32Array.from(new Int8Array(bytes)) }, // of which SCALE is the other half
  F32: { bytes: 4, read: (bytes) => new Float32Array(bytes) },
  BF16: {
    bytes: 2,
    read: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (b) => b << 16).buffer),
  },
  F16: {
    bytes: 2,
    read(bytes) {
      halves ??= Float32Array.from({ length: 65536 }, (_, bits) => half(bits));
      const [table, from] = [halves, new Uint16Array(bytes)];
      const out = new Float32Array(from.length);
      for (let i = 0; i < out.length; i++) out[i] = table[from[i]];
      return out;
    },
  },
};

/** @param {unknown} value */
const isCount = (value) => Number.isSafeInteger(value) && Number(value) >= 0;

export class Weights {
  /** @type {Map<string, { shape: number[], kind: string, from: number, to: number }>} */
  #left = new Map();
  count = 0; // numbers that were taken
  #where;

  /** @param {ArrayBuffer} file @param {string} where it lies, for sentences */
  constructor(file, where) {
    const broken = new UserError(`${where} is damaged or cut off: load it again`);
    this.file = file;
    this.#where = where;
    const start = file.byteLength < 8 ? Number.NaN : 8 + Number(new DataView(file).getBigUint64(0, true));
    if (!(start <= Math.min(file.byteLength, HEADER))) throw broken;
    const header = jsonObject(new Uint8Array(file, 8, start - 8));
    if (!header) throw broken;
    /** What the file says besides tensors. @type {Record<string, string>} */
    this.metadata = header.__metadata__ ?? {};
    let left = file.byteLength - start; // of tensors that share no bytes
    for (const [name, entry] of Object.entries(header)) {
      if (name === "__metadata__" || name.endsWith(".position_ids")) continue; // numbers of places, of older text encoders
      const { dtype, shape, data_offsets: place } = entry ?? {};
      if (!Object.hasOwn(KINDS, dtype) || (dtype === "I8" && !(name + SCALE in header)))
        throw new UserError(`${where} holds ${name} as ${dtype}: F32, F16, BF16, and I8 with scales are supported`);
      const isWhole = [shape, place].every((counts) => Array.isArray(counts) && counts.every(isCount));
      if (!isWhole) throw broken;
      const [from, to] = place;
      const length = shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, KINDS[dtype].bytes);
      left -= length;
      if (to - from !== length || start + to > file.byteLength || left < 0) throw broken;
      const modern = Object.entries(LEGACY).reduce((text, [old, now]) => text.replace(old, now), name);
      this.#left.set(modern.replace(/^text_model\./, ""), { shape, kind: dtype, from: start + from, to: start + to });
    }
  }

  /** Whether there is a tensor that was not taken yet. @param {string} name */
  has = (name) => this.#left.has(name);

  /** The numbers of a tensor, in PyTorch's order. @param {string} name @param {number[]} shape it must have */
  take(name, ...shape) {
    const found = this.#left.get(name);
    if (!found) throw new UserError(`${this.#where} does not fit config.json: it lacks ${name}`);
    if (`${found.shape}` !== `${shape}`)
      throw new UserError(`${this.#where} does not fit config.json: ${name} has shape ${found.shape}, not ${shape}`);
    this.#left.delete(name);
    const numbers = KINDS[found.kind].read(this.file.slice(found.from, found.to));
    if (found.kind === "I8") {
      const scales = this.take(name + SCALE, shape[0], ...shape.slice(1).map(() => 1));
      this.count -= scales.length; // the scales of int8 rows do not count as weights
      const row = numbers.length / scales.length;
      for (let i = 0; i < numbers.length; i++) numbers[i] *= scales[Math.floor(i / row)];
    }
    this.count += numbers.length;
    if (!numbers.every((value) => Math.abs(value) < LARGEST))
      throw new UserError(`${this.#where} holds NaN or numbers too large for trained weights in ${name}`);
    return numbers;
  }

  /** Return the shape of a tensor that nobody has taken yet, [] if there is none. @param {string} name @returns {number[]} */
  shape = (name) => this.#left.get(name)?.shape ?? [];

  /** To be called when all was taken; a sentence where something was not. @param {(name: string) => boolean} [ignored] */
  finish(ignored = () => false) {
    const [name] = [...this.#left.keys()].filter((key) => !ignored(key));
    if (name) throw new UserError(`${this.#where} does not fit config.json: it has also ${name}`);
    this.file = new ArrayBuffer(0); // the memory has it all
  }
}
