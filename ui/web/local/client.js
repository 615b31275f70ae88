// The client of a page without a server: the models compute in a worker of this browser, which begins when it is needed. A page
// with a server has one beside it, for what needs no model.
import { token } from "../messages/client.js";
import { isEnd } from "../run/stream.js";
import { Catalogue } from "../words/catalogue.js";
import { factsAnswer } from "./facts.js";
import { cacheName } from "./files/store.js";

/** @import { Given } from "../app.js" */
/** @import { Client, Values } from "../messages/client.js" */
/** @import { RunMessage } from "../messages/protocol.d.ts" */

const LATER = 5000; // ms after which the page is kept for a visit without a network
const PATIENCE = 3000; // ms that the worker has to answer when a run is stopped or replaced; after that another worker begins
const INTERRUPTED = "This was interrupted, because a run had to be stopped: try again.";
const BROKEN = "This browser could not start what computes here: try a newer one, or the installed lab.";

/** Let the browser forget the models that it keeps. */
async function forget() {
  await globalThis.caches?.delete(cacheName(document.baseURI));
  return "The cache is empty: models are loaded anew.";
}

/**
 * A question on its way; `last` is the last message of a run.
 * @typedef {{ question: Values, take: (answer: any) => void, last?: RunMessage<any> }} Waiting
 */

/** @param {Given} given @returns {Client} */
export const connect = (given) => new BrowserClient(given);

class BrowserClient {
  session = token();
  items = [{ title: "Empty the cache of models", apart: true, save: forget }];
  /** The questions that wait for an answer, by their numbers. @type {Map<number, Waiting>} */
  #waiting = new Map();
  /** The newest run of each part. @type {Map<string, number>} */
  #newest = new Map();
  #count = 0; // counts the questions
  #isBroken = false;
  /** @type {Worker | null} */
  #worker = null;
  /** Checkpoints that the worker was told to load. @type {Set<string>} */
  #near = new Set();

  /** @param {Given} given */
  constructor(given) {
    this.given = given;
    if (given.knowledge) setTimeout(() => this.#keep(), LATER);
  }

  // --- What the page calls

  /** @type {import("../messages/client.js").Ask} */
  ask = (/** @type {[string, string, any]} */ ...question) => this.#ask(...question);

  /** @param {string | null} run */
  kept(run) {
    return this.#ask("engine", "kept", { run });
  }

  /** @param {string[]} refs */
  near(refs, fetch = false) {
    const fresh = fetch ? refs : refs.filter((ref) => !this.#near.has(ref));
    if (!fresh.length || /** @type {any} */ (navigator).connection?.saveData) return;
    this.#send({ verb: "ask", part: "engine", what: "near", values: { refs: fresh, fetch } }, () => {});
    for (const ref of fresh) this.#near.add(ref);
  }

  /** @type {Client["run"]} */
  run(order, take, lost) {
    const { part } = order;
    let listens = true;
    const before = this.#waiting.has(this.#newest.get(part) ?? 0);
    const { plan = null, from = null } = "plan" in order ? order : {};
    const id = this.#send({ verb: "run", part, plan, from }, (answer) => {
      if (!listens) this.#leave(part, answer);
      else answer.error ? lost(answer.error) : take(answer);
    });
    this.#newest.set(part, id);
    if (before) this.#insist(id);
    return () => {
      listens = false;
      this.#leave(part, this.#waiting.get(id)?.last);
    };
  }

  /** End a sketch that is left, but not while it loads a model, which a run may wait for. @param {string} part @param {any} message its newest one */
  #leave(part, message) {
    const question = { verb: "ask", part: "engine", what: "stop", values: { run: message?.run } };
    if (part === "sketch" && message?.state === "running") this.#send(question, () => {});
  }

  /**
   * What the worker would say before it has loaded anything; null where it has begun, or where only it knows.
   * @param {string} what @param {Values} values
   */
  #early(what, values) {
    const { first, known, words, models, device } = this.given;
    if (this.#worker || !known) return null;
    if (what === "models") return { models, device, known: true };
    if (what === "facts" && values.ref === first && !values.pictures)
      return factsAnswer(first, known, null, new Catalogue(words).isOwn(first), 0);
    const isFirst = what === "pace" && /** @type {string[]} */ (values.refs).every((ref) => ref === first);
    if (!isFirst) return null;
    const paces = { [first]: { seconds: [], flop: null, download: 0 } };
    return { paces, device: "CPU", busy: false, tflop: null, workers: 1 };
  }

  // --- The worker

  /** @param {string} part @param {string} what @param {any} values @returns {Promise<any>} */
  #ask(part, what, values) {
    return new Promise((resolve) => {
      const answer = this.#early(what, values);
      if (answer) return resolve(answer);
      const id = this.#send({ verb: "ask", part, what, values }, resolve);
      if (what === "stop") this.#insist(id);
    });
  }

  #start() {
    this.#near.clear();
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data: { id, answer } }) => this.#hear(id, answer));
    worker.addEventListener("error", (event) => {
      console.error(event.message);
      this.#isBroken = true;
      for (const id of [...this.#waiting.keys()]) this.#hear(id, { error: BROKEN });
    });
    const { knowledge, first, known, words } = this.given;
    const folder = knowledge && new URL(knowledge, document.baseURI).href;
    const { hardwareConcurrency: cores, deviceMemory: memory, userAgentData } = /** @type {any} */ (navigator);
    const machine = { cores, memory, mobile: userAgentData?.mobile };
    const learned = known && { [first]: known };
    worker.postMessage({ verb: "begin", folder, base: document.baseURI, words, machine, known: learned });
    return worker;
  }

  /** @param {number} id @param {any} answer one of many messages, for a run */
  #hear(id, answer) {
    const asked = this.#waiting.get(id);
    if (!asked) return;
    const ends = asked.question.verb !== "run" || answer.error || isEnd(answer.state);
    if (ends) this.#waiting.delete(id);
    else asked.last = answer;
    asked.take(answer);
  }

  /** @param {Values} question @param {(answer: any) => void} take */
  #send(question, take) {
    const id = ++this.#count;
    this.#waiting.set(id, { question, take });
    this.#worker ??= this.#start();
    if (this.#isBroken) this.#hear(id, { error: BROKEN });
    else this.#worker.postMessage({ ...question, id });
    return id;
  }

  /** End the worker, and begin another one, unless it answers soon: it is within a step that takes long. @param {number} id */
  #insist(id) {
    setTimeout(() => {
      const asked = this.#waiting.get(id);
      if (!asked || asked.last || this.#isBroken) return;
      this.#worker?.terminate();
      const left = [...this.#waiting.values()];
      this.#waiting.clear();
      this.#worker = this.#start();
      for (const one of left) this.#resume(one);
    }, PATIENCE);
  }

  /** Ask a question of the ended worker again, or report that its run was cut off. @param {Waiting} waiting */
  #resume({ question, take, last }) {
    const { verb, what, part } = question;
    /** @type {Partial<RunMessage<any>>} */
    const cut = { state: "stopped", status: { kind: "cut" }, text: "", left: null, results: [] };
    if (last) take({ ...last, seq: last.seq + 1, ...cut });
    else if (verb === "run") this.#newest.set(String(part), this.#send(question, take));
    else take(what === "stop" ? {} : { error: INTERRUPTED });
  }

  /** Keep the page for later, which is more than it needs now: after what it needs. */
  async #keep() {
    if (this.#worker) await this.#ask("engine", "quiet", {});
    const register = navigator.serviceWorker?.register(new URL("sw.js", document.baseURI));
    await register?.catch((error) => console.warn("The page will not open without a network.", error));
  }
}
