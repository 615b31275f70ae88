// Layers of a batch to be tried by themselves: with numbers from a seed, in node (batch.test.js) and beside PyTorch (batch.mjs).
import { readFileSync } from "node:fs";
import { BatchLayers } from "../../network/batch_layers.js";
import { compile, Memory } from "../../network/kernel.js";
import { Parameters } from "../../network/parameters.js";

export const N = 8;
export const kernel = await compile(readFileSync(new URL("../../network/batch.wasm", import.meta.url)));

const dense = (name, ...shape) => ({ [`${name}.weight`]: shape, [`${name}.bias`]: [shape[0]] });

/** Of each operation: the shapes of its weights, and what it makes of images. */
const OPERATIONS = {
  conv: {
    weights: ({ from, to }) => dense("a", to, from, 3, 3),
    make(L, { from, to }) {
      const conv = L.conv("a", from, to);
      return (x, shift = null, add = null) => conv(x, { shift, add });
    },
  },
  normalised: {
    weights: ({ from, to }) => ({ ...dense("a", to, from, 3, 3), ...dense("b", from) }),
    make(L, { from, to, groups }) {
      const [norm, conv] = [L.groupNorm("b", from, groups, 1e-5), L.conv("a", from, to)];
      return (x, over = null) => conv(x, { scales: norm(x, over), act: "silu" });
    },
  },
  residual: {
    weights: ({ from }) => dense("a", from, from, 3, 3),
    make(L, { from }) {
      const conv = L.conv("a", from, from);
      return (x) => conv(L.affine(x, null, "silu"), { add: x });
    },
  },
  own: {
    weights: ({ from }) => dense("a", from, from, 3, 3),
    make(L, { from }) {
      const conv = L.conv("a", from, from);
      return (x) => conv(x, { add: x });
    },
  },
  affine: {
    weights: ({ from }) => dense("a", from),
    make(L, { from, groups }) {
      const norm = L.groupNorm("a", from, groups, 1e-6);
      return (x) => L.affine(x, norm(x));
    },
  },
  upsample: {
    weights: ({ from }) => dense("a", from, from, 3, 3),
    make: (L, { from }) => L.upsample("a", from),
  },
  downsample: {
    weights: ({ from }) => dense("a", from, from, 3, 3),
    make: (L, { from, padding }) => L.downsample("a", from, padding),
  },
  linear: {
    weights: ({ from, to }) => dense("a", to, from),
    make(L, { from, to }) {
      const linear = L.linear("a", from, to);
      return (x, add = null) => linear(x, { add });
    },
  },
  unbiased: {
    weights: ({ from, to }) => ({ "a.weight": [to, from, 1, 1] }),
    make: (L, { from, to }) => L.linear("a", from, to, { bias: false, square: 1 }),
  },
  attend: {
    weights: () => ({}),
    make:
      (L, { heads }) =>
      (q, k, v) =>
        L.attend(q, k, v, heads),
  },
  table: {
    weights: ({ rows, to }) => ({ "a.weight": [rows, to] }),
    make:
      (L, { rows, to, labels }) =>
      () =>
        L.table("a", rows, to)(labels),
  },
  skip: { weights: () => ({}), make: (L) => (x, y) => L.concat(L.concat(x, y), x) },
  sum: { weights: () => ({}), make: (L) => (x, y) => L.affine(L.add(L.affine(x, null, "silu"), y), null, "silu") },
};

const labels = [3, 0, 4, 3, 3, 1, 0, 2];
/** Each layer: its operation, its options, and the shapes of its images. @type {Record<string, [keyof typeof OPERATIONS, any, string]>} */
export const LAYERS = {
  "a convolution": ["conv", { from: 8, to: 16 }, "8×6×8"],
  "a convolution of odd sides": ["conv", { from: 12, to: 8 }, "12×7×5"],
  "a convolution of one pixel": ["conv", { from: 4, to: 4 }, "4×1×1"],
  "a convolution of grey pictures": ["conv", { from: 1, to: 8 }, "1×7×7"],
  "a convolution of colours": ["conv", { from: 3, to: 8 }, "3×6×6"],
  "a convolution to grey pictures": ["conv", { from: 8, to: 1 }, "8×7×7"],
  "a convolution to colours": ["conv", { from: 8, to: 3 }, "8×6×6"],
  "a convolution in several bands": ["conv", { from: 32, to: 64 }, "32×14×14"],
  "a convolution with a shift and a sum": ["conv", { from: 8, to: 12 }, "8×5×5 12×1×1 12×5×5"],
  "a normalised convolution": ["normalised", { from: 16, to: 8, groups: 4 }, "16×7×7"],
  "a normalised convolution of a skip's channels": ["normalised", { from: 24, to: 8, groups: 4 }, "24×6×6"],
  "a convolution with scale and shift": ["normalised", { from: 8, to: 8, groups: 2 }, "8×5×5 16×1×1"],
  "a residual": ["residual", { from: 8 }, "8×7×7"],
  "a convolution that is added to its image": ["own", { from: 8 }, "8×7×7"],
  "a normalisation": ["affine", { from: 12, groups: 3 }, "12×7×7"],
  "a normalisation in one group": ["affine", { from: 8, groups: 1 }, "8×3×4"],
  "an upsampling": ["upsample", { from: 8 }, "8×6×6"],
  "an upsampling of odd sides": ["upsample", { from: 12 }, "12×7×5"],
  "a downsampling with padding": ["downsample", { from: 8, padding: 1 }, "8×14×14"],
  "a downsampling without padding": ["downsample", { from: 8, padding: 0 }, "8×6×10"],
  "a linear map": ["linear", { from: 16, to: 32 }, "16×1×1"],
  "a linear map of odd channels, with a sum": ["linear", { from: 6, to: 10 }, "6×5×7 10×5×7"],
  "a linear map without bias": ["unbiased", { from: 8, to: 12 }, "8×7×7"],
  attention: ["attend", { heads: 1 }, "16×7×7 16×7×7 16×7×7"],
  "attention with heads": ["attend", { heads: 4 }, "16×5×5 16×5×5 16×5×5"],
  "attention with narrow heads": ["attend", { heads: 2 }, "12×3×3 12×3×3 12×3×3"],
  "a class embedding": ["table", { rows: 5, to: 8, labels }, ""],
  "a skip": ["skip", {}, "4×5×5 8×5×5"],
  "a sum and SiLU": ["sum", {}, "8×3×3 8×3×3"],
};

/** Numbers from −1 to 1, from a seed. */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return (2 * state) / 2147483647 - 1;
  };
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);

/** One of LAYERS, with numbers: none of its weights is 0, as those of a network that has learned. */
export class Layer {
  /** @param {keyof typeof LAYERS} name */
  constructor(name) {
    const [operation, options, shapes] = LAYERS[name];
    this.operation = operation;
    this.options = options;
    this.shapes = shapes.split(" ").flatMap((shape) => (shape ? [[N, ...shape.split("×").map(Number)]] : []));
    const { weights, make } = OPERATIONS[operation];
    const memory = new Memory(kernel);
    this.parameters = new Parameters(memory, Object.entries(weights(options)));
    this.layers = new BatchLayers(memory, this.parameters, N);
    this.make = make(this.layers, options);
    const next = random(name.length * 1000 + 7);
    for (let i = 0; i < 9; i++) next();
    const draw = (shape, scale = 1.7, mean = 0) =>
      Float32Array.from({ length: size(shape) }, () => mean + scale * next());
    /** By name. @type {Record<string, Float32Array>} */
    this.weights = {};
    for (const { name: key, shape } of this.parameters.all.values())
      this.weights[key] = shape.length > 1 ? draw(shape, 1.7 / Math.sqrt(size(shape.slice(1)))) : draw(shape, 0.4, 0.8);
    this.inputs = this.shapes.map((shape) => draw(shape));
    this.out = this.evaluate();
    this.gradient = draw(this.outShape);
  }

  #forward({ weights, inputs }) {
    this.parameters.put(Object.entries(weights));
    this.layers.begin();
    const images = inputs.map((numbers, i) => {
      const [, ...shape] = this.shapes[i];
      return { ...this.layers.imageOf(numbers, ...shape), constant: false }; // as in the midst of a network
    });
    const out = this.make(...images);
    this.outShape = [N, out.c, out.h, out.w];
    return { images, out };
  }

  /** The numbers that it makes. */
  evaluate({ weights = this.weights, inputs = this.inputs } = {}) {
    const found = this.layers.read(this.#forward({ weights, inputs }).out);
    this.layers.forget();
    return found;
  }

  /** The gradients of weights, by name, and of inputs. */
  gradients() {
    const { images, out } = this.#forward(this);
    const forward = this.layers.read(out);
    this.layers.back(out, this.gradient);
    this.layers.end();
    const inputs = images.map((image) => this.layers.read({ ...image, at: image.grad }));
    return { forward, weights: this.parameters.split(this.parameters.gradients), inputs };
  }
}
