// The worker that computes in the browser. It answers the questions of client.js and runs the plans of all parts. A
// helper is a second worker (see pool.js).

import { UserError } from "../process/errors.js";
import { failure, NEEDS_SERVER } from "../words/units.js";
import { Checkpoints } from "./checkpoints.js";
import { Files } from "./files/store.js";
import { Run } from "./jobs.js";
import { helperRun, Pool } from "./pool.js";

/** @import { Computation } from "../computing/computation.d.ts" */
/** @import { PaceOf } from "../messages/protocol.d.ts" */
/** @import { Words } from "../words/catalogue.js" */
/** @import { WrittenFacts } from "./facts.js" */
/** @import { Machine } from "./pool.js" */
/** @typedef {(values: any) => any} Answer */

/** The newest run of each part. @type {Map<string, Run>} */
const runs = new Map();
/** Return the run with this id, if it is the newest of its part. @param {string} id */
const find = (id) => [...runs.values()].find((run) => run.id === id);
const GONE = "This run is no longer here: press Run again";
/** Return whether a name stands for a network of the part "plane", which has no checkpoint. @param {string} name */
const isOfPlane = (name) => name.startsWith("plane-");

/**
 * Resolves when the message "begin" has been handled. Every question waits for this.
 * @type {Promise<{ checkpoints: Checkpoints, pool: Pool }>}
 */
let ready;

/**
 * Prepare the worker. folder: address of the JSON files of ui/static, undefined if there is a server. base: the page's
 * address. machine: the visitor's computer, undefined in a helper. known: facts that the page already has, by
 * checkpoint.
 * @param {{ folder?: string, base: string, words: Words, machine?: Machine, known?: Record<string, WrittenFacts> }} message
 */
async function begin({ folder, base, words, machine, known }) {
  const read = async (/** @type {string} */ name) => (await fetch(`${folder}/${name}`)).json();
  const written = folder ? await read("knowledge.json") : { models: [], answers: {}, words };
  const checkpoints = new Checkpoints(written, new Files(base), read);
  if (known) checkpoints.replace(known);
  const pool = new Pool(checkpoints, machine, machine && globalThis.Worker ? startHelper : null);
  return { checkpoints, pool };

  /** Start another worker with the same settings. */
  function startHelper() {
    const made = new Worker(location.href, { type: "module" });
    made.postMessage({ verb: "begin", folder, base, words });
    return made;
  }
}

/** Return the answer that reports an error. @param {unknown} error */
const refusal = (error) => ({ error: failure(error) });

/**
 * Return the functions that answer the questions of the client.
 * @param {Pool} pool @returns {Record<string, Answer>}
 */
const questions = (pool, { checkpoints, isLarge } = pool) => ({
  /** Answer with the list of models, and with the device and engine that compute them. */
  models() {
    const { models, device } = checkpoints.knowledge.answers.models;
    const { engine } = checkpoints;
    return { models, device: engine ? { ...device, engine: `${engine} · fp32` } : device, known: true };
  },
  /** Answer with the facts of a checkpoint. pictures: whether to add example pictures. */
  async facts({ ref: text, pictures }) {
    const ref = String(text).trim();
    await checkpoints.learn(ref);
    return { ...(await checkpoints.answer(ref)), examples: pictures ? await checkpoints.examples(ref) : [] };
  },
  /**
   * Load models that will probably run. fetch: whether to download models that the cache lacks; this needs a computer
   * with much memory.
   */
  async preload({ refs, fetch }) {
    for (const ref of refs) {
      await checkpoints.learn(ref);
      if (fetch ? isLarge : !(await checkpoints.missing(ref))) checkpoints.warm(ref);
    }
    return {};
  },
  /** Answer when no model is being loaded. */
  async quiet() {
    await checkpoints.quiet();
    return {};
  },
  /** Answer with the seconds of a step and the bytes to download, for each model. */
  async pace({ refs }) {
    for (const ref of refs) if (!isOfPlane(ref)) await checkpoints.learn(ref);
    for (const ref of refs)
      if (isOfPlane(ref) && checkpoints.seconds(ref) === null)
        checkpoints.note(ref, ...(await (await import("../parts/plane/compute.js")).timed(ref)));
    /** @type {[string, PaceOf][]} */
    const paces = [];
    for (const ref of refs) {
      const seconds = checkpoints.seconds(ref);
      const download = isOfPlane(ref) ? 0 : await checkpoints.missing(ref);
      paces.push([ref, { seconds: seconds === null ? [] : [[1, 1, seconds]], flop: null, download }]);
    }
    const workers = pool.limit(refs.filter((/** @type {string} */ ref) => !isOfPlane(ref)));
    return { paces: Object.fromEntries(paces), device: "CPU", busy: false, tflop: null, workers };
  },
  emoji: () => checkpoints.read("emoji.json"),
  cards: () => checkpoints.read("cards.json"),
  /** Refuse to resume a run of an earlier page, because the worker of that page has ended. */
  run() {
    throw new UserError(GONE);
  },
  /** Stop a run. */
  stop({ run }) {
    find(run)?.stop();
    return {};
  },
  /** Answer with the data for the files of a run. */
  kept({ run }) {
    const { recording, plan } = find(run) ?? {};
    if (!recording || !plan) throw new UserError(GONE);
    return { ...recording, about: plan.refs.map(() => ({ revision: null, engine: "browser · fp32" })) };
  },
  /** In a helper, load these models and forget all others. */
  async load({ known }) {
    checkpoints.replace(known);
    for (const ref of Object.keys(known)) await checkpoints.model(ref);
    return {};
  },
  /** In a helper, stop all runs. */
  rest() {
    for (const run of runs.values()) run.stop();
    return {};
  },
  room: () => ({ why: checkpoints.knowledge.answers.room }),
});

/** Return the answer to a question of the client. @param {{ what: string, values: any }} question */
async function answer({ what, values }) {
  const { pool } = await ready;
  return questions(pool)[what](values);
}

/** Load the module that computes a part. @param {string} part @returns {Promise<Computation>} */
async function computationOf(part) {
  const { computation } = await import(`../parts/${part}/compute.js`);
  if (!computation) throw new UserError(NEEDS_SERVER);
  return computation;
}

/**
 * Answer a question about a training. Few visitors train, so the modules for training load with the first such
 * question.
 * @param {any} question
 */
async function learn(question) {
  const { id } = question;
  try {
    const { content, moved } = await (await import("../learning/learner.js")).answer(question);
    postMessage({ id, answer: content }, { transfer: moved });
  } catch (error) {
    postMessage({ id, answer: refusal(error) });
  }
}

addEventListener("message", async ({ data }) => {
  const { id, verb, part, plan, from, share } = data;
  if (verb === "learn") return learn(data);
  const send = (/** @type {any} */ content) => postMessage({ id, answer: content });
  if (verb === "begin") {
    ready = begin(data); // if this fails, every later question is answered with the error
    return;
  }
  if (verb !== "run") return answer(data).then(send, (error) => send(refusal(error)));
  const here = await ready.catch((error) => send(refusal(error)));
  if (!here) return;
  const { pool } = here;
  const before = runs.get(part);
  before?.stop();
  const start = from && { s: from.s, states: before?.id === from.run ? before?.states : null };
  const run = new Run(pool, part, plan, send, start, share && 0);
  runs.set(part, run);
  return run.run(async () => {
    const computation = await computationOf(part);
    return share ? helperRun(computation, share) : computation;
  });
});
