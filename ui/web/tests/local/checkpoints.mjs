// The worker's checkpoints in node, of a folder that `python -m ui.static` wrote: for tests of it without a browser.

import { readFileSync } from "node:fs";
import { Checkpoints } from "../../local/checkpoints.js";
import { Run } from "../../local/jobs.js";
import { Pool } from "../../local/pool.js";
import { formsFor, plansOf } from "../../parts/index.js";
import { UserError } from "../../process/errors.js";
import { Knowledge } from "../../run/knowledge.js";
import { failure } from "../../words/units.js";

/** @param {string} folder */
export async function opened(folder) {
  const given = JSON.parse(readFileSync(`${folder}/index.html`, "utf8").match(/id="given">(.*?)<\/script>/s)[1]);
  const json = async (name) => JSON.parse(readFileSync(`${folder}/${given.knowledge}/${name}`, "utf8"));
  globalThis.fetch = async (address) => new Response(readFileSync(new URL(address)));
  const read = async (root, path, entry) => {
    if (!entry) return null;
    const bytes = readFileSync(`${folder}/${root}/${path}`);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  };
  const checkpoints = new Checkpoints(await json("knowledge.json"), { read, has: async () => false }, json);
  const pool = new Pool(checkpoints);
  const questions = {
    facts: async ({ ref }) => {
      await checkpoints.learn(ref);
      return checkpoints.answer(ref);
    },
    emoji: () => json("emoji.json"),
    pace: ({ refs }) => ({
      ...{ paces: Object.fromEntries(refs.map((ref) => [ref, { seconds: [], flop: null, download: 0 }])) },
      ...{ device: "CPU", busy: false, tflop: null },
    }),
  };
  /** As the worker answers the page. */
  const ask = async (_, what, values) => {
    try {
      return await questions[what](values);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { error: failure(error) };
    }
  };
  const forms = formsFor(given.first, checkpoints.knowledge.models);
  const knowledge = new Knowledge(given.words, forms, plansOf, ask);
  return {
    checkpoints,
    async describe(name, values) {
      const said = await knowledge.describe(name, values);
      return said.order ? { ...said, ...(await knowledge.scripts(name, said.order.plan)) } : said;
    },
    async run(name, values) {
      const messages = [];
      const { plan } = await knowledge.order(name, values);
      const run = new Run(pool, name, plan, (message) => messages.push(message));
      await run.run(async () => (await import(`../../parts/${name}/compute.js`)).computation);
      return { messages, run };
    },
  };
}
