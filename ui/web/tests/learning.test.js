// A training: what is drawn, what is learned, and how it is led. The networks are small; tests/page/test_learning.py compares
// their steps with those of the trainer in Python.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { uniforms } from "../learning/draws.js";
import { Learner } from "../learning/learner.js";
import { ndtr, Objective } from "../learning/objective.js";
import { learningRate } from "../learning/optimisers.js";
import { configOf, stepsOf, TIMES } from "../learning/recipe.js";
import { initialWeights, learnedWeights, lengthOf, shapesOf } from "../learning/shapes.js";
import { measureRate, Training, workersFor } from "../learning/training.js";
import { compile } from "../network/kernel.js";
import { Weights } from "../network/weights.js";
import { NodeWorker } from "./node_worker.mjs";

const RECIPE = {
  ...{ prediction: "v", times: "lognormal", weight: "", schedule: "linear", widths: [8, 16], lr: 3e-3, batch: 16 },
  ...{ average: 0.999, dropout: 0.1, images: 6 * 16, seed: 7, starts: false },
};
const SIDE = 8;
const COUNT = 20;
/** Pictures of two classes: bright above, and bright below. */
const PICTURES = {
  ...{ kind: "own", count: COUNT, side: SIDE, channels: 1, classes: ["above", "below"] },
  labels: Uint16Array.from({ length: COUNT }, (_, i) => i % 2),
  images: Uint8Array.from({ length: COUNT * SIDE * SIDE }, (_, i) => {
    const [picture, row] = [Math.floor(i / (SIDE * SIDE)), Math.floor(i / SIDE) % SIDE];
    return row < SIDE / 2 === (picture % 2 === 0) ? 200 + (i % 50) : i % 40;
  }),
  originals: new Uint8Array(),
};

/** A training that ends with its test. */
function begun(t, { lanes = [{}], ...how } = {}) {
  const workers = [];
  const start = () => {
    workers.push(new NodeWorker());
    return workers.at(-1);
  };
  const recipes = lanes.map((lane) => ({ ...RECIPE, ...lane }));
  const training = new Training(PICTURES, recipes, { workers: 1, start, ...how });
  const news = [];
  training.onNews = (one) => news.push({ ...one, state: training.state });
  t.after(() => Promise.all(workers.map((worker) => worker.terminate())));
  return { training, news, workers };
}

/** A promise of the end of a training. */
async function over({ training, news }) {
  const { onNews } = training;
  await new Promise((resolve) => {
    training.onNews = (one) => {
      onNews(one);
      if (training.isOver) resolve(null);
    };
    training.start();
  });
  return news.filter(({ kind }) => kind === "step").map(({ losses }) => losses);
}

/** How far weights are apart, as a share of what they are. */
function apart(one, other) {
  const pairs = [...one].flatMap(([name, values]) => Array.from(values, (v, i) => [v, other.get(name)[i]]));
  const size = (numbers) => Math.hypot(...numbers);
  return size(pairs.map(([a, b]) => a - b)) / size(pairs.map(([a]) => a));
}

const WIDE = { ...RECIPE, widths: [16, 32, 64] };
const DIGITS = { side: 28, channels: 1, labels: new Uint16Array(), classes: [..."0123456789"] };
const published = () =>
  readFileSync(new URL("../../../checkpoints/mnist-tiny/diffusion_pytorch_model.safetensors", import.meta.url));

test("the tensors are those of a published model", () => {
  const file = published();
  const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))));
  const shapes = shapesOf(configOf(WIDE, DIGITS)["config.json"]);
  const known = Object.entries(header).filter(([name]) => name !== "__metadata__");
  assert.deepEqual(Object.fromEntries(shapes), Object.fromEntries(known.map(([name, { shape }]) => [name, shape])));
});

test("a network without classes goes on from a published one without a label", () => {
  const [withClasses, without] = [DIGITS, { ...DIGITS, labels: null }].map((pictures) => {
    const shapes = shapesOf(configOf(WIDE, pictures)["config.json"]);
    return learnedWeights(new Weights(new Uint8Array(published()).buffer, "mnist-tiny"), shapes, 10);
  });
  assert.equal(withClasses.get("class_embedding.weight").length, 11 * 64);
  const [bias, none] = [withClasses.get("time_embedding.linear_2.bias"), withClasses.get("class_embedding.weight")];
  assert.equal(without.get("time_embedding.linear_2.bias")[3], Math.fround(bias[3] + none[10 * 64 + 3]));
  assert.deepEqual(without.get("conv_in.weight"), withClasses.get("conv_in.weight"));
  assert.equal(without.has("class_embedding.weight"), false);
});

test("a network begins with Glorot's weights, and as the identity", () => {
  const shapes = shapesOf(configOf(RECIPE, PICTURES)["config.json"]);
  const weights = initialWeights(shapes, 7);
  for (const [name, values] of weights) {
    assert.equal(values.length, lengthOf(shapes.get(name)));
    const squares = values.reduce((sum, v) => sum + v * v, 0);
    if (/bias|conv2\.|to_out|conv_out/.test(name)) assert.equal(squares, 0, name);
  }
  const kernel = weights.get("mid_block.resnets.0.conv1.weight");
  const bound = Math.sqrt(6 / (32 * 9));
  assert.ok(kernel.every((v) => Math.abs(v) <= bound));
  const mean = kernel.reduce((sum, v) => sum + v * v, 0) / kernel.length;
  assert.ok(Math.abs(mean - bound ** 2 / 3) < 0.03 * bound ** 2, `${mean}`); // 2304 numbers: 3 % are four standard errors
  assert.deepEqual(initialWeights(shapes, 7), weights);
  assert.notDeepEqual(initialWeights(shapes, 8), weights);
});

test("the normal distribution is known to float64's accuracy", () => {
  for (const [x, p] of [
    [-5, 2.866515718791939e-7],
    [-1, 0.15865525393145705],
    [0, 0.5],
    [0.3, 0.6179114221889526],
    [3, 0.9986501019683699],
    [20, 1],
  ])
    assert.ok(Math.abs(ndtr(x) - p) < 1e-15, `${x}: ${ndtr(x)}`);
});

test("a time is drawn as often as its probability says", () => {
  const { "scheduler_config.json": scheduler } = configOf(RECIPE, PICTURES);
  const objective = new Objective(RECIPE, scheduler);
  const draws = uniforms(7, "example", 0, 20_000);
  const below = draws.filter((u) => objective.time(u) <= 300).length / draws.length;
  assert.ok(Math.abs(below - objective.times[299]) < 0.015, `${below}`); // four standard errors
  const even = new Objective({ ...RECIPE, times: "uniform" }, scheduler);
  assert.deepEqual(
    [0, 0.5, 1 - 2 ** -24].map((u) => even.time(u)),
    [1, 501, 1000],
  );
  assert.deepEqual(
    [0, 1 - 2 ** -24].map((u) => objective.time(u) >= 1 && objective.time(u) <= 1000),
    [true, true],
  );
});

test("x̂_0 of what a perfect network says is x_0", () => {
  const [x0, eps] = [Float32Array.of(-1, 0.25, 1), Float32Array.of(0.5, -2, 1)];
  for (const prediction of ["epsilon", "x0", "v", "flow"]) {
    const recipe = { ...RECIPE, prediction, schedule: prediction === "flow" ? "flow" : "cosine" };
    const objective = new Objective(recipe, configOf(recipe, PICTURES)["scheduler_config.json"]);
    const xt = objective.noisy(x0, eps, 600);
    const found = objective.x0(objective.target(x0, eps, 600), xt, 600);
    for (let i = 0; i < 3; i++) assert.ok(Math.abs(found[i] - x0[i]) < 1e-5, `${prediction}: ${found}`);
    const less = objective.ddim(xt, x0, 600, 200);
    const expected = objective.noisy(x0, eps, 200);
    for (let i = 0; i < 3; i++) assert.ok(Math.abs(less[i] - expected[i]) < 1e-6, `${prediction}: ${less}`);
  }
});

test("each epoch has every picture once, and some lose their label", async () => {
  const code = await compile(readFileSync(new URL("../network/batch.wasm", import.meta.url)));
  const recipe = { ...RECIPE, dropout: 0.25 };
  const { "config.json": config, "scheduler_config.json": scheduler } = configOf(recipe, PICTURES);
  const rest = { recipe, pictures: PICTURES, config, scheduler, index: 0, workers: 1, seed: 7, learned: null };
  const learner = new Learner(code, { ...rest, weights: initialWeights(shapesOf(config), 7) });
  const examples = Array.from({ length: 30 * COUNT }, (_, number) => learner.example(number));
  const epochs = Array.from({ length: 30 }, (_, i) =>
    examples.slice(i * COUNT, (i + 1) * COUNT).map(({ x0 }) => `${x0}`),
  );
  for (const epoch of epochs) assert.deepEqual(new Set(epoch), new Set(epochs[0]));
  assert.notDeepEqual(epochs[0], epochs[1]);
  const none = examples.filter(({ label }) => label === 2).length / examples.length;
  assert.ok(Math.abs(none - 0.25) < 0.1, `${none}`); // four standard errors
  assert.deepEqual(learner.example(3), examples[3]); // whatever was asked before
});

test("the learning rate rises, and falls slowly in a short training", () => {
  const rates = [0, 49, 100, 999].map((step) => learningRate(RECIPE, step) / RECIPE.lr);
  assert.deepEqual(
    rates.map((rate) => Math.round(100 * rate) / 100),
    [0.02, 1, 0.99, 0],
  );
  assert.equal(stepsOf(RECIPE), 6);
});

test("workers are as many as cores and memory allow, and leave one core free", () => {
  const count = (cores, memory, mobile, widths = [16, 32, 64], side = 28) =>
    workersFor({ widths }, { side }, { cores, memory, mobile });
  assert.deepEqual(
    [1, 2, 3, 4, 5, 16].map((cores) => count(cores, 8, false)),
    [1, 2, 2, 2, 4, 4],
  );
  assert.deepEqual([count(8, 4, true), count(8, undefined, undefined)], [2, 2]);
  assert.deepEqual([count(8, 2, true, [16, 32, 64], 32), count(8, 2, true, [32, 64, 128])], [2, 1]);
});

test("a rate is measured before the first training, and is 0 where nothing can be learned", async (t) => {
  const workers = [];
  t.after(() => Promise.all(workers.map((worker) => worker.terminate())));
  const start = () => {
    workers.push(new NodeWorker());
    return workers.at(-1);
  };
  assert.ok((await measureRate(RECIPE, 2, start)) > 1);
  assert.equal(workers.length, 2);
  assert.equal(await measureRate({ ...RECIPE, widths: [6, 12] }, 1, start), 0); // no multiples of 4
});

test("a training learns, draws, and ends", async (t) => {
  const { training, news } = begun(t, { lanes: [{ images: 40 * 16 }] });
  const losses = (await over({ training, news })).map(([loss]) => loss);
  assert.equal(training.state, "finished");
  assert.equal(losses.length, 40);
  const mean = (part) => part.reduce((a, b) => a + b) / part.length;
  assert.ok(mean(losses.slice(-10)) < 0.8 * mean(losses.slice(0, 10)), `${losses}`);
  const { grid } = news.findLast(({ kind }) => kind === "grid");
  assert.deepEqual([grid.step, grid.images, grid.lanes.length], [40, 640, 1]);
  const [lane] = grid.lanes;
  assert.deepEqual([lane.averaged.length, lane.latest.length], [24 * SIDE * SIDE, 24 * SIDE * SIDE]);
  assert.equal(lane.errors.length, TIMES.length);
  assert.ok(lane.errors[0] < lane.errors[6], `${lane.errors}`);
  const tensors = await training.tensors(0);
  for (const { shape, values } of tensors.values()) assert.equal(values.length, lengthOf(shape));
  assert.notDeepEqual(await training.weights(0), await training.weights(0, false));
});

test("two workers learn what one does", async (t) => {
  const one = begun(t);
  const two = begun(t, { workers: 2 });
  await Promise.all([over(one), over(two)]);
  // A sum over two workers rounds otherwise, by some 2⁻²⁴. Not compared one by one: Adam steps a bias before a normalisation,
  // whose gradient is 0, by the sign of what rounding has left of it.
  assert.ok(apart(await one.training.weights(0, false), await two.training.weights(0, false)) < 1e-6);
});

test("a training that goes on has the same bits as one that was never interrupted", async (t) => {
  const whole = begun(t, { workers: 2 });
  await over(whole);
  const first = begun(t, { workers: 2 });
  const { onNews } = first.training;
  first.training.onNews = (news) => {
    onNews(news);
    if (news.step === 3) first.training.stop();
  };
  await over(first);
  assert.deepEqual([first.training.state, first.training.step], ["stopped", 3]);
  const snapshot = structuredClone(await first.training.snapshot());
  const rest = begun(t, { workers: 2, snapshot });
  await over(rest);
  const [expected, found] = [await whole.training.snapshot(), await rest.training.snapshot()];
  assert.deepEqual(found.lanes, expected.lanes);
  assert.deepEqual(found.history.losses, expected.history.losses);
});

test("two lanes see the same pictures and noise, one after another or side by side", async (t) => {
  const lanes = [{}, {}, { prediction: "epsilon" }];
  const together = begun(t, { lanes: lanes.slice(0, 2) });
  const apartly = begun(t, { lanes: lanes.slice(1), workers: 2 });
  const [same, other] = [await over(together), await over(apartly)];
  for (const [a, b] of same) assert.equal(a, b);
  assert.deepEqual(
    same.map(([a]) => a),
    other.map(([a]) => a),
  );
  assert.ok(other.every(([a, b]) => a !== b));
  const [one, two] = together.training.history.grids.at(-1).lanes;
  assert.deepEqual(one, two);
});

test("a training pauses, goes on and stops after the step under way", async (t) => {
  const { training, news } = begun(t, { lanes: [{ images: 1e6 }] });
  await training.start();
  assert.equal(training.state, "running");
  await training.pause();
  assert.equal(training.state, "paused");
  const { step } = await training.snapshot();
  assert.equal(training.step, step);
  await training.resume();
  assert.equal(training.state, "running");
  await training.stop();
  assert.equal(training.state, "stopped");
  assert.equal((await training.snapshot()).step, training.step);
  assert.deepEqual(
    news.filter(({ kind }) => kind === "state").map(({ state }) => state),
    ["running", "paused", "running", "stopped"],
  );
});

test("a training goes on where no timer fires, as in a hidden page", async (t) => {
  const timers = { setTimeout, setInterval };
  t.after(() => Object.assign(globalThis, timers));
  Object.assign(globalThis, { setTimeout: () => 0, setInterval: () => 0 });
  const { training, news } = begun(t);
  await over({ training, news });
  assert.equal(training.state, "finished");
});

test("a worker that dies ends the training with a sentence", async (t) => {
  const { training, news, workers } = begun(t, { lanes: [{ images: 1e6 }], workers: 2 });
  await training.start();
  const ended = over({ training, news });
  workers[1].kill();
  await Promise.all([ended, assert.rejects(training.snapshot())]); // one that is asked for meanwhile does not wait for ever
  assert.equal(training.state, "failed");
  assert.match(news.find(({ kind }) => kind === "wrong").error, /^The browser ended a part of this training/);
  await assert.rejects(training.snapshot(), /are lost/);
});

test("a loss that is no number ends the training with a sentence", async (t) => {
  const { training, news } = begun(t, { lanes: [{ lr: 1e30 }] });
  await over({ training, news });
  assert.equal(training.state, "failed");
  assert.match(
    news.find(({ kind }) => kind === "wrong").error,
    /^The loss is no number any more: choose a lower learning rate$/,
  );
});
