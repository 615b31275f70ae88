// The parts whose computations are computed here. Those that the first page does not need are loaded when they are asked for.
import { once } from "../files/store.js";
import { sampling } from "./sampling.js";

/** @import { Planner } from "../../plans/plan.js" */
/** @import { Checkpoints, Loaded } from "../checkpoints.js" */
/** @import { Run } from "../jobs.js" */
/** @import { Chains, Outline } from "../pool.js" */
/** @typedef {(values: any) => any} Answer */

/**
 * What is computed of a request. record: what is kept for files of a plan, as work.recording while it computes, and as
 * files/ need it. strands: what several workers can compute, of each of its phases, which come one after another; chains: their
 * steps, where given is what only earlier phases have found. Whatever they give follows from these arguments alone.
 * @typedef {object} Computation
 * @property {Planner<any>} planner
 * @property {(plan: any) => any} record
 * @property {(plan: any) => Outline[][]} [strands]
 * @property {(plan: any, models: Loaded[], phase: number, given: any) => Chains} [chains]
 * @property {(plan: any, models: Loaded[], work: Run) => Promise<void>} compute models: of each of the planner's refs
 */

/** computation: of a request of the form of that name. questions: quick ones, by their names. @typedef {{ computation?: (part: string) => Computation, questions?: Record<string, Answer> }} Part */

/** @param {Checkpoints} checkpoints @returns {(name: string) => Promise<Part>} */
export function parts(checkpoints) {
  const watch = async () => sampling;
  /** @type {Record<string, () => Promise<Part>>} */
  const makers = {
    ...{ watch, compare: watch, grid: watch },
    sketch: once(async () => (await import("./sketch.js")).sketching),
    latents: once(async () => (await import("./latents.js")).latents(checkpoints)),
    repair: once(async () => (await import("./repair.js")).repair(checkpoints)),
    between: once(async () => (await import("./between.js")).between(checkpoints)),
    network: once(async () => (await import("./network.js")).network()),
    plane: once(async () => (await import("./plane.js")).plane(checkpoints)),
    forward: once(async () => (await import("./forward.js")).forward(checkpoints)),
    course: async () => ({ questions: { cards: () => checkpoints.read("cards.json") } }),
  };
  return (name) => makers[name]();
}
