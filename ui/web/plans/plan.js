// What a part says of a run before it starts: which checkpoints it needs, what it computes and costs, and its words.
// The page makes it of the form's values and of the facts of the models; an engine checks the same, and computes.

/** @import { Process } from "../process/predict.js" */
/** @import { Schedule } from "../process/schedule.js" */
/** @import { CheckpointFacts, Spec } from "../messages/protocol.d.ts" */
/** @import { Catalogue } from "../words/catalogue.js" */

/**
 * What is known of a checkpoint whose files are here, whoever computes. process: the same for the modules of process,
 * without a network. precision: that a script has to ask for to compute as the page does. stamp: changes when they do.
 * @typedef {Spec & Pick<CheckpointFacts, "home" | "pipeline"> & { ref: string, stamp: string, schedule: Schedule, process: Omit<Process, "network">, precision?: string }} Facts
 */

/** Checked values of a part's fields, by their names: see fields.js. @typedef {Record<string, any>} Request */

/** What takes one time: an evaluation of a checkpoint for so many images, of a run of so many lanes. @typedef {{ ref: string, batch: number, lanes: number }} StepKind */
/** So many steps of a kind. @typedef {{ kind: StepKind, n: number }} Cost */

/** cost: evaluations, 0 where there is nothing to compute. turn: strands of a lower one come first, those of the same go side by side. chains: how many it has, with as many steps that end at s = 0; 1 by default. @typedef {{ cost: number, turn: number, chains?: number }} Outline */

/**
 * A request with nothing left open, as data: a worker gets it as it is.
 * @typedef {object} Plan
 * @property {Request} request
 * @property {string[]} refs the checkpoints that it needs, each once
 * @property {number} images how many are evaluated at once, about
 * @property {Cost[]} steps
 * @property {Outline[][]} [strands] what several workers can compute, of each of its phases, which come one after another
 */

/**
 * What a part knows of its requests. refs, prepare and plan throw a UserError for what can't be.
 * @template {Plan} [P=Plan]
 * @typedef {object} Planner
 * @property {(request: Request) => string[]} refs the checkpoints that it needs, each once
 * @property {(request: Request) => Promise<unknown>} [prepare] gets ready what its plan wants at once
 * @property {(request: Request, catalogue: Catalogue) => string} summary its settings in a line, or ""
 * @property {(request: Request, models: Facts[], catalogue: Catalogue) => P} plan models: of each of refs
 * @property {(plan: P, catalogue: Catalogue) => Record<string, any>} about what `describe` says of a plan
 * @property {(plan: P, result: any, catalogue: Catalogue) => any} shown a result of one of the kinds of `WORDED`, as the page has it
 * @property {(plan: P) => Record<string, any>} asked what a server is asked to compute
 */

/** Kinds of results that get their words from the plan of their run: its first one, "plan", and a bound. */
export const WORDED = ["plan", "bits"];

/** @param {string} ref @param {number} [batch] @param {number} [lanes] @returns {StepKind} */
export const stepKind = (ref, batch = 1, lanes = 1) => ({ ref, batch, lanes });

/** A name for what takes one time. @param {StepKind} kind */
export const keyOf = ({ ref, batch, lanes }) => `${batch} ${lanes} ${ref}`;

/** So many steps of each kind, those of one kind together. @param {...[StepKind, number]} steps @returns {Cost[]} */
export function byKind(...steps) {
  /** @type {Map<string, Cost>} */
  const found = new Map();
  for (const [kind, n] of steps) {
    if (!n) continue;
    const before = found.get(keyOf(kind))?.n ?? 0;
    found.set(keyOf(kind), { kind, n: before + n });
  }
  return [...found.values()];
}

/** Evaluations of the network on single images. @param {Cost[]} steps */
export const evaluations = (steps) => steps.reduce((sum, { kind, n }) => sum + n * kind.batch, 0);

const RECENT = 3; // seconds: how far back a run looks for its pace, as in ui/machine/step_times.py

/** What is left of the weight of an earlier measurement, after one of so many seconds. @param {number} seconds */
export const recent = (seconds) => Math.exp(-seconds / RECENT);

/**
 * Seconds of computing after so many steps, null where that is not known.
 * @param {Cost[]} steps @param {(kind: StepKind) => number | null} seconds of one step @param {Map<string, number>} [done] by `keyOf`
 */
export function left(steps, seconds, done = new Map()) {
  let sum = 0;
  for (const { kind, n } of steps) {
    const one = seconds(kind);
    if (one === null) return null;
    sum += one * Math.max(0, n - (done.get(keyOf(kind)) ?? 0));
  }
  return sum;
}
