// The types of a client. The page uses a client to ask questions, run plans and save files, whether a server computes
// (server/client.js) or the browser itself (local/client.js).

/**
 * @typedef {{ error: string, again?: number, lost?: boolean }} Refusal error: a sentence for the user. again: seconds
 * after which the page may ask again. lost: whether the server did not answer
 */
/** @typedef {Record<string, unknown>} Values the values of a form by the names of its fields */
/** @import { Questions, RunMessage } from "./protocol.d.ts" */
/** @template T @typedef {(T & { error?: undefined }) | Refusal} Answer */
/** @template F @typedef {F extends (asked: infer A) => any ? A : never} ValuesOf */
/** @template F @typedef {F extends (asked: any) => infer A ? Answer<A> : never} AnswerTo */

/**
 * Ask a question of the protocol (ui/protocol.py) and return the answer.
 * @typedef {<P extends keyof Questions, Q extends keyof Questions[P] & string>(part: P, what: Q, values: ValuesOf<Questions[P][Q]>) => Promise<AnswerTo<Questions[P][Q]>>} Ask
 */

/**
 * An entry of the menu Share.
 * @typedef {object} Item
 * @property {string} title
 * @property {boolean} [apart] whether a line separates the entry from those above it
 * @property {boolean} [research] whether the entry stands under "For researchers"
 * @property {() => string} [copy] returns the text to copy
 * @property {string} [what] name of the text, for browsers in which the visitor must copy it by hand
 * @property {(say: (text: string) => void) => Promise<string>}  [save] makes and downloads a file and reports its
 * progress to `say`; returns a sentence: what was saved, or why that failed
 * @property {string} [disabled] why the entry can't be used at present
 * @property {Promise<Item[]>} [written] the entries that will replace this entry; until then this entry can't be used
 */

/**
 * The order of a run. plan: for a worker of this page (`Plan` of plans/plan.js). asked: the request to a server;
 * undefined for parts that a worker always computes. shown: adds the plan's texts to a result. from: the state at which
 * the run begins; by default x_T.
 * @typedef {{ part: string, plan: object, asked?: Values, shown: (result: any) => any, from?: State | null }} Order
 */
/**
 * The state x_s of an earlier run. The engine stores it only for some time.
 * @typedef {{ run: string, s: number }} State
 */
/**
 * The order to continue a run on the server. resume: the run's name.
 * @typedef {{ part: string, resume: string }} Resumed
 */

/**
 * The client that `connect(given)` of a client's module returns.
 * @typedef {object} Client
 * @property {string} session the id of this page: its runs share one place in the queue, and each run replaces the
 * previous one
 * @property {Ask} ask
 * @property {(order: Order | Resumed, take: (message: RunMessage<any>) => void, lost: (why: string) => void) => () => void} run
 * starts a run. take: called with each message. lost: called with the reason if the connection breaks or the run is
 * refused. Returns a function that ends the messages
 * @property {(refs: string[], fetch?: boolean) => void} [preload] loads checkpoints that a run will probably need.
 * fetch: whether to download missing checkpoints, too, if there is much memory. A client of a server has no `preload`
 * @property {(run: string | null) => Promise<any>} kept returns the data for the files of a run: `Kept` of
 * files/file.d.ts, or a Refusal
 * @property {Item[]} items entries that this client adds to the menu Share
 */

/** Read from or write to the browser's storage. Return null if the browser refuses this. @template T @param {() => T} act */
export function attempt(act) {
  try {
    return act();
  } catch {
    return null; // in private windows, or if the storage is full, the browser throws
  }
}

/** Key in `localStorage`. The key exists if a model was trained in this browser. */
export const TRAINED = "lab-trained";

/** The storage of this window (`sessionStorage`). Its content survives a reload, but not the closing of the window. */
export const kept = {
  get: (/** @type {string} */ name) => attempt(() => sessionStorage.getItem(`lab-${name}`)),
  set: (/** @type {string} */ name, /** @type {string} */ value) =>
    attempt(() => sessionStorage.setItem(`lab-${name}`, value)),
  remove: (/** @type {string} */ name) => attempt(() => sessionStorage.removeItem(`lab-${name}`)),
};

/** Return a random id that nobody can guess. (`crypto.randomUUID` is missing on pages over plain http.) */
export function token() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
