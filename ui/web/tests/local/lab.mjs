// The worker's lab in node, of a folder that `python -m ui.static` wrote: for tests of it without a browser.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { Run } from "../../local/jobs.js";
import { Lab, natives } from "../../local/lab.js";
import { parts } from "../../local/parts/index.js";
import { natives as uploads } from "../../local/pictures/uploads.js";
import { $, plain, python } from "../../local/python.js";

/** @param {string} folder */
export async function opened(folder) {
  const given = JSON.parse(readFileSync(`${folder}/index.html`, "utf8").match(/id="given">(.*?)<\/script>/s)[1]);
  const load = async (name) => (await import(pathToFileURL(`${folder}/${given.knowledge}/${name}`).href)).translated($);
  await load("translated.js");
  natives();
  await load("later.js");
  uploads();
  const knowledge = JSON.parse(readFileSync(`${folder}/${given.knowledge}/knowledge.json`, "utf8"));
  globalThis.fetch = async (address) => new Response(readFileSync(new URL(address)));
  const read = async (root, path, entry) => {
    if (!entry) return null;
    const bytes = readFileSync(`${folder}/${root}/${path}`);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  };
  const json = (name) => JSON.parse(readFileSync(`${folder}/${given.knowledge}/${name}`, "utf8"));
  const lab = new Lab(knowledge, { read }, json, async () => {});
  for (const ref of knowledge.models) await lab.learn(ref);
  const part = parts(lab);
  const own = {};
  for (const name of ["watch", "compare", "grid", "latents", "repair", "plane"]) own[name] = await part(name);
  return {
    lab,
    describe(part, values) {
      try {
        return plain(own[part].describe(own[part].request(part, python(values))));
      } catch (error) {
        if (error.constructor === TypeError || error.constructor === ReferenceError) throw error;
        return { error: $.module("ui.forms.units").sentence(error) };
      }
    },
    async run(part, values) {
      const messages = [];
      const run = new Run(lab, part, (message) => messages.push(message));
      await run.run(async () => own[part].request(part, python(values)));
      return { messages, run };
    },
  };
}
