// The types of a plan, which describes a run before it starts: what it computes, and what it costs. The page makes a
// plan from the form's values and the facts of the models. An engine checks the request and computes it.

/** @import { Process } from "../process/predict.js" */
/** @import { Schedule } from "../process/schedule.js" */
/** @import { CheckpointFacts, Spec } from "../messages/protocol.d.ts" */
/** @import { Catalogue } from "../words/catalogue.js" */

/**
 * The facts of a checkpoint whose files are here, on a server or in the browser. process: the facts that the modules
 * of process/ need. precision: the precision that a script must name to compute as the page does. stamp: a text that
 * changes when the facts change.
 * @typedef {Spec & Pick<CheckpointFacts, "home" | "pipeline"> & { ref: string, stamp: string, schedule: Schedule, process: Omit<Process, "network">, precision?: string }} Facts
 */

/** Checked values of a part's fields, by their names: see fields.js. @typedef {Record<string, any>} Request */

/** A kind of step: its checkpoint, number of images and number of lanes. Steps of one kind take equally long. @typedef {{ ref: string, batch: number, lanes: number }} StepKind */
/** n steps of a kind. @typedef {{ kind: StepKind, n: number }} Cost */

/**
 * The outline of a strand, that is, of the chains that one worker computes alone. cost: number of evaluations, 0 if there
 * is nothing to compute. turn: strands with a lower turn come first; strands with the same turn are computed side by side.
 * chains: number of chains, 1 by default. A chain is complete when its step to s = 0 arrives.
 * @typedef {{ cost: number, turn: number, chains?: number }} Outline
 */

/**
 * A request in which every open choice is made. It is plain data, so that it can be sent to a worker.
 * @typedef {object} Plan
 * @property {Request} request
 * @property {string[]} refs the checkpoints that the run needs, each once
 * @property {number} images about how many images the network evaluates at once
 * @property {Cost[]} steps the number of steps of each kind
 * @property {Outline[][]} [strands] for each phase of the run, the strands that several workers can share; a phase begins when
 *   the one before it is over
 */

/** Scripts that repeat a run, "" for an impossible one. why: the reason why a script with diffusers is impossible. @typedef {{ python: string, diffusers?: string, why?: string }} Scripts */

/**
 * The functions with which a part plans requests. refs, prepare and plan throw a UserError if a request is impossible.
 * @template {Plan} [P=Plan]
 * @typedef {object} Planner
 * @property {(request: Request) => string[]} refs returns the checkpoints that a request needs, each once
 * @property {(request: Request) => Promise<unknown>} [prepare] loads what `plan` needs, because `plan` is synchronous
 * @property {(request: Request, catalogue: Catalogue) => string} summary returns the settings in one line, or ""
 * @property {(request: Request, models: Facts[], catalogue: Catalogue) => P} plan makes the plan; models: the facts of each ref
 * @property {(plan: P) => Record<string, any>} [about] returns what the page shows before the run, besides the cost
 * @property {(plan: P, catalogue: Catalogue) => Scripts | Promise<Scripts>} scripts
 * @property {(plan: P, result: any, catalogue: Catalogue) => any} shown adds words to a result whose kind is in `WORDED`
 * @property {(plan: P) => Record<string, any>} [asked] returns the request to a server; missing if only the browser computes the part
 */

/** The kinds of results whose texts the plan of the run writes: "plan" is the first result, and "bits" is a bound on the likelihood. */
export const WORDED = ["plan", "bits"];

/** Make a kind of step. @param {string} ref @param {number} [batch] @param {number} [lanes] @returns {StepKind} */
export const stepKind = (ref, batch = 1, lanes = 1) => ({ ref, batch, lanes });

/** Return a kind of step as a key for maps. @param {StepKind} kind */
export const keyOf = ({ ref, batch, lanes }) => `${batch} ${lanes} ${ref}`;

/** Add up the numbers of steps of each kind. @param {...[StepKind, number]} steps @returns {Cost[]} */
export function byKind(...steps) {
  /** @type {Map<string, Cost>} */
  const costs = new Map();
  for (const [kind, n] of steps) {
    if (!n) continue;
    const before = costs.get(keyOf(kind))?.n ?? 0;
    costs.set(keyOf(kind), { kind, n: before + n });
  }
  return [...costs.values()];
}

/** Count the evaluations of single images. @param {Cost[]} steps */
export const evaluations = (steps) => steps.reduce((sum, { kind, n }) => sum + n * kind.batch, 0);

const RECENT = 3; // the time of a step is averaged over about this many last seconds of a run, as in ui/machine/step_times.py

/**
 * Return the weight of earlier measurements, 0 to 1, in an average with a new measurement.
 * @param {number} seconds that the new measurement took
 */
export const recent = (seconds) => Math.exp(-seconds / RECENT);

/**
 * Return the seconds of computing that are left; null if the time of a step is not known.
 * @param {Cost[]} steps @param {(kind: StepKind) => number | null} seconds of one step @param {Map<string, number>} [done] finished steps
 *   of each kind, by `keyOf`
 */
export function left(steps, seconds, done = new Map()) {
  let sum = 0;
  for (const { kind, n } of steps) {
    const each = seconds(kind);
    if (each === null) return null;
    sum += each * Math.max(0, n - (done.get(keyOf(kind)) ?? 0));
  }
  return sum;
}
