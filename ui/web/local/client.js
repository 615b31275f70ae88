// The client of a page without a server: the models compute in a worker of this browser.
import { token } from "../shared/run/client.js";
import { kept } from "./files/store.js";

/** @import { Given } from "../app.js" */
/** @import { Client, Values } from "../shared/run/client.js" */

const BROKEN = "This browser could not start what computes here: try a newer one, or the installed lab.";

/** Let the browser forget the models that it keeps. */
async function forget() {
  await globalThis.caches?.delete(kept(document.baseURI));
  return "The cache is empty: models are loaded anew.";
}

/** @param {Given} given @returns {Client} */
export function connect({ knowledge }) {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  /** What waits for an answer, by its number; a run waits for many. @type {Map<number, (answer: any) => void>} */
  const waiting = new Map();
  let last = 0;
  let broken = false;
  /** @param {Values} question @param {(answer: any) => void} take @param {boolean} [once] one answer comes */
  function send(question, take, once = true) {
    const id = ++last;
    /** @param {any} answer */
    const answered = (answer) => {
      if (once) waiting.delete(id);
      take(answer);
    };
    waiting.set(id, answered);
    if (broken) answered({ error: BROKEN });
    else worker.postMessage({ ...question, id });
    return id;
  }
  /** @param {Values} question @returns {Promise<any>} */
  const ask = (question) => new Promise((resolve) => send(question, resolve));
  worker.addEventListener("message", ({ data: { id, answer } }) => waiting.get(id)?.(answer));
  worker.addEventListener("error", (event) => {
    console.error(event.message);
    broken = true;
    for (const take of waiting.values()) take({ error: BROKEN });
  });
  // What the page keeps for later, more than it needs now, comes after what it needs.
  const keep = () => navigator.serviceWorker?.register(new URL("sw.js", document.baseURI)).catch(() => {});
  send({ verb: "begin", folder: new URL(knowledge ?? "", document.baseURI).href, base: document.baseURI }, keep);
  return {
    session: token(),
    ask: (part, what, values = {}) => ask({ verb: "ask", part, what, values }),
    run(part, values, take, lost) {
      const heard = send({ verb: "run", part, values }, (got) => (got.error ? lost(got.error) : take(got)), false);
      return () => waiting.delete(heard);
    },
    upload: (file) => ask({ verb: "upload", file }),
    file: (path) => path, // of a blob
    items: [{ title: "Empty the cache of models", save: forget }],
  };
}
