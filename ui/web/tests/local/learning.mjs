// Answers to tests/page/test_learning.py: node learning.mjs CASES.json ANSWERS.json, arrays as base64 of their bytes.
import { readFileSync, writeFileSync } from "node:fs";
import { uniforms } from "../../learning/draws.js";
import { Learner } from "../../learning/learner.js";
import { ndtr, Objective } from "../../learning/objective.js";
import { learningRate } from "../../learning/optimisers.js";
import { configOf } from "../../learning/recipe.js";
import { initialWeights, shapesOf } from "../../learning/shapes.js";
import { compile } from "../../network/kernel.js";
import { flat } from "../../process/floats.js";

const [cases, answers] = process.argv.slice(2);
const code = await compile(readFileSync(new URL("../../network/batch.wasm", import.meta.url)));
const floats = (text) => new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
const tensorsOf = (object) => new Map(Object.entries(object).map(([name, text]) => [name, floats(text)]));

function picturesOf({ images, labels, ...rest }) {
  const bytes = Uint8Array.from(Buffer.from(images, "base64"));
  return { kind: "own", images: bytes, labels: labels && Uint16Array.from(labels), originals: bytes, ...rest };
}

/** What a training without workers draws and makes. */
function learned({ recipe, pictures, weights, steps }) {
  const own = picturesOf(pictures);
  const { "config.json": config, "scheduler_config.json": scheduler } = configOf(recipe, own);
  const rest = { recipe, pictures: own, config, scheduler, index: 0, workers: 1, seed: recipe.seed, learned: null };
  const learner = new Learner(code, { ...rest, weights: tensorsOf(weights) });
  const made = Array.from({ length: steps }, (_, step) => {
    const examples = Array.from({ length: recipe.batch }, (_, i) => learner.example(step * recipe.batch + i));
    const { loss } = learner.gradient({ step });
    const { squares } = learner.sum({ parts: [] });
    const gradient = learner.parameters.split(learner.parameters.gradients);
    learner.step({ step, norm: Math.sqrt(squares) });
    const drawn = { x0: flat(examples.map(({ x0 }) => x0)), eps: flat(examples.map(({ eps }) => eps)) };
    const numbers = { t: examples.map(({ t }) => t), labels: examples.map(({ label }) => label) };
    return { loss, norm: Math.sqrt(squares), gradient, ...drawn, ...numbers };
  });
  const { weights: latest, averages } = learner.collect();
  const errors = learner.look({ averages: null }).found.filter((one) => typeof one === "number");
  return { steps: made, latest, averages, errors };
}

const ASKED = {
  learned,
  config: ({ recipe, pictures }) => configOf(recipe, picturesOf(pictures)),
  initial: ({ config, seed }) => initialWeights(shapesOf(config), seed),
  times: ({ recipe, pictures }) =>
    new Objective(recipe, configOf(recipe, picturesOf(pictures))["scheduler_config.json"]).times,
  ndtr: ({ values }) => values.map(ndtr),
  rates: ({ recipe, steps }) => steps.map((step) => learningRate(recipe, step)),
  uniform: ({ seed, number, n }) => uniforms(seed, "example", number, n),
};

const plain = (_, value) => {
  if (value instanceof Map) return Object.fromEntries(value);
  if (!ArrayBuffer.isView(value)) return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
};
const found = JSON.parse(readFileSync(cases)).map(([what, values]) => ASKED[what](values));
writeFileSync(answers, JSON.stringify(found, plain));
