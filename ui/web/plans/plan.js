// The types of a plan: what a run needs, computes and costs, known before it starts. The page makes a plan from the form's
// values and the facts of the models. An engine checks what it is asked, and computes.

/** @import { Process } from "../process/predict.js" */
/** @import { Schedule } from "../process/schedule.js" */
/** @import { CheckpointFacts, Spec } from "../messages/protocol.d.ts" */
/** @import { Catalogue } from "../words/catalogue.js" */

/**
 * What is known of a checkpoint whose files are here, whether a server or the browser computes. process: these facts as the
 * modules of process/ take them, without a network. precision: the one that a script must name to compute as the page does.
 * stamp: changes when the facts do.
 * @typedef {Spec & Pick<CheckpointFacts, "home" | "pipeline"> & { ref: string, stamp: string, schedule: Schedule, process: Omit<Process, "network">, precision?: string }} Facts
 */

/** Checked values of a part's fields, by their names: see fields.js. @typedef {Record<string, any>} Request */

/** Steps of one kind take equally long: one checkpoint, one number of images, one number of lanes. @typedef {{ ref: string, batch: number, lanes: number }} StepKind */
/** n steps of a kind. @typedef {{ kind: StepKind, n: number }} Cost */

/**
 * A strand: what one worker computes alone. cost: its evaluations, 0 if there is nothing to compute. turn: strands with a
 * lower turn come first; strands with the same turn are computed side by side. chains: its number of chains, 1 by default.
 * As many of its steps end at s = 0.
 * @typedef {{ cost: number, turn: number, chains?: number }} Outline
 */

/**
 * A request with every choice made. It is plain data, so that it can be sent to a worker as it is.
 * @typedef {object} Plan
 * @property {Request} request
 * @property {string[]} refs the checkpoints that it needs, each once
 * @property {number} images about how many the network evaluates at once
 * @property {Cost[]} steps
 * @property {Outline[][]} [strands] for each phase of the run, the strands that several workers can share; a phase begins when
 *   the one before it is over
 */

/** Scripts that repeat a run; "" where there can be none. why: the reason why there is none for diffusers. @typedef {{ python: string, diffusers?: string, why?: string }} Scripts */

/**
 * How a part plans its requests. refs, prepare and plan throw a UserError if a request is impossible.
 * @template {Plan} [P=Plan]
 * @typedef {object} Planner
 * @property {(request: Request) => string[]} refs the checkpoints that it needs, each once
 * @property {(request: Request) => Promise<unknown>} [prepare] loads what `plan`, which can't wait, needs
 * @property {(request: Request, catalogue: Catalogue) => string} summary its settings in a line, or ""
 * @property {(request: Request, models: Facts[], catalogue: Catalogue) => P} plan models: one for each of refs
 * @property {(plan: P) => Record<string, any>} [about] what the page shows of it before the run, besides its cost
 * @property {(plan: P, catalogue: Catalogue) => Scripts | Promise<Scripts>} scripts
 * @property {(plan: P, result: any, catalogue: Catalogue) => any} shown turns a result whose kind is in `WORDED` into what the page shows
 * @property {(plan: P) => Record<string, any>} [asked] what a server is asked to compute; none if this browser computes it
 */

/** The kinds of results that get their words from the plan of their run: "plan", the first result, and "bits", a bound. */
export const WORDED = ["plan", "bits"];

/** @param {string} ref @param {number} [batch] @param {number} [lanes] @returns {StepKind} */
export const stepKind = (ref, batch = 1, lanes = 1) => ({ ref, batch, lanes });

/** A name for a kind of step, as a key of maps. @param {StepKind} kind */
export const keyOf = ({ ref, batch, lanes }) => `${batch} ${lanes} ${ref}`;

/** The numbers of steps, added up for each kind. @param {...[StepKind, number]} steps @returns {Cost[]} */
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

/** How many times the network evaluates a single image. @param {Cost[]} steps */
export const evaluations = (steps) => steps.reduce((sum, { kind, n }) => sum + n * kind.batch, 0);

const RECENT = 3; // seconds: a run's pace is measured over this last stretch, as in ui/machine/step_times.py

/**
 * The factor by which an earlier measurement loses weight after some seconds.
 * @param {number} seconds that the new one took
 */
export const recent = (seconds) => Math.exp(-seconds / RECENT);

/**
 * The seconds of computing that are left once some steps are done; null if the time of a step is not known.
 * @param {Cost[]} steps @param {(kind: StepKind) => number | null} seconds of one step @param {Map<string, number>} [done] by `keyOf`
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
