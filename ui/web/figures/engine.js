// The engine that computes for figures. A figure uses an engine only by the methods of `Engine`. So an engine may be
// a worker, a server, or a recording.

import { UserError } from "../process/errors.js";

/** @import { VERBS } from "./verbs.js" */
/** The files of a model: their addresses and bytes, by their paths in the checkpoint. @typedef {Record<string, [address: string, bytes: number]>} ModelFiles */
/** @typedef {keyof typeof VERBS} Verb */
/** @typedef {{ id: number, slot: string, verb: Verb, values: object, model: string, behind: boolean }} Question */
/** Options of a question. model: the name of the model that computes the answer. behind: whether all other questions are answered first. @typedef {{ model?: string, behind?: boolean }} How */
/**
 * @typedef {object} Engine
 * @property {(slot: string, verb: Verb, values: object, take: (piece: any) => void, how?: How) => Promise<boolean>} ask
 *   computes an answer in pieces; a newer question in the same slot ends the computation. The promise resolves to
 *   whether the answer is complete, and is rejected if the computation fails
 * @property {(ref: string) => boolean} has whether the engine can compute this model
 * @property {(ref: string) => number} bytes the size of a model's files
 * @property {(take: (ref: string, share: number) => void) => void} onLoading reports how much of a model is loaded, from 0 to 1
 */

const MODEL = "mnist-tiny";
const GONE = "the browser ended the worker of this page: change something to try again";

/** Start the worker. Browsers start workers only from the page's own origin. If worker.js comes from another origin, the page starts a small script that imports worker.js. */
function pageWorker() {
  const here = new URL("./worker.js", import.meta.url);
  if (here.origin === location.origin) return new Worker(here, { type: "module" });
  const text = new Blob([`import ${JSON.stringify(here.href)};`], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(text), { type: "module" });
}

/** @implements {Engine} */
export class WorkerEngine {
  /** @type {Worker | null} */
  #worker = null;
  #asked = 0;
  /** The handlers of the questions that have no complete answer yet, by the questions' ids. @type {Map<number, { take: (piece: any) => void, resolve: (whole: boolean) => void, reject: (error: unknown) => void }>} */
  #waiting = new Map();
  /** @type {((ref: string, share: number) => void)[]} */
  #listeners = [];

  /** @param {Record<string, ModelFiles>} files @param {() => Worker} [start] */
  constructor(files, start = pageWorker) {
    this.files = files;
    this.start = start;
  }

  /** Return whether the page has the files of this model. */
  has = (/** @type {string} */ ref) => ref in this.files;

  /** Return the size of a model's files, in bytes. */
  bytes = (/** @type {string} */ ref) =>
    Object.values(this.files[ref] ?? {}).reduce((sum, [, bytes]) => sum + bytes, 0);

  /** While models are loaded, call `take` with a model's name and how much of the model is loaded, from 0 to 1. */
  onLoading = (/** @type {(ref: string, share: number) => void} */ take) => void this.#listeners.push(take);

  /** Ask the worker to compute an answer; `take` gets its pieces. Resolves to whether the answer is complete. @type {Engine["ask"]} */
  ask(slot, verb, values, take, { model = MODEL, behind = false } = {}) {
    this.#worker ??= this.#startWorker();
    const worker = this.#worker;
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { take, resolve, reject });
      worker.postMessage({ id, slot, verb, values, model, behind });
    });
  }

  /** Start the worker, and send it the addresses of the models' files. */
  #startWorker() {
    const worker = this.start();
    worker.addEventListener("message", ({ data }) => this.#hear(data));
    worker.addEventListener("error", () => {
      worker.terminate();
      this.#worker = null;
      for (const { reject } of this.#waiting.values()) reject(new UserError(GONE));
      this.#waiting.clear();
    });
    worker.postMessage({ files: this.files });
    return worker;
  }

  /** Handle a message of the worker. @param {any} news */
  #hear({ id, piece, end, ref, done }) {
    if (ref) for (const take of this.#listeners) take(ref, Math.min(1, done / this.bytes(ref)));
    const waiting = this.#waiting.get(id);
    if (piece) waiting?.take(piece);
    if (!end) return;
    this.#waiting.delete(id);
    if (end.error) waiting?.reject(end.isOurs ? new Error(end.error) : new UserError(end.error));
    else waiting?.resolve(end.whole);
  }
}

/**
 * Return a function that calls `run`, one call at a time. If several calls wait, only the newest one is run. So a
 * picture changes while a slider moves, and the last position of the slider is always drawn.
 * @template {any[]} A @param {(...args: A) => Promise<unknown>} run
 */
export function newestOnly(run) {
  /** @type {A | null} */
  let next = null;
  let busy = false;
  return async (/** @type {A} */ ...args) => {
    next = args;
    if (busy) return;
    busy = true;
    try {
      while (next) {
        const now = next;
        next = null;
        await run(...now);
      }
    } finally {
      busy = false;
    }
  };
}
