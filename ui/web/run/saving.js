// How a file of a run is saved: the engine keeps the numbers of the run, the page makes the file, the browser saves it.

import { SHARE } from "../words/page.js";
import { download } from "./share.js";

/** @import { Panel } from "./panel.js" */

const BREATH = 30; // ms of making a file, before the page gets a turn and can answer the visitor
const LONG = 2000; // ms after which the page says how far the file is
const FETCHED = 60_000; // ms after which the browser has surely fetched the file

/**
 * Save a file of a run.
 * @param {Panel<any>} panel @param {string} kind @param {(text: string) => void} say
 * @returns {Promise<string>} a sentence: what was saved, or why the engine no longer has it. Throws a UserError if no such file can be
 *   made of this run.
 */
export async function save({ page, part, stream, connection }, kind, say) {
  const { plan } = connection;
  const kept = await page.client.kept(stream.run);
  if (kept.error !== undefined) return kept.error;
  const { files } = await page.knowledge.plansOf(part);
  if (!files) throw new Error(`${part} has no files`);
  const { save } = await files();
  const [name, content] = await save(kind, { ...kept, plan }, page.knowledge.catalogue, pauses(say));
  return give(name, content);
}

/** Give the browser a file to save. Returns a sentence that says so. @param {string} name @param {BlobPart} content */
export function give(name, content) {
  const address = URL.createObjectURL(new Blob([content]));
  setTimeout(() => URL.revokeObjectURL(address), FETCHED);
  return download(address, name);
}

/** Make a function that gives the page a turn between two pieces of a long task. @param {(text: string) => void} say @returns {import("../files/file.d.ts").Rest} */
export function pauses(say) {
  const began = performance.now();
  let last = began;
  return async (done, all) => {
    if (performance.now() < last + BREATH) return;
    if (performance.now() > began + LONG) say(SHARE.made(done, all));
    await new Promise((resolve) => setTimeout(resolve));
    last = performance.now();
  };
}
