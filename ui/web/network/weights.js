// The weights of a network in a .safetensors file. The network's layers take each tensor once, by its name and shape.
import { jsonObject } from "../messages/bytes.js";
import { UserError } from "../process/errors.js";

const HEADER = 16 << 20; // largest size of the header, in bytes
const LARGEST = 1e8; // largest allowed weight, far above all trained ones, as MAX_WEIGHT in ddpm_core/checkpoint/config/fields.py

/** The names of attention weights in files from before diffusers 0.12, with the present names. */
const LEGACY = { ".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0." };

const SCALE = ".scale"; // suffix in the name of the tensor that contains the scales of an int8 tensor's rows, as in ddpm_core/checkpoint/weights.py

/** @type {Float32Array | undefined} the values of all 2¹⁶ float16 */
let halves;

/** Convert the 16 bits of a float16 to a number. Infinities become NaN. @param {number} bits */
function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return Number.NaN;
  return (bits >> 15 ? -1 : 1) * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}

/** @type {Record<string, { bytes: number, read: (bytes: ArrayBuffer) => Float32Array }>} */
const KINDS = {
  I8: { bytes: 1, read: (bytes) => Float32Array.from(new Int8Array(bytes)) }, // `take` then multiplies these values by the scales of their rows
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

/** Return whether a value is a whole number of at least 0. @param {unknown} value */
const isCount = (value) => Number.isSafeInteger(value) && Number(value) >= 0;

export class Weights {
  /** The tensors that were not taken yet. @type {Map<string, { shape: number[], kind: string, from: number, to: number }>} */
  #left = new Map();
  count = 0; // number of weights that were taken
  #where;

  /** @param {ArrayBuffer} file @param {string} where the file's path, for messages */
  constructor(file, where) {
    const broken = new UserError(`${where} is damaged or cut off: load it again`);
    this.file = file;
    this.#where = where;
    const start = file.byteLength < 8 ? Number.NaN : 8 + Number(new DataView(file).getBigUint64(0, true));
    if (!(start <= Math.min(file.byteLength, HEADER))) throw broken;
    const header = jsonObject(new Uint8Array(file, 8, start - 8));
    if (!header) throw broken;
    /** The file's metadata. @type {Record<string, string>} */
    this.metadata = header.__metadata__ ?? {};
    let left = file.byteLength - start; // number of bytes that no tensor has claimed so far
    for (const [name, entry] of Object.entries(header)) {
      // Files of older text encoders contain a tensor with the indices of positions; these are no weights, so they
      // are skipped
      if (name === "__metadata__" || name.endsWith(".position_ids")) continue;
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

  /** Return whether a tensor exists and was not taken yet. @param {string} name */
  has = (name) => this.#left.has(name);

  /** Return the values of a tensor in PyTorch's order. Throws a UserError for a wrong shape or damaged values. @param {string} name @param {number[]} shape the expected shape */
  take(name, ...shape) {
    const found = this.#left.get(name);
    if (!found) throw new UserError(`${this.#where} does not fit config.json: it lacks ${name}`);
    if (`${found.shape}` !== `${shape}`)
      throw new UserError(`${this.#where} does not fit config.json: ${name} has shape ${found.shape}, not ${shape}`);
    this.#left.delete(name);
    const numbers = KINDS[found.kind].read(this.file.slice(found.from, found.to));
    if (found.kind === "I8") {
      const scales = this.take(name + SCALE, shape[0], ...shape.slice(1).map(() => 1));
      this.count -= scales.length; // the scales are no weights, so they are not counted
      const row = numbers.length / scales.length;
      for (let i = 0; i < numbers.length; i++) numbers[i] *= scales[Math.floor(i / row)];
    }
    this.count += numbers.length;
    if (!numbers.every((value) => Math.abs(value) < LARGEST))
      throw new UserError(`${this.#where} holds NaN or numbers too large for trained weights in ${name}`);
    return numbers;
  }

  /** Return the shape of a tensor that was not taken yet, [] if there is none. @param {string} name @returns {number[]} */
  shape = (name) => this.#left.get(name)?.shape ?? [];

  /** Throw a UserError if a tensor was not taken, and release the file. @param {(name: string) => boolean} [ignored] whether a tensor may remain */
  finish(ignored = () => false) {
    const [name] = [...this.#left.keys()].filter((key) => !ignored(key));
    if (name) throw new UserError(`${this.#where} does not fit config.json: it has also ${name}`);
    this.file = new ArrayBuffer(0); // free the memory: `take` has copied the values
  }
}
