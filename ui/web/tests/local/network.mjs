// Answers to tests/page/test_local_network.py: node network.mjs CASES.json ANSWERS.json, arrays as base64 of their float32.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../local/network/kernel.js";
import { load } from "../../local/network/model.js";

const kernel = await compile(readFileSync(new URL("../../local/network/kernel.wasm", import.meta.url)));
const numbers = (text) => new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
const text = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");

/** @param {string} folder */
const reader = (folder) => async (/** @type {string} */ path) => {
  const file = join(folder, path);
  return existsSync(file) ? Uint8Array.from(readFileSync(file)).buffer : null;
};

/** What a model says of itself, and what it makes of some inputs. */
async function answer({ folder, plain, evaluations = [], latents = [], prompts = [] }) {
  try {
    const model = await load(reader(folder), "here", plain ? null : kernel);
    const { network, decode, words, beta, alphaBar, ...spec } = model;
    return {
      spec: { ...spec, last: [beta.at(-1), alphaBar.at(-1)] },
      states: prompts.map((prompt) => text(words(prompt))),
      decoded: latents.map((z) => text(decode(numbers(z)))),
      outputs: evaluations.map(({ x, t, label = null, prompt = null }) =>
        text(network(numbers(x), t, prompt === null ? label : words(prompt))),
      ),
    };
  } catch (error) {
    return { error: error.message };
  }
}

const [, , asked, answered] = process.argv;
const answers = [];
for (const one of JSON.parse(readFileSync(asked, "utf-8"))) answers.push(await answer(one));
writeFileSync(answered, JSON.stringify(answers));
