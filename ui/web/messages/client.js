// How the page reaches what computes: questions, runs and their messages, files. The server's client stands in
// server/client.js, the browser's own in local/client.js; the page is told which it has.

/** @typedef {{ error: string, again?: number, lost?: boolean }} Refusal a sentence for the user; again: seconds until the same may be answered, where it is refused only for now; lost: no answer has come */
/** @typedef {Record<string, unknown>} Values of a form, by the names of its fields */
/** @import { Questions, RunMessage } from "./protocol.d.ts" */
/** @template T @typedef {(T & { error?: undefined }) | Refusal} Answer */
/** @template F @typedef {F extends (asked: infer A) => any ? A : never} ValuesOf */
/** @template F @typedef {F extends (asked: any) => infer A ? Answer<A> : never} AnswerTo */

/**
 * The answer to a question of the protocol.
 * @typedef {<P extends keyof Questions, Q extends keyof Questions[P] & string>(part: P, what: Q, values: ValuesOf<Questions[P][Q]>) => Promise<AnswerTo<Questions[P][Q]>>} Ask
 */

/**
 * An entry of the menu of what can be taken away.
 * @typedef {object} Item
 * @property {string} title
 * @property {boolean} [apart] it stands below a line
 * @property {boolean} [research] it stands under "For researchers"
 * @property {() => string} [copy] the text to copy
 * @property {string} [what] the text is, where it has to be copied by hand
 * @property {(say: (text: string) => void) => Promise<string>} [save] makes and fetches a file, and says how far it is; a
 * sentence at the end: what was saved, or why it could not be made
 * @property {string} [disabled] why it can't be had now
 * @property {Promise<Item[]>} [written] the entries that take its place
 */

/**
 * A run that an engine is to begin: a worker of this page takes the plan (`Plan` of plans/plan.js), a server what is asked of
 * it, which is nothing of a part that the worker computes even then. shown: a result as the page shows it, with the words of the plan.
 * from: the state at which the run begins; without it the run begins at its x_T.
 * @typedef {{ part: string, plan: object, asked?: Values, shown: (result: any) => any, from?: State | null }} Order
 */
/** The state x_s of an earlier run, if the engine still keeps it. @typedef {{ run: string, s: number }} State */
/** A run that goes on there, by its name. @typedef {{ part: string, resume: string }} Resumed */

/**
 * What `connect(given)` of a client's module gives.
 * @typedef {object} Client
 * @property {string} session who this page is: a visitor's runs share one turn, and each replaces the one before it
 * @property {Ask} ask
 * @property {(order: Order | Resumed, take: (message: RunMessage<any>) => void, lost: (why: string) => void) => () => void} run
 * begin a run, whose messages come one after another; lost: the connection is broken, or the run refused, and why. Returns what stops listening
 * @property {(refs: string[], fetch?: boolean) => void} [near] a run of these checkpoints is likely: get them ready; fetch: also
 * those that are a download, where there is much memory. A server has no need of this
 * @property {(run: string | null) => Promise<any>} kept what the files of a run are made of: `Kept` of files/file.d.ts, or a Refusal
 * @property {Item[]} items what the menu has because of it
 */

/** Read or keep something in the browser; null where it keeps nothing, or no more: then it throws, and the page goes on without. @template T @param {() => T} act */
export function attempt(act) {
  try {
    return act();
  } catch {
    return null; // in private windows, or when it is full, the browser refuses to keep anything
  }
}

/** Kept in `localStorage`: something where a model was trained in this browser. */
export const TRAINED = "lab-trained";

/** The store of this window: it lasts while the window is open, and survives a reload of the page. */
export const kept = {
  get: (/** @type {string} */ name) => attempt(() => sessionStorage.getItem(`lab-${name}`)),
  set: (/** @type {string} */ name, /** @type {string} */ value) =>
    attempt(() => sessionStorage.setItem(`lab-${name}`, value)),
  remove: (/** @type {string} */ name) => attempt(() => sessionStorage.removeItem(`lab-${name}`)),
};

/** A name that nobody guesses. (`crypto.randomUUID` is missing on pages over plain http.) */
export function token() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
