// node files.mjs: the files of runs of the server, as the page makes them. Each line of stdin is a run, as JSON: its part and
// values, the kinds of files, the path of what the run keeps, the folder for the files, the words of the page, and what the engine
// answers. Each line of stdout has the name of each file, or why there is none.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { unpacked } from "../../messages/packing.js";
import { formsFor, plansOf } from "../../parts/index.js";
import { UserError } from "../../process/errors.js";
import { Knowledge } from "../../run/knowledge.js";

/** In the place of a browser's: what is written on it is a bar as wide as its letters. */
globalThis.OffscreenCanvas = class {
  constructor(width, height) {
    this.levels = new Uint8ClampedArray(4 * width * height).fill(255);
    this.width = width;
  }
  getContext() {
    const { levels, width } = this;
    return {
      fillRect() {},
      measureText: (text) => ({ width: 8 * text.length }),
      fillText: (text, x, y) =>
        levels.fill(32, 4 * (y * width + x), 4 * (y * width + Math.min(width, x + 8 * text.length))),
      createImageData: (width, height) => ({ data: new Uint8ClampedArray(4 * width * height) }),
      putImageData: ({ data }) => levels.set(data),
      getImageData: () => ({ data: levels }),
    };
  }
};

async function files({ part, values, kinds, kept, out, words, emoji, facts }) {
  const ask = async (_, what, { ref } = {}) =>
    what === "emoji" ? emoji : { ref, count: 1, download: 0, facts: facts[ref] };
  const knowledge = new Knowledge(words, formsFor("mnist-tiny", words.embedded), plansOf, ask);
  const { save } = await (await plansOf(part)).files();
  const said = {};
  for (const kind of kinds) {
    try {
      const found = unpacked(new Uint8Array(readFileSync(kept)));
      const { plan } = await knowledge.order(part, values);
      const [name, content] = await save(kind, { ...found, plan }, knowledge.catalogue, async () => {});
      writeFileSync(join(out, name), new Uint8Array(await new Blob([content]).arrayBuffer()));
      said[kind] = { name };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      said[kind] = { error: error.message };
    }
  }
  return said;
}

for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await files(JSON.parse(line)))}\n`);
