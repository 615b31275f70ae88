import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchLayers } from "../network/batch_layers.js";
import { completeUnet } from "../network/config.js";
import { Memory } from "../network/kernel.js";
import { Parameters } from "../network/parameters.js";
import { kernel, LAYERS, Layer, N, random } from "./local/layers.mjs";

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const norm = (a) => Math.sqrt(dot(a, a));

for (const name of Object.keys(LAYERS))
  test(`the gradient of ${name} is that of small differences`, () => {
    const layer = new Layer(name);
    const { weights, inputs } = layer.gradients();
    const next = random(3);
    /** Compare a gradient with the differences along a direction. */
    function check(gradient, numbers, moved, about) {
      const direction = numbers.map(next);
      const [over, under] = [0.01, -0.01].map((by) => {
        const found = layer.evaluate(moved(numbers.map((value, i) => value + by * direction[i])));
        return dot(layer.gradient, found);
      });
      const found = dot(gradient, direction);
      // float32 leaves some 1e-5 of the sum, and the curvature 1e-4; a wrong gradient differs by its own size.
      assert.ok(
        Math.abs((over - under) / 0.02 - found) <= 2e-3 * norm(gradient),
        `${about}: ${(over - under) / 0.02}, not ${found}`,
      );
    }
    for (const [key, numbers] of Object.entries(layer.weights))
      check(weights.get(key), numbers, (other) => ({ weights: { ...layer.weights, [key]: other } }), key);
    for (const [i, numbers] of layer.inputs.entries())
      check(inputs[i], numbers, (other) => ({ inputs: layer.inputs.with(i, other) }), `input ${i}`);
  });

/** A convolution, with what a step needs. */
function small() {
  const memory = new Memory(kernel);
  const parameters = new Parameters(memory, Object.entries({ "a.weight": [4, 4, 3, 3], "a.bias": [4] }));
  const layers = new BatchLayers(memory, parameters, N);
  const conv = layers.conv("a", 4, 4);
  parameters.finish();
  const next = random(5);
  parameters.put([["a.weight", Float32Array.from({ length: 144 }, next)]]);
  const pictures = [0, 1].map(() => Float32Array.from({ length: N * 100 }, next));
  /** The gradient of a step over some batches. */
  function step(batches) {
    layers.begin();
    for (const batch of batches) {
      const out = conv(layers.imageOf(batch, 4, 5, 5));
      layers.back(out, layers.read(out));
    }
    layers.end();
    return parameters.gradients.slice();
  }
  return { memory, parameters, layers, conv, pictures, step };
}

test("a step's gradient is the sum over its batches, and no step leaves anything to the next", () => {
  const { pictures, step } = small();
  const [one, other, both] = [[pictures[0]], [pictures[1]], pictures].map(step);
  const apart = both.map((value, i) => value - one[i] - other[i]);
  assert.ok(norm(apart) <= 1e-6 * norm(both));
  assert.deepEqual(step(pictures), both);
});

test("an evaluation between forward and back changes nothing", () => {
  const { layers, conv, pictures, parameters, step } = small();
  const expected = step([pictures[0]]);
  layers.begin();
  const out = conv(layers.imageOf(pictures[0], 4, 5, 5));
  const { top } = layers.m;
  const found = layers.evaluate(() => layers.read(conv(layers.imageOf(pictures[1], 4, 5, 5))));
  assert.equal(found.length, N * 100);
  assert.equal(layers.m.top, top);
  layers.back(out, layers.read(out));
  layers.end();
  assert.deepEqual(parameters.gradients.slice(), expected);
});

test("steps take no more memory than the first", () => {
  const { memory, layers, conv, pictures, step } = small();
  step(pictures);
  const { top, f } = memory;
  step(pictures);
  conv(layers.imageOf(pictures[0], 4, 5, 5));
  layers.forget();
  assert.equal(memory.top, top);
  assert.equal(memory.f, f);
});

test("parameters lie in their order, and know their names", () => {
  const { parameters } = small();
  const numbers = Float32Array.from({ length: parameters.size }, (_, i) => i);
  const split = parameters.split(numbers);
  assert.deepEqual([...split.keys()], ["a.weight", "a.bias"]);
  assert.deepEqual([...split.get("a.bias")], [144, 145, 146, 147]);
  parameters.put(split);
  assert.deepEqual(parameters.weights, numbers);
  assert.throws(() => parameters.put([["a.bias", [1]]]), /a\.bias has 4 numbers, not 1/);
  assert.throws(() => parameters.take("a.bias", 5), /a\.bias has shape 4, not 5/);
  const more = new Parameters(new Memory(kernel), [["b", [3]]]);
  assert.throws(() => more.finish(), /no layer has b/);
});

const CONFIG = {
  ...{ sample_size: 8, in_channels: 1, out_channels: 1, layers_per_block: 1, block_out_channels: [8, 16] },
  ...{
    down_block_types: ["DownBlock2D", "DownBlock2D"],
    up_block_types: ["UpBlock2D", "UpBlock2D"],
    norm_num_groups: 4,
  },
};

for (const [change, said] of [
  [{ act_fn: "gelu" }, "act_fn is gelu: a network learns here only with silu"],
  [{ dropout: 0.1 }, "dropout is 0.1: a network learns here only with 0"],
  [{ mid_block_scale_factor: 2 }, "mid_block_scale_factor is 2: a network learns here only with 1"],
  [{ block_out_channels: [8, 18] }, "block_out_channels has 18: a network learns here only with multiples of 4"],
])
  test(`a network that can't learn gets a sentence: ${said}`, () => {
    const memory = new Memory(kernel);
    const layers = new BatchLayers(memory, new Parameters(memory, []), N);
    const config = completeUnet({ ...CONFIG, ...change }, "UNet2DModel");
    assert.throws(() => layers.unet(config), { name: "Error", message: said });
  });

test("a network of words can't learn", () => {
  const memory = new Memory(kernel);
  const layers = new BatchLayers(memory, new Parameters(memory, []), N);
  const said = /^a UNet2DConditionModel can't learn here, only a UNet2DModel can$/;
  assert.throws(() => layers.unet({ _class_name: "UNet2DConditionModel" }), { message: said });
});
