// Saves a file of a run: the engine keeps the numbers of the run, the page makes the file, and the browser saves it.

import { SHARE } from "../words/page.js";
import { download } from "./share.js";

/** @import { Panel } from "./panel.js" */

const BREATH = 30; // ms of work on a file, after which the page may handle other events
const LONG = 2000; // ms after which the page shows the progress of a file
const FETCHED = 60_000; // ms after which the file's address is released; the browser has read the file by then

/**
 * Save a file of a run.
 * @param {Panel<any>} panel @param {string} kind of file @param {(text: string) => void} say shows the progress
 * @returns {Promise<string>} a sentence: what was saved, or why the engine no longer has the run. Throws a UserError if
 * this run has no file of this kind.
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

/**
 * Give the browser a file to save. Returns a sentence for the visitor.
 * @param {string} name @param {BlobPart} content
 */
export function give(name, content) {
  const address = URL.createObjectURL(new Blob([content]));
  setTimeout(() => URL.revokeObjectURL(address), FETCHED);
  return download(address, name);
}

/**
 * Return a function that a long task calls often. The function lets the page handle events, and shows the progress.
 * @param {(text: string) => void} say shows a text @returns {import("../files/file.d.ts").Rest}
 */
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
