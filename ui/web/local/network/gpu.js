// The layers of layers.js on a GPU, by WebGPU: what a UNet2DModel with SiLU needs. All programs of a step are sent at once,
// over buffers that are made in the first step and kept; only the picture comes back, as a promise.

import { unet } from "./unet.js";
import { Weights } from "./weights.js";

/** @import { Config } from "./unet.js" */
/** @import { Probe } from "../../process/predict.js" */
/** @typedef {{ c: number, h: number, w: number, plane: number, buffer: GPUBuffer }} Image without gaps between its planes */
/** @typedef {(x: Float32Array, t: number, condition: any, probe?: Probe) => any} Network */
const MOST = 2 ** 29; // bytes of a step's buffers: beyond them a model stays with the kernel
const CLOSE = 1e-5; // how far from the kernel's numbers, of the largest one
// GPUBufferUsage and GPUMapMode
const [READ, COPY_SRC, COPY_DST, UNIFORM, STORAGE] = [1, 4, 8, 64, 128];

/** Names of the sizes; of the buffers, the last one written; what a thread does at place `i` of row `j`. @type {Record<string, [string, string, string]>} */
const PROGRAMS = {
  // One output of an image, which is seen `up` times as large, behind `pad` zeros.
  conv: [
    "c h w side stride up pad shifted added",
    "a k bias shift more out",
    `let high = s.h * s.up; let wide = s.w * s.up; let row = wide / s.stride; let places = high / s.stride * row;
     if (i >= places) { return; }
     var sum = bias[j]; var at = j * s.c * s.side * s.side;
     for (var c = 0u; c < s.c; c++) { for (var t = 0u; t < s.side * s.side; t++) {
       let y = i / row * s.stride + t / s.side - s.pad; let x = i % row * s.stride + t % s.side - s.pad;
       if (y < high && x < wide) { sum += k[at] * a[(c * s.h + y / s.up) * s.w + x / s.up]; } // −1 is 2³² − 1 there
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
  // A group of threads for each of `size` channels.
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
  // The softmax over all keys, of a query of head j.
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

/** The text of a program. @param {string} name */
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

/** The device that computes, null where there is none, or only a processor that pretends. @param {boolean} pretended whether that is enough */
export async function gpu(pretended = false) {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter();
  return adapter && (pretended || !adapter.info.isFallbackAdapter) ? adapter.requestDevice() : null;
}

/**
 * A network on a device; null where it does not compute what the kernel does. If the device fails later, the kernel goes on.
 * @param {GPUDevice} device @param {ArrayBuffer} file of weights @param {Config} config @param {Network} kernel
 * @returns {Promise<Network | null>}
 */
export async function onGpu(device, file, config, kernel) {
  try {
    /** @type {Network} */
    const network = unet(/** @type {any} */ ({ top: 0 }), new Weights(file, ""), config, layersOn(device));
    const x = Float32Array.from({ length: config.in_channels * config.sample_size ** 2 }, (_, i) => Math.sin(i));
    const [found, expected] = await Promise.all([network(x, 1, 0), kernel(x, 1, 0)]);
    const most = (/** @type {Float32Array} */ of) => of.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const apart = most(found.map((/** @type {number} */ value, /** @type {number} */ i) => value - expected[i]));
    if (!(apart <= CLOSE * most(expected))) return null;
    return async (...asked) => {
      if (asked[3]?.look) return kernel(...asked);
      try {
        return await network(...asked);
      } catch {
        return kernel(...asked);
      }
    };
  } catch {
    return null;
  }
}

/** What stands for `layers` on a device. @param {GPUDevice} device */
function layersOn(device) {
  /** @type {Record<string, GPUComputePipeline>} */
  const pipelines = {};
  for (const name of Object.keys(PROGRAMS)) {
    const module = device.createShaderModule({ code: source(name) });
    pipelines[name] = device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } });
  }
  let bytes = 0;
  function buffer(/** @type {number} */ numbers, usage = STORAGE | COPY_SRC | COPY_DST) {
    bytes += 4 * numbers;
    if (bytes > MOST) throw new Error("the model is too large for the GPU");
    return device.createBuffer({ size: Math.max(64, 4 * numbers), usage });
  }
  function put(/** @type {any} */ values, usage = STORAGE | COPY_DST) {
    const made = buffer(values.length, usage);
    device.queue.writeBuffer(made, 0, values);
    return made;
  }
  const nothing = buffer(16);
  const real = (/** @type {number} */ value) => new Uint32Array(Float32Array.of(value).buffer)[0];

  return (/** @type {any} */ _, /** @type {Weights} */ weights) => {
    /** What is to be sent: programs, and copies between them. @type {({ name: string, group: GPUBindGroup, size: number[] } | { from: GPUBuffer, to: GPUBuffer, at: number, bytes: number })[]} */
    const steps = [];
    /** Numbers of this step alone. @type {GPUBuffer[]} */
    const passing = [];
    /** What is shown of this step. @type {{ x: Image, keep: (numbers: Float32Array) => void }[]} */
    const seen = [];
    /** @type {any[]} what was made in the first step, in its order */
    const kept = [];
    let next = 0;
    function once(/** @type {() => any} */ make) {
      if (next === kept.length) kept.push(make());
      return kept[next++];
    }

    /** @param {string} name @param {number[]} sizes @param {GPUBuffer[]} buffers @param {number} places @param {number} rows */
    function compute(name, sizes, buffers, places, rows = 1) {
      const group = once(() => {
        const all = [put(Uint32Array.from(sizes), UNIFORM | COPY_DST), ...buffers];
        const entries = all.map((one, binding) => ({ binding, resource: { buffer: one } }));
        return device.createBindGroup({ layout: pipelines[name].getBindGroupLayout(0), entries });
      });
      steps.push({ name, group, size: [Math.ceil(places / 64), rows] });
    }

    /** @param {string} name @param {number} to @param {boolean} bias @param {number[]} shape @param {number[]} how side, stride, up, pad */
    function filter(name, to, bias, shape, how) {
      const k = put(weights.take(`${name}.weight`, to, ...shape));
      const b = put(bias ? weights.take(`${name}.bias`, to) : new Float32Array(to));
      const [, stride, up] = how;
      /** @param {Image} x @param {any} around */
      return (x, { scales = null, act = null, shift = null, add = null, out = null } = {}) => {
        const made = out ?? L.image(to, (x.h * up) / stride, (x.w * up) / stride);
        const a = scales || act ? L.dense(x, scales, act) : x;
        const buffers = [a.buffer, k, b, shift?.buffer ?? nothing, add?.buffer ?? nothing, made.buffer];
        compute("conv", [x.c, x.h, x.w, ...how, Number(!!shift), Number(!!add)], buffers, made.plane, to);
        return made;
      };
    }

    /** As `layers` gives them. @type {Record<string, (...given: any[]) => any>} */
    const L = {
      image: (c, h, w) => once(() => ({ c, h, w, plane: h * w, buffer: buffer(c * h * w) })),
      dense(x, scales, act = null, add = null, out = L.image(x.c, x.h, x.w), first = 0) {
        if (act && act !== "silu" && act !== "swish") throw new Error(`${act} is left to the kernel`);
        const count = x.c * x.plane;
        const sizes = [count, x.plane, first, Number(!!scales), Number(!!act), Number(!!add)];
        compute("spread", sizes, [x.buffer, scales ?? nothing, add?.buffer ?? nothing, out.buffer], count);
        return out;
      },
      into: (out, make) => make(out) ?? out,
      settled: (x) => x,
      added: (x, more) => L.dense(x, null, null, more),
      joined(a, b) {
        const out = L.image(a.c + b.c, a.h, a.w);
        L.dense(a, null, null, null, out);
        return L.dense(b, null, null, null, out, a.c * a.plane);
      },
      conv: (name, from, to) => filter(name, to, true, [from, 3, 3], [3, 1, 1, 1]),
      downsample: (name, c, pad) => filter(name, c, true, [c, 3, 3], [3, 2, 1, pad]),
      upsample: (name, c) => filter(name, c, true, [c, 3, 3], [3, 1, 2, 1]),
      linear: (name, from, to, { bias = true, square = 0 } = {}) =>
        filter(name, to, bias, square ? [from, square, square] : [from], [1, 1, 1, 0]),
      norm(name, c, groups, eps) {
        const own = ["weight", "bias"].map((one) => put(weights.take(`${name}.${one}`, c)));
        return (/** @type {Image} */ x, /** @type {Image | null} */ over = null) => {
          if (over) throw new Error("scales of the time are left to the kernel");
          const pairs = once(() => buffer(2 * c));
          compute("norm", [c / groups, x.plane, real(eps)], [x.buffer, ...own, pairs], 64 * groups);
          return pairs;
        };
      },
      attend(q, k, v, heads) {
        const sizes = [q.c / heads, q.plane, k.plane];
        const [p, out] = [once(() => buffer(heads * q.plane * k.plane)), L.image(q.c, q.h, q.w)];
        compute("fit", [...sizes, real(1 / Math.sqrt(q.c / heads))], [q.buffer, k.buffer, p], q.plane, heads);
        compute("mix", sizes, [p, v.buffer, out.buffer], q.plane, q.c);
        return out;
      },
      given(numbers, c, h, w, out = null, first = 0) {
        const from = out ? device.createBuffer({ size: 4 * numbers.length, usage: COPY_SRC | COPY_DST }) : null;
        const made = out ?? L.image(c, h, w);
        device.queue.writeBuffer(from ?? made.buffer, 0, numbers);
        if (!from) return made;
        passing.push(from); // as what `out` has now is computed only when all is sent
        steps.push({ from, to: out.buffer, at: 4 * first * out.plane, bytes: 4 * numbers.length });
        return out;
      },
      copied: (x, out) => steps.push({ from: x.buffer, to: out.buffer, at: 0, bytes: 4 * x.c * x.plane }),
      shown: (x, keep) => seen.push({ x, keep }),
      /** The numbers of an image, when all is computed that was sent; what is shown is kept before. */
      async taken(image) {
        let size = 0;
        const all = [...seen.splice(0), { x: image, keep: () => {} }].map(({ x, keep }) => {
          const at = size;
          size += 4 * x.c * x.plane;
          return { x, keep, at, end: size };
        });
        const out = device.createBuffer({ size, usage: READ | COPY_DST });
        const encoder = device.createCommandEncoder();
        let pass = encoder.beginComputePass();
        for (const step of steps.splice(0))
          if ("from" in step) {
            pass.end();
            encoder.copyBufferToBuffer(step.from, 0, step.to, step.at, step.bytes);
            pass = encoder.beginComputePass();
          } else {
            pass.setPipeline(pipelines[step.name]);
            pass.setBindGroup(0, step.group);
            pass.dispatchWorkgroups(step.size[0], step.size[1]);
          }
        pass.end();
        for (const { x, at, end } of all) encoder.copyBufferToBuffer(x.buffer, 0, out, at, end - at);
        device.queue.submit([encoder.finish()]);
        next = 0;
        for (const one of passing.splice(0)) one.destroy(); // when what was sent has read it
        await out.mapAsync(READ);
        const read = out.getMappedRange();
        const numbers = all.map(({ at, end }) => new Float32Array(read.slice(at, end)));
        out.destroy();
        for (const [i, { keep }] of all.entries()) keep(numbers[i]);
        return numbers[numbers.length - 1];
      },
    };
    return /** @type {any} */ (L);
  };
}
