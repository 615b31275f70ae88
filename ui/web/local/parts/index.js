// The parts whose computations are computed here. Those that the first page does not need are loaded when they are asked for.
import { once } from "../checkpoints.js";
import { sampling } from "./sampling.js";

/** @import { Planner } from "../../plans/plan.js" */
/** @import { Checkpoints, Loaded } from "../checkpoints.js" */
/** @import { Run } from "../jobs.js" */
/** @typedef {(values: any) => any} Answer */

/**
 * What is computed of a request. record: what is kept for files of a plan, as work.recording while it computes, and as
 * files/ need it.
 * @typedef {object} Computation
 * @property {Planner<any>} planner
 * @property {(plan: any) => any} record
 * @property {(plan: any, models: Loaded[], work: Run) => Promise<void>} compute models: of each of the planner's refs
 */

/** computation: of a request of the form of that name. questions: quick ones, by their names. @typedef {{ computation?: (part: string) => Computation, questions?: Record<string, Answer> }} Part */

/** @param {string} sentence @returns {Part} a part that says why it computes nothing here */
function absent(sentence) {
  const refuse = () => {
    throw new Error(sentence);
  };
  return { computation: refuse, questions: { look: refuse, start: refuse } };
}

/** @param {Checkpoints} checkpoints @returns {(name: string) => Promise<Part>} */
export function parts(checkpoints) {
  const { installed } = checkpoints.knowledge.answers;
  const watch = async () => sampling;
  /** @type {Record<string, () => Promise<Part>>} */
  const makers = {
    ...{ watch, compare: watch, grid: watch },
    latents: once(async () => (await import("./latents.js")).latents(checkpoints)),
    repair: once(async () => (await import("./repair.js")).repair(checkpoints)),
    between: once(async () => (await import("./between.js")).between(checkpoints)),
    network: once(async () => (await import("./network.js")).network()),
    plane: once(async () => (await import("./plane.js")).plane(checkpoints)),
    forward: once(async () => (await import("./forward.js")).forward(checkpoints)),
    likelihood: async () => absent(installed.likelihood),
    train: async () => absent(installed.train),
    course: async () => ({ questions: { cards: () => checkpoints.read("cards.json") } }),
  };
  return (name) => makers[name]();
}
