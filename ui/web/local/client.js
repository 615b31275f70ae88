// The client of a page without a server: it runs the models in a worker of this browser. The worker starts when the
// first question needs it. A page with a server also has this client, for the computations that need no model.
import { token } from "../messages/client.js";
import { isEnd } from "../run/stream.js";
import { Catalogue } from "../words/catalogue.js";
import { factsAnswer } from "./facts.js";
import { cacheName } from "./files/store.js";

/** @import { Given } from "../app.js" */
/** @import { Client, Values } from "../messages/client.js" */
/** @import { RunMessage } from "../messages/protocol.d.ts" */

const LATER = 5000; // ms from the start until the page is stored for visits without a network
const PATIENCE = 3000; // ms within which the worker must answer when a run is stopped or replaced; otherwise a new worker starts
const INTERRUPTED = "This was interrupted, because a run had to be stopped: try again.";
const BROKEN = "This browser could not start what computes here: try a newer one, or the installed lab.";

/** Empty the browser's cache of models. Return a message for the visitor. */
async function forget() {
  await globalThis.caches?.delete(cacheName(document.baseURI));
  return "The cache is empty: models are loaded anew.";
}

/**
 * A question that the worker has not answered completely. last: for a run, its latest message.
 * @typedef {{ question: Values, take: (answer: any) => void, last?: RunMessage<any> }} Waiting
 */

/** Return the client that runs models in this browser. @param {Given} given @returns {Client} */
export const connect = (given) => new BrowserClient(given);

class BrowserClient {
  session = token();
  items = [{ title: "Empty the cache of models", apart: true, save: forget }];
  /** The questions without a complete answer, by their numbers. @type {Map<number, Waiting>} */
  #waiting = new Map();
  /** The number of the newest run of each part. @type {Map<string, number>} */
  #newest = new Map();
  #count = 0; // number of questions so far
  #isBroken = false;
  /** @type {Worker | null} */
  #worker = null;
  /** Checkpoints for which the worker has received the question "preload". @type {Set<string>} */
  #preloaded = new Set();

  /** @param {Given} given */
  constructor(given) {
    this.given = given;
    if (given.knowledge) setTimeout(() => this.#storePage(), LATER);
  }

  // --- The methods that the page calls

  /** @type {import("../messages/client.js").Ask} */
  ask = (/** @type {[string, string, any]} */ ...question) => this.#ask(...question);

  /** Return the data for the files of a run, such as x_t and x_0. @param {string | null} run */
  kept(run) {
    return this.#ask("engine", "kept", { run });
  }

  /**
   * Ask the worker to load models before they run.
   * @param {string[]} refs models @param {boolean} fetch whether to download models that the cache lacks
   */
  preload(refs, fetch = false) {
    const fresh = fetch ? refs : refs.filter((ref) => !this.#preloaded.has(ref));
    if (!fresh.length || /** @type {any} */ (navigator).connection?.saveData) return;
    this.#send({ verb: "ask", part: "engine", what: "preload", values: { refs: fresh, fetch } }, () => {});
    for (const ref of fresh) this.#preloaded.add(ref);
  }

  /** Start a run in the worker (see `Client`). @type {Client["run"]} */
  run(order, take, lost) {
    const { part } = order;
    let listens = true;
    const before = this.#waiting.has(this.#newest.get(part) ?? 0);
    const { plan = null, from = null } = "plan" in order ? order : {};
    const id = this.#send({ verb: "run", part, plan, from }, (answer) => {
      if (!listens) this.#stopSketch(part, answer);
      else answer.error ? lost(answer.error) : take(answer);
    });
    this.#newest.set(part, id);
    if (before) this.#replaceIfSilent(id);
    return () => {
      listens = false;
      this.#stopSketch(part, this.#waiting.get(id)?.last);
    };
  }

  /**
   * Stop a sketch, a quick run while the visitor types, when nobody watches it. A sketch that is still loading a model
   * goes on, because a run may need the model.
   * @param {string} part @param {any} message the sketch's newest message
   */
  #stopSketch(part, message) {
    const question = { verb: "ask", part: "engine", what: "stop", values: { run: message?.run } };
    if (part === "sketch" && message?.state === "running") this.#send(question, () => {});
  }

  /**
   * While the worker is not started, answer a question without it. Return null if only the worker can answer.
   * @param {string} what @param {Values} values
   */
  #answerAtOnce(what, values) {
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

  /** Ask a question and return the answer. @param {string} part @param {string} what @param {any} values @returns {Promise<any>} */
  #ask(part, what, values) {
    return new Promise((resolve) => {
      const answer = this.#answerAtOnce(what, values);
      if (answer) return resolve(answer);
      const id = this.#send({ verb: "ask", part, what, values }, resolve);
      if (what === "stop") this.#replaceIfSilent(id);
    });
  }

  /** Start a worker and send it the message "begin". */
  #start() {
    this.#preloaded.clear();
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data: { id, answer } }) => this.#receive(id, answer));
    worker.addEventListener("error", (event) => {
      console.error(event.message);
      this.#isBroken = true;
      for (const id of [...this.#waiting.keys()]) this.#receive(id, { error: BROKEN });
    });
    const { knowledge, first, known, words } = this.given;
    const folder = knowledge && new URL(knowledge, document.baseURI).href;
    const { hardwareConcurrency: cores, deviceMemory: memory, userAgentData } = /** @type {any} */ (navigator);
    const machine = { cores, memory, mobile: userAgentData?.mobile };
    const learned = known && { [first]: known };
    worker.postMessage({ verb: "begin", folder, base: document.baseURI, words, machine, known: learned });
    return worker;
  }

  /**
   * Pass on an answer of the worker.
   * @param {number} id of the question @param {any} answer to a run: one of its messages
   */
  #receive(id, answer) {
    const asked = this.#waiting.get(id);
    if (!asked) return;
    const ends = asked.question.verb !== "run" || answer.error || isEnd(answer.state);
    if (ends) this.#waiting.delete(id);
    else asked.last = answer;
    asked.take(answer);
  }

  /**
   * Send the worker a question. Return the question's number.
   * @param {Values} question @param {(answer: any) => void} take called with each answer
   */
  #send(question, take) {
    const id = ++this.#count;
    this.#waiting.set(id, { question, take });
    this.#worker ??= this.#start();
    if (this.#isBroken) this.#receive(id, { error: BROKEN });
    else this.#worker.postMessage({ ...question, id });
    return id;
  }

  /**
   * Replace the worker if it has not answered after PATIENCE: a long step may keep it busy.
   * @param {number} id of the question
   */
  #replaceIfSilent(id) {
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

  /**
   * Send a question of the old worker to the new worker. If the question is a run that has begun, report instead that
   * it was cut off.
   * @param {Waiting} waiting
   */
  #resume({ question, take, last }) {
    const { verb, what, part } = question;
    /** @type {Partial<RunMessage<any>>} */
    const cut = { state: "stopped", status: { kind: "cut" }, text: "", left: null, results: [] };
    if (last) take({ ...last, seq: last.seq + 1, ...cut });
    else if (verb === "run") this.#newest.set(String(part), this.#send(question, take));
    else take(what === "stop" ? {} : { error: INTERRUPTED });
  }

  /**
   * Store the page for visits without a network. Wait until all models are loaded, as storing would slow down their
   * download.
   */
  async #storePage() {
    if (this.#worker) await this.#ask("engine", "quiet", {});
    const register = navigator.serviceWorker?.register(new URL("sw.js", document.baseURI));
    await register?.catch((error) => console.warn("The page will not open without a network.", error));
  }
}
