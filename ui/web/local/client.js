// The client of a page without a server: the models compute in a worker of this browser, which begins when it is needed.

import { token } from "../messages/client.js";
import { isEnd } from "../run/stream.js";
import { Catalogue } from "../words/catalogue.js";
import { SAME } from "../words/units.js";
import { kept } from "./files/store.js";
import { said } from "./known.js";

/** @import { Given } from "../app.js" */
/** @import { Client, Values } from "../messages/client.js" */
/** @import { RunMessage } from "../messages/protocol.d.ts" */

const LATER = 5000; // ms after which the page is kept for a visit without a network
const PATIENCE = 3000; // ms in which the worker answers who stops or replaces a run; otherwise another one begins
const CUT = "Stopped in the middle of a step: these pictures can't be saved.";
const INTERRUPTED = "This was interrupted, because a run had to be stopped: try again.";
const BROKEN = "This browser could not start what computes here: try a newer one, or the installed lab.";

/** Let the browser forget the models that it keeps. */
async function forget() {
  await globalThis.caches?.delete(kept(document.baseURI));
  return "The cache is empty: models are loaded anew.";
}

/**
 * A question on its way. said: the last message of a run.
 * @typedef {{ question: Values, take: (answer: any) => void, said?: RunMessage<any> }} Waiting
 */

/** @param {Given} given @returns {Client} */
export function connect({ knowledge, forms, first, known, words, models, device }) {
  /** By its number. @type {Map<number, Waiting>} */
  const waiting = new Map();
  /** The newest run of each part. @type {Map<string, number>} */
  const newest = new Map();
  let last = 0;
  let broken = false;
  /** @type {Worker | null} */
  let worker = null;
  /** Checkpoints that the worker was told to load. @type {Set<string>} */
  const near = new Set();

  function start() {
    near.clear();
    const made = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    made.addEventListener("message", ({ data: { id, answer } }) => heard(id, answer));
    made.addEventListener("error", (event) => {
      console.error(event.message);
      broken = true;
      for (const id of [...waiting.keys()]) heard(id, { error: BROKEN });
    });
    const folder = new URL(knowledge ?? "", document.baseURI).href;
    const { hardwareConcurrency: cores, deviceMemory: memory, userAgentData } = /** @type {any} */ (navigator);
    const machine = { cores, memory, mobile: userAgentData?.mobile };
    const learned = known && { [first]: known };
    made.postMessage({ verb: "begin", folder, base: document.baseURI, forms, machine, known: learned });
    return made;
  }

  /** What the page keeps for later, more than it needs now, comes after what it needs. */
  async function keep() {
    if (worker) await ask("engine", "quiet", {});
    await navigator.serviceWorker?.register(new URL("sw.js", document.baseURI)).catch(() => {});
  }

  /**
   * What the worker would say before it has loaded anything; null where it has begun, or where only it knows.
   * @param {string} part @param {string} what @param {Values} values
   */
  function early(part, what, values) {
    if (worker || !known) return null;
    if (what === "models") return { models, device, known: true };
    if (what === "facts" && values.ref === first && !values.pictures)
      return said(first, known, null, new Catalogue(words).isOwn(first), 0);
    const chosen = forms[part]?.flatMap(({ kind, name }) => (kind === "reference" ? String(values[name] ?? "") : []));
    const isFirst = what === "cost" && chosen?.every((ref) => ["", SAME, first].includes(ref));
    return isFirst ? { seconds: null, missing: [], device: "CPU", busy: false } : null;
  }

  /** @param {Values} question @param {(answer: any) => void} take */
  function wait(question, take) {
    waiting.set(++last, { question, take });
    return last;
  }

  /** @param {number} id @param {any} answer one of many messages, for a run */
  function heard(id, answer) {
    const one = waiting.get(id);
    if (!one) return;
    const ends = one.question.verb !== "run" || answer.error || isEnd(answer.state);
    if (ends) waiting.delete(id);
    else one.said = answer;
    one.take(answer);
  }

  /** @param {Values} question @param {(answer: any) => void} take */
  function send(question, take) {
    const id = wait(question, take);
    worker ??= start();
    if (broken) heard(id, { error: BROKEN });
    else worker.postMessage({ ...question, id });
    return id;
  }

  /** End the worker, and begin another one, unless it answers soon: it is within a step that takes long. @param {number} id */
  function insist(id) {
    setTimeout(() => {
      const one = waiting.get(id);
      if (!one || one.said || broken) return;
      worker?.terminate();
      const left = [...waiting.values()];
      waiting.clear();
      worker = start();
      for (const { question, take, said } of left) {
        const { verb, what, part } = question;
        if (said) take({ ...said, seq: said.seq + 1, state: "stopped", text: CUT, left: null, results: [] });
        else if (verb === "run") newest.set(String(part), send(question, take));
        else take(what === "stop" ? {} : { error: INTERRUPTED });
      }
    }, PATIENCE);
  }

  /** @param {string} part @param {string} what @param {any} values @returns {Promise<any>} */
  const ask = (part, what, values) =>
    new Promise((resolve) => {
      const answer = early(part, what, values);
      if (answer) return resolve(answer);
      const id = send({ verb: "ask", part, what, values }, resolve);
      if (what === "stop") insist(id);
    });

  setTimeout(keep, LATER);
  return {
    session: token(),
    ask,
    near(refs, fetch = false) {
      const fresh = fetch ? refs : refs.filter((ref) => !near.has(ref));
      if (!fresh.length || /** @type {any} */ (navigator).connection?.saveData) return;
      send({ verb: "ask", part: "engine", what: "near", values: { refs: fresh, fetch } }, () => {});
      for (const ref of fresh) near.add(ref);
    },
    run(part, values, take, lost) {
      let listens = true;
      const before = waiting.has(newest.get(part) ?? 0);
      const id = send({ verb: "run", part, values }, (got) => {
        if (!listens) end(got);
        else got.error ? lost(got.error) : take(got);
      });
      newest.set(part, id);
      if (before) insist(id);
      /** A sketch that is left ends, but not while it loads a model, which a run may wait for. @param {any} said its newest message */
      const end = (said) => {
        const question = { verb: "ask", part: "engine", what: "stop", values: { run: said?.run } };
        if (part === "sketch" && said?.state === "running") send(question, () => {});
      };
      return () => {
        listens = false;
        end(waiting.get(id)?.said);
      };
    },
    kept: (run) => ask("engine", "kept", { run }),
    items: [{ title: "Empty the cache of models", apart: true, save: forget }],
  };
}
