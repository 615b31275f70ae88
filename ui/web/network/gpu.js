// The layers of layers.js on a GPU by WebGPU: only the layers that a UNet2DModel with SiLU needs. All programs of a
// step are sent at once. Their buffers are made in the first step and used again. A step returns a promise of the
// picture.

import { UNet } from "./unet.js";
import { Weights } from "./weights.js";

/** @import { Config } from "./unet.js" */
/** @import { Probe } from "../process/predict.js" */
/** @typedef {{ c: number, h: number, w: number, plane: number, buffer: GPUBuffer }} Image without gaps between its planes */
/** @typedef {(x: Float32Array, t: number, condition: any, probe?: Probe) => any} Network */
const MOST = 2 ** 29; // largest total size of a step's buffers, in bytes; the kernel computes larger models
const CLOSE = 1e-5; // largest allowed difference from the kernel's output, as a fraction of the largest value in that output
// The flags of GPUBufferUsage and GPUMapMode, which are not defined in every environment
const [READ, COPY_SRC, COPY_DST, UNIFORM, STORAGE] = [1, 4, 8, 64, 128];

/** For each program: the names of its sizes, the names of its buffers, and its code for place `i` of row `j`. A program writes to the last of its buffers. @type {Record<string, [string, string, string]>} */
const PROGRAMS = {
  // Compute one output of a convolution. The input is enlarged `up` times and has a border of `pad` zeros.
  conv: [
    "c h w side stride up pad shifted added",
    "a k bias shift more out",
    `let high = s.h * s.up; let wide = s.w * s.up; let row = wide / s.stride; let places = high / s.stride * row;
     if (i >= places) { return; }
     var sum = bias[j]; var at = j * s.c * s.side * s.side;
     for (var c = 0u; c < s.c; c++) { for (var t = 0u; t < s.side * s.side; t++) {
       let y = i / row * s.stride + t / s.side - s.pad; let x = i % row * s.stride + t % s.side - s.pad;
       if (y < high && x < wide) { sum += k[at] * a[(c * s.h + y / s.up) * s.w + x / s.up]; } // u32 turns −1 into 2³² − 1, which fails this test
       at++;
     } }
     if (s.shifted > 0) { sum += shift[j]; }
     if (s.added > 0) { sum += more[j * places + i]; }
     out[j * places + i] = sum;`,
  ],
  spread: [
    "count plane first scaled silu added",
    "a scales more out",
    `if (i >= s.count) { return; }
     var z = a[i];
     if (s.scaled > 0) { z = z * scales[2 * (i / s.plane)] + scales[2 * (i / s.plane) + 1]; }
     if (s.silu > 0) { z = z / (1 + exp(-z)); }
     if (s.added > 0) { z += more[i]; }
     out[s.first + i] = z;`,
  ],
  // Each workgroup computes the scales and shifts of one group of `size` channels.
  norm: [
    "size plane eps",
    "a weight bias out",
    `let count = s.size * s.plane; let first = group * count;
     var sum = 0.0; for (var n = thread; n < count; n += 64) { sum += a[first + n]; }
     let mean = total(thread, sum) / f32(count);
     sum = 0.0; for (var n = thread; n < count; n += 64) { sum += (a[first + n] - mean) * (a[first + n] - mean); }
     let inverse = 1 / sqrt(total(thread, sum) / f32(count) + bitcast<f32>(s.eps));
     for (var c = group * s.size + thread; c < (group + 1) * s.size; c += 64) {
       out[2 * c] = inverse * weight[c]; out[2 * c + 1] = bias[c] - mean * inverse * weight[c];
     }`,
  ],
  // Compute the softmax over all keys, for query i of head j.
  fit: [
    "d queries keys scale",
    "q k out",
    `if (i >= s.queries) { return; }
     var top = -3e38; let first = j * s.keys;
     for (var n = 0u; n < s.keys; n++) {
       var dot = 0.0; for (var c = j * s.d; c < (j + 1) * s.d; c++) { dot += q[c * s.queries + i] * k[c * s.keys + n]; }
       out[(first + n) * s.queries + i] = dot * bitcast<f32>(s.scale); top = max(top, dot * bitcast<f32>(s.scale));
     }
     var sum = 0.0;
     for (var n = first; n < first + s.keys; n++) { let at = n * s.queries + i; out[at] = exp(out[at] - top); sum += out[at]; }
     for (var n = first; n < first + s.keys; n++) { out[n * s.queries + i] /= sum; }`,
  ],
  mix: [
    "d queries keys",
    "p v out",
    `if (i >= s.queries) { return; }
     var sum = 0.0;
     for (var n = 0u; n < s.keys; n++) { sum += p[(j / s.d * s.keys + n) * s.queries + i] * v[j * s.keys + n]; }
     out[j * s.queries + i] = sum;`,
  ],
};

/** Return the WGSL source of a program. @param {string} name */
function source(name) {
  const [sizes, names, body] = PROGRAMS[name];
  const buffers = names.split(" ").map((own, n, { length }) => {
    const access = n < length - 1 ? "read" : "read_write";
    return `@group(0) @binding(${n + 1}) var<storage, ${access}> ${own}: array<f32>;`;
  });
  return `struct Sizes { ${sizes.replace(/\w+/g, "$&: u32,")} }
    @group(0) @binding(0) var<uniform> s: Sizes;
    ${buffers.join("\n")}
    var<workgroup> parts: array<f32, 64>;
    fn total(thread: u32, part: f32) -> f32 {
      workgroupBarrier(); parts[thread] = part; workgroupBarrier();
      var sum = 0.0; for (var n = 0; n < 64; n++) { sum += parts[n]; }
      return sum;
    }
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) place: vec3u,
        @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) block: vec3u) {
      let i = place.x; let j = place.y; let group = block.x;
      ${body}
    }`;
}

/** Log why the CPU computes instead of the GPU, and return null. @param {unknown} error */
function warn(error) {
  console.warn("The processor computes in the place of the GPU.", error);
  return null;
}

/** Return a GPU device, or null if there is none. @param {boolean} pretended whether a software GPU is accepted */
export async function gpu(pretended = false) {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter();
  return adapter && (pretended || !adapter.info.isFallbackAdapter) ? adapter.requestDevice().catch(warn) : null;
}

/** Return whether these layers can compute a network. @param {Config} config */
const supports = ({ _class_name: kind, act_fn: act, resnet_time_scale_shift: shift, mid_block_scale_factor: factor }) =>
  kind === "UNet2DModel" && ["silu", "swish"].includes(act) && shift === "default" && factor === 1;

/** Return whether two outputs agree within the tolerance CLOSE. @param {Float32Array} found @param {Float32Array} expected */
function agree(found, expected) {
  const most = (/** @type {Float32Array} */ of) => of.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return most(found.map((value, i) => value - expected[i])) <= CLOSE * most(expected);
}

/** Build the network on a device. Return null if its output differs from the kernel's. @param {GPUDevice} device @param {ArrayBuffer} file @param {Config} config @param {Network} kernel */
async function buildMatching(device, file, config, kernel) {
  /** @type {any} its layers return promises */
  const unet = new UNet(/** @type {any} */ (new GpuLayers(device, new Weights(file, ""))), config);
  const x = Float32Array.from({ length: config.in_channels * config.sample_size ** 2 }, (_, i) => Math.sin(i));
  return agree(await unet.network(x, 1, 0), await kernel(x, 1, 0)) ? unet : null;
}

/**
 * Build a network on a device. Return null if its output differs from the kernel's. If the device fails later, the
 * kernel computes instead.
 * @param {GPUDevice} device @param {ArrayBuffer} file of weights @param {Config} config @param {Network} kernel
 * @returns {Promise<Network | null>}
 */
export async function onGpu(device, file, config, kernel) {
  if (!supports(config)) return null;
  const unet = await buildMatching(device, file, config, kernel).catch(warn);
  if (!unet) return null;
  let works = true;
  const network = (/** @type {Parameters<Network>} */ ...evaluation) =>
    unet.network(...evaluation).catch((/** @type {unknown} */ error) => {
      works = false;
      return warn(error);
    });
  return async (...evaluation) => {
    const [, , , probe] = evaluation;
    return (works && !probe?.look && (await network(...evaluation))) || kernel(...evaluation);
  };
}

/** A recorded command for the device: a program, or a copy between two buffers. @typedef {{ name: string, group: GPUBindGroup, size: number[] } | { from: GPUBuffer, to: GPUBuffer, at: number, bytes: number }} Command */

/** Layers on a GPU, with the same methods as `Layers`. The methods record commands, and `read` sends the commands to the GPU. */
class GpuLayers {
  /** @type {Record<string, GPUComputePipeline>} */
  #pipelines = {};
  #bytes = 0;
  /** The commands to send to the device next. @type {Command[]} */
  #commands = [];
  /** Buffers that are used in this step only. @type {GPUBuffer[]} */
  #passing = [];
  /** The images of this step to read back for the page. @type {{ x: Image, keep: (numbers: Float32Array) => void }[]} */
  #shown = [];
  /** The buffers and bind groups that the first step made. Later steps use them again, in the same order. @type {any[]} */
  #kept = [];
  #next = 0;

  /** @param {GPUDevice} device @param {Weights} weights */
  constructor(device, weights) {
    this.device = device;
    this.weights = weights;
    for (const name of Object.keys(PROGRAMS)) {
      const module = device.createShaderModule({ code: source(name) });
      this.#pipelines[name] = device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } });
    }
    this.nothing = this.#buffer(16);
  }

  /** Allocate a buffer. Throws if the model is too large. @param {number} numbers of float32 values */
  #buffer(numbers, usage = STORAGE | COPY_SRC | COPY_DST) {
    this.#bytes += 4 * numbers;
    if (this.#bytes > MOST) throw new Error("the model is too large for the GPU");
    return this.device.createBuffer({ size: Math.max(64, 4 * numbers), usage });
  }

  /** Allocate a buffer with these values. @param {any} values */
  #put(values, usage = STORAGE | COPY_DST) {
    const made = this.#buffer(values.length, usage);
    this.device.queue.writeBuffer(made, 0, values);
    return made;
  }

  /** Call `make` in the first step and return the object; return the same object in later steps. @param {() => any} make */
  #once(make) {
    if (this.#next === this.#kept.length) this.#kept.push(make());
    return this.#kept[this.#next++];
  }

  /** Record the call of a program. @param {string} name @param {number[]} sizes @param {GPUBuffer[]} buffers @param {number} places @param {number} rows */
  #compute(name, sizes, buffers, places, rows = 1) {
    const group = this.#once(() => {
      const all = [this.#put(Uint32Array.from(sizes), UNIFORM | COPY_DST), ...buffers];
      const entries = all.map((buffer, binding) => ({ binding, resource: { buffer } }));
      return this.device.createBindGroup({ layout: this.#pipelines[name].getBindGroupLayout(0), entries });
    });
    this.#commands.push({ name, group, size: [Math.ceil(places / 64), rows] });
  }

  // --- The methods of `Layers`, which layers.js describes

  /** Return an uninitialised image. @param {number} c @param {number} h @param {number} w @returns {Image} */
  image(c, h, w) {
    return this.#once(() => ({ c, h, w, plane: h * w, buffer: this.#buffer(c * h * w) }));
  }

  /** Return an image with these values. @param {Float32Array<ArrayBuffer>} numbers @param {number} c @param {number} h @param {number} w */
  imageOf(numbers, c, h, w) {
    const made = this.image(c, h, w);
    this.device.queue.writeBuffer(made.buffer, 0, numbers);
    return made;
  }

  /** Record a copy of numbers into an image. The numbers wait in their own buffer until the commands are sent. @param {Float32Array<ArrayBuffer>} numbers @param {Image} out */
  write(numbers, out, first = 0) {
    const bytes = 4 * numbers.length;
    const from = this.device.createBuffer({ size: bytes, usage: COPY_SRC | COPY_DST });
    this.device.queue.writeBuffer(from, 0, numbers);
    this.#passing.push(from);
    this.#commands.push({ from, to: out.buffer, at: 4 * first * out.plane, bytes });
    return out;
  }

  /** Send all commands and return the values of an image. The images of `show` are read first. @param {Image} image */
  async read(image) {
    let size = 0;
    const all = [...this.#shown.splice(0), { x: image, keep: () => {} }].map(({ x, keep }) => {
      const at = size;
      size += 4 * x.c * x.plane;
      return { x, keep, at, end: size };
    });
    const out = this.device.createBuffer({ size, usage: READ | COPY_DST });
    const encoder = this.device.createCommandEncoder();
    this.#encode(encoder);
    for (const { x, at, end } of all) encoder.copyBufferToBuffer(x.buffer, 0, out, at, end - at);
    this.device.queue.submit([encoder.finish()]);
    this.#next = 0;
    // The device frees a destroyed buffer only after the sent commands have used it
    for (const buffer of this.#passing.splice(0)) buffer.destroy();
    await out.mapAsync(READ);
    const read = out.getMappedRange();
    const numbers = all.map(({ at, end }) => new Float32Array(read.slice(at, end)));
    out.destroy();
    for (const [i, { keep }] of all.entries()) keep(numbers[i]);
    return numbers[numbers.length - 1];
  }

  /** Encode all recorded commands. @param {GPUCommandEncoder} encoder */
  #encode(encoder) {
    let pass = encoder.beginComputePass();
    for (const command of this.#commands.splice(0))
      if ("from" in command) {
        pass.end();
        encoder.copyBufferToBuffer(command.from, 0, command.to, command.at, command.bytes);
        pass = encoder.beginComputePass();
      } else {
        pass.setPipeline(this.#pipelines[command.name]);
        pass.setBindGroup(0, command.group);
        pass.dispatchWorkgroups(command.size[0], command.size[1]);
      }
    pass.end();
  }

  /** Call `keep` with the values of an image during the next `read`. @param {Image} x @param {(numbers: Float32Array) => void} keep */
  show(x, keep) {
    this.#shown.push({ x, keep });
  }

  /** Call `compute` and return its result; no memory is freed. @template T @param {() => T} compute */
  evaluate(compute) {
    return compute();
  }

  /** Fill an image. @param {Image} out @param {(out: Image) => void} fill */
  into(out, fill) {
    fill(out);
    return out;
  }

  /** Return the image itself; there is nothing to move, because buffers are not freed. @param {Image} x */
  compact(x) {
    return x;
  }

  /** Copy an image into another of the same shape. @param {Image} x @param {Image} out */
  copy(x, out) {
    this.#commands.push({ from: x.buffer, to: out.buffer, at: 0, bytes: 4 * x.c * x.plane });
  }

  /** Return an image with the channels of a, then of b. @param {Image} a @param {Image} b */
  concat(a, b) {
    const out = this.image(a.c + b.c, a.h, a.w);
    this.#spread(a, { out });
    return this.#spread(b, { out, first: a.c * a.plane });
  }

  /** Return the sum of two images. @param {Image} x @param {Image} more */
  add(x, more) {
    return this.#spread(x, { add: more });
  }

  /** Return act(scale · x + shift). @param {Image} x @param {GPUBuffer | null} scales @param {string | null} act */
  affine(x, scales, act = null) {
    return this.#spread(x, { scales, act });
  }

  /** Record act(scale · x + shift) + add, written into `out` from index `first` on. @param {Image} x @param {{ scales?: GPUBuffer | null, act?: string | null, add?: Image | null, out?: Image, first?: number }} how */
  #spread(x, { scales = null, act = null, add = null, out = this.image(x.c, x.h, x.w), first = 0 }) {
    const count = x.c * x.plane;
    const sizes = [count, x.plane, first, Number(!!scales), Number(!!act), Number(!!add)];
    this.#compute("spread", sizes, [x.buffer, scales ?? this.nothing, add?.buffer ?? this.nothing, out.buffer], count);
    return out;
  }

  /** Build a function that returns a row of a table as an image of one pixel. @param {string} name @param {number} rows @param {number} c */
  table(name, rows, c) {
    const all = /** @type {Float32Array<ArrayBuffer>} */ (this.weights.take(`${name}.weight`, rows, c));
    return (/** @type {number} */ row) => this.imageOf(all.subarray(Number(row) * c, (Number(row) + 1) * c), c, 1, 1);
  }

  /** Build a linear map of the channels. @param {string} name @param {number} from @param {number} to */
  linear(name, from, to, { bias = true, square = 0 } = {}) {
    return this.#filter(name, to, bias, square ? [from, square, square] : [from], [1, 1, 1, 0]);
  }

  /** Build a 3 × 3 convolution. @param {string} name @param {number} from @param {number} to */
  conv(name, from, to) {
    return this.#filter(name, to, true, [from, 3, 3], [3, 1, 1, 1]);
  }

  /** Build a 3 × 3 convolution with a stride of 2. @param {string} name @param {number} c @param {number} pad */
  downsample(name, c, pad) {
    return this.#filter(name, c, true, [c, 3, 3], [3, 2, 1, pad]);
  }

  /** Build a 3 × 3 convolution of an image whose pixels are repeated to 2 × 2. @param {string} name @param {number} c */
  upsample(name, c) {
    return this.#filter(name, c, true, [c, 3, 3], [3, 1, 2, 1]);
  }

  /** Build a convolution. @param {string} name @param {number} to @param {boolean} bias @param {number[]} shape @param {number[]} how side, stride, up, pad */
  #filter(name, to, bias, shape, how) {
    const k = this.#put(this.weights.take(`${name}.weight`, to, ...shape));
    const b = this.#put(bias ? this.weights.take(`${name}.bias`, to) : new Float32Array(to));
    const [, stride, up] = how;
    const { nothing } = this;
    /** @param {Image} x @param {any} around */
    return (x, { scales = null, act = null, shift = null, add = null, out = null } = {}) => {
      const made = out ?? this.image(to, (x.h * up) / stride, (x.w * up) / stride);
      const a = scales || act ? this.affine(x, scales, act) : x;
      const buffers = [a.buffer, k, b, shift?.buffer ?? nothing, add?.buffer ?? nothing, made.buffer];
      this.#compute("conv", [x.c, x.h, x.w, ...how, Number(!!shift), Number(!!add)], buffers, made.plane, to);
      return made;
    };
  }

  /** Build a group normalisation, whose result is the `scales` of `affine` and `conv`. @param {string} name @param {number} c @param {number} groups @param {number} eps */
  groupNorm(name, c, groups, eps) {
    const own = ["weight", "bias"].map((part) => this.#put(this.weights.take(`${name}.${part}`, c)));
    return (/** @type {Image} */ x) => {
      const pairs = this.#once(() => this.#buffer(2 * c));
      this.#compute("norm", [c / groups, x.plane, bits(eps)], [x.buffer, ...own, pairs], 64 * groups);
      return pairs;
    };
  }

  /** Return the attention of q to k and v. @param {Image} q @param {Image} k @param {Image} v @param {number} heads */
  attend(q, k, v, heads) {
    const sizes = [q.c / heads, q.plane, k.plane];
    const [p, out] = [this.#once(() => this.#buffer(heads * q.plane * k.plane)), this.image(q.c, q.h, q.w)];
    this.#compute("fit", [...sizes, bits(1 / Math.sqrt(q.c / heads))], [q.buffer, k.buffer, p], q.plane, heads);
    this.#compute("mix", sizes, [p, v.buffer, out.buffer], q.plane, q.c);
    return out;
  }
}

/** Return the bits of a float32 as an integer, because the sizes of a program are integers. @param {number} value */
const bits = (value) => new Uint32Array(Float32Array.of(value).buffer)[0];
