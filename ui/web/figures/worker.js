// The worker that answers the questions of figures.

import { load } from "../network/model.js";
import { continueWithout, UserError } from "../process/errors.js";
import { Turns } from "./turns.js";
import { VERBS } from "./verbs.js";

/** @import { Model } from "./verbs/run.js" */
/** @import { ModelFiles, Question } from "./engine.js" */

const UNREACHABLE = "a model could not be loaded: is there a connection? Change something to try again";

/** The files of each model. @type {Record<string, ModelFiles>} */
let files = {};
/** @type {Map<string, Promise<Model>>} */
const models = new Map();
/** The id of the newest question in each slot. @type {Map<string, number>} */
const newest = new Map();

const turns = new Turns(
  () =>
    new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve(null);
      };
      port2.postMessage(0);
    }),
);

/** Download a file, and report its progress. @param {string} address @param {(bytes: number) => void} more gets the bytes of each piece */
async function fetched(address, more) {
  const answer = await fetch(address).catch(continueWithout("a file of the model"));
  if (!answer?.ok || !answer.body) throw new UserError(UNREACHABLE);
  const counted = new TransformStream({
    transform(piece, out) {
      more(piece.length);
      out.enqueue(piece);
    },
  });
  return new Response(answer.body.pipeThrough(counted)).arrayBuffer();
}

/** Return a model. The first call loads the model; after a failure, the next call tries again. @param {string} ref */
function modelOf(ref) {
  const own = files[ref] ?? {};
  let done = 0;
  let told = 0;
  const read = async (/** @type {string} */ path) => {
    if (!own[path]) return null;
    return fetched(own[path][0], (bytes) => {
      done += bytes;
      if (done - told < 1e5) return;
      told = done;
      postMessage({ ref, done });
    });
  };
  const loading =
    models.get(ref) ??
    /** @type {Promise<Model>} */ (load(read, ref)).catch((error) => {
      models.delete(ref);
      throw error;
    });
  models.set(ref, loading);
  return loading;
}

/** Compute the answer to a question, and post it in pieces. @param {Question} question */
async function ask({ id, slot, verb, values, model: ref, behind }) {
  newest.set(slot, id);
  turns.drop(slot);
  const end = (/** @type {boolean} */ whole, /** @type {any} */ error) => {
    if (error && !(error instanceof UserError)) console.error(error);
    const wrong = error && { error: error.message, isOurs: !(error instanceof UserError) };
    postMessage({ id, end: { whole, ...wrong } });
  };
  const model = await modelOf(ref).catch((error) => end(false, error));
  if (!model) return;
  if (newest.get(slot) !== id) return end(false, null);
  const steps = VERBS[verb](model, /** @type {any} */ (values));
  turns.ask(slot, { steps, behind, tell: (piece) => postMessage({ id, piece }), end });
}

addEventListener("message", ({ data }) => {
  if (data.files) files = data.files;
  else ask(data);
});
