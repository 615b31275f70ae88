// Answers to tests/page/test_local_network.py: node network.mjs CASES.json ANSWERS.json, arrays as base64 of their float32.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LIMITS } from "../../network/config.js";
import { compile } from "../../network/kernel.js";
import { load } from "../../network/model.js";
import { insideOf, openLanes } from "../../network/surgery.js";
import { sideBySide } from "../../process/runs.js";
import { numbers, packed, probed, text } from "./probes.mjs";

const kernel = await compile(readFileSync(new URL("../../network/kernel.wasm", import.meta.url)));

/** @param {string} folder */
const reader = (folder) => async (/** @type {string} */ path) => {
  const file = join(folder, path);
  return existsSync(file) ? Uint8Array.from(readFileSync(file)).buffer : null;
};

/** The steps of lanes with their surgery, and what each has shown. */
async function run(model, { seeds, lanes }) {
  const { lanes: ready, taps } = openLanes(lanes.map((lane) => ({ ...lane, model })));
  const steps = [];
  for await (const { lane, image, step } of sideBySide(seeds, ready))
    steps.push({ lane, image, x: text(step.x), taps: taps(lane, seeds[image]).map(packed) });
  return steps;
}

/** What a model says of itself, and what it makes of some inputs. */
async function answer({ limits, folder, evaluations = [], probes = [], latents = [], prompts = [], runs = [] }) {
  if (limits) return LIMITS;
  try {
    const model = await load(reader(folder), "here", kernel);
    const { network, decode, words, beta, alphaBar, ...spec } = model;
    const condition = ({ label = null, prompt = null }) => (prompt === null ? label : words(prompt));
    return {
      spec: { ...spec, last: [beta.at(-1), alphaBar.at(-1)], inside: insideOf(spec.config) },
      states: prompts.map((prompt) => text(words(prompt))),
      decoded: latents.map((z) => text(decode(numbers(z)))),
      outputs: evaluations.map((one) => text(network(numbers(one.x), one.t, condition(one)))),
      runs: await Promise.all(runs.map((one) => run(model, one))),
      probed: await Promise.all(probes.map((one) => probed(model, condition(one), one))),
    };
  } catch (error) {
    return { error: error.message };
  }
}

const [, , asked, answered] = process.argv;
const answers = [];
for (const one of JSON.parse(readFileSync(asked, "utf-8"))) answers.push(await answer(one));
writeFileSync(answered, JSON.stringify(answers));
