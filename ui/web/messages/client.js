// How the page reaches what computes: questions, runs and their messages, files. The server's client stands in
// server/client.js, the browser's own in local/client.js; the page is told which it has.

/** @typedef {{ error: string, again?: number, lost?: boolean }} Refusal a sentence for the user; again: seconds until the same may be answered, where it is refused only for now; lost: no answer has come */
/** @typedef {Record<string, unknown>} Values of a form, by the names of its fields */
/** @import { Questions, RunCost, RunMessage } from "./protocol.d.ts" */
/** @template T @typedef {(T & { error?: undefined }) | Refusal} Answer */
/** @template F @typedef {F extends (asked: infer A) => any ? A : never} Asked */
/** @template F @typedef {F extends (asked: any) => infer A ? Answer<A> : never} Said */

/**
 * The answer to a question of the protocol; of every part that computes its page can ask the cost of a run.
 * @typedef {(<P extends keyof Questions, Q extends keyof Questions[P] & string>(part: P, what: Q, values: Asked<Questions[P][Q]>) => Promise<Said<Questions[P][Q]>>) & ((part: string, what: "cost", values: Values) => Promise<Answer<RunCost>>)} Ask
 */

/**
 * What `connect(given)` of a client's module gives.
 * @typedef {object} Client
 * @property {string} session who this page is: a visitor's runs share one turn, and each replaces the one before it
 * @property {Ask} ask
 * @property {(part: string, values: Values, take: (message: RunMessage<any>) => void, lost: (why: string) => void) => () => void} run
 * begin a run, whose messages come one after another; lost: the connection is broken, or the run refused, and why. Returns what stops listening
 * @property {(refs: string[], fetch?: boolean) => void} [near] a run of these checkpoints is likely: get them ready; fetch: also
 * those that are a download, where there is much memory. A server has no need of this
 * @property {(run: string | null) => Promise<any>} kept what the files of a run are made of: `Kept` of files/make.js, or a Refusal
 * @property {import("../run/share.js").Item[]} items what the menu has because of it
 */

/** What comes of reading or keeping something, or null in a browser that keeps nothing, or no more. @template T @param {() => T} act */
export function attempt(act) {
  try {
    return act();
  } catch {
    return null;
  }
}

/** What this window of the browser keeps while it is open, also when the page is loaded again. */
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
