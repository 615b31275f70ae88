// The parts whose computations are computed here. Those that the first page does not need are loaded when they are asked for.
import { UserError } from "../../process/errors.js";
import { NEEDS_SERVER } from "../../words/units.js";
import { once } from "../files/store.js";
import { sampling } from "./sampling.js";

/** @import { Checkpoints, Loaded } from "../checkpoints.js" */
/** @import { From, Run } from "../jobs.js" */
/** @import { Chains } from "../pool.js" */
/** @typedef {(values: any) => any} Answer */

/**
 * How a plan is computed. record: what is kept for its files, as work.recording while it computes, and as files/ need it.
 * after: the rest of a plan that begins at a state of an earlier run; null if that is not kept. chains: the steps of its strands, where given is what only earlier phases have found. Whatever they give follows from these
 * arguments alone.
 * @typedef {object} Computation
 * @property {(plan: any) => any} record
 * @property {(plan: any, from: From) => any} [after]
 * @property {(plan: any, models: Loaded[], phase: number, given: any) => Chains} [chains]
 * @property {(plan: any, models: Loaded[], work: Run) => Promise<void>} compute models: of each of the plan's refs
 */

/** questions: quick ones, by their names. @typedef {{ computation?: Computation, questions?: Record<string, Answer> }} Part */

/** The models are loaded, and nothing is computed. @type {Part} */
const fetching = { computation: { record: () => null, compute: async () => {} } };

/** @param {Checkpoints} checkpoints @returns {(name: string) => Promise<Part>} */
export function parts(checkpoints) {
  const watch = async () => sampling;
  /** @type {Record<string, () => Promise<Part>>} */
  const makers = {
    ...{ watch, compare: watch, grid: watch },
    fetch: async () => fetching,
    sketch: once(async () => (await import("./sketch.js")).sketching),
    latents: once(async () => (await import("./latents.js")).latents),
    repair: once(async () => (await import("./repair.js")).repair),
    between: once(async () => (await import("./between.js")).between),
    network: once(async () => (await import("./network.js")).network),
    plane: once(async () => (await import("./plane.js")).plane),
    course: async () => ({ questions: { cards: () => checkpoints.read("cards.json") } }),
  };
  return async (name) => {
    if (!Object.hasOwn(makers, name)) throw new UserError(NEEDS_SERVER);
    return makers[name]();
  };
}
