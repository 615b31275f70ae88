// Answers to tests/page/test_local_batch.py: node batch.mjs CASES.json ANSWERS.json, arrays as base64 of their float32.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BatchLayers } from "../../network/batch_layers.js";
import { completeUnet } from "../../network/config.js";
import { compile, Memory } from "../../network/kernel.js";
import { Layers } from "../../network/layers.js";
import { Parameters } from "../../network/parameters.js";
import { UNet } from "../../network/unet.js";
import { Weights } from "../../network/weights.js";
import { kernel, LAYERS, Layer, N } from "./layers.mjs";
import { numbers, text } from "./probes.mjs";

const single = await compile(readFileSync(new URL("../../network/kernel.wasm", import.meta.url)));
const texts = (/** @type {Iterable<[string, Float32Array]>} */ tensors) =>
  Object.fromEntries(Array.from(tensors, ([name, data]) => [name, text(data)]));

/** A layer with its numbers, and what it makes of them. */
function layer(name) {
  const one = new Layer(name);
  const { forward, weights, inputs } = one.gradients();
  return {
    ...{ operation: one.operation, options: one.options, shapes: one.shapes, outShape: one.outShape },
    tensors: Object.fromEntries(Array.from(one.parameters.all.values(), ({ name: key, shape }) => [key, shape])),
    ...{ weights: texts(Object.entries(one.weights)), inputs: one.inputs.map(text), gradient: text(one.gradient) },
    ...{ forward: text(forward), learned: texts(weights), back: inputs.map(text) },
  };
}

/** What a checkpoint's network makes of N pictures, by both kernels, and its gradient: that of the sum of products with `gradient`. */
function network({ folder, x, t, labels, gradient }) {
  const raw = JSON.parse(readFileSync(join(folder, "config.json"), "utf-8"));
  const config = completeUnet(raw, raw._class_name);
  const { buffer } = Uint8Array.from(readFileSync(join(folder, "diffusion_pytorch_model.safetensors")));
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const shapes = Object.entries(header).map(([name, { shape }]) => [name, shape]);
  const weights = new Weights(buffer, "");
  const memory = new Memory(kernel);
  const parameters = new Parameters(memory, shapes);
  const layers = new BatchLayers(memory, parameters, N);
  const unet = layers.unet(config);
  parameters.put(shapes.map(([name, shape]) => [name, weights.take(name, ...shape)]));

  const pictures = numbers(x);
  layers.begin();
  const alone = unet.network(pictures, t, labels);
  const out = unet.forward(pictures, t, labels);
  const forward = layers.read(out);
  layers.back(out, numbers(gradient));
  layers.end();
  const one = new UNet(new Layers(new Memory(single), new Weights(buffer, "")), config);
  const size = pictures.length / N;
  const kernels = t.flatMap((time, j) => [
    ...one.network(pictures.subarray(j * size, (j + 1) * size), time, labels?.[j]),
  ]);
  return {
    ...{ forward: text(forward), alone: text(alone), kernel: text(Float32Array.from(kernels)) },
    ...{ learned: texts(parameters.split(parameters.gradients)), memory: 4 * memory.f.length },
  };
}

const [, , asked, answered] = process.argv;
const { networks } = JSON.parse(readFileSync(asked, "utf-8"));
const layers = Object.fromEntries(Object.keys(LAYERS).map((name) => [name, layer(name)]));
writeFileSync(answered, JSON.stringify({ layers, networks: networks.map(network) }));
