// The facts of a checkpoint that the page has before it loads the model: ui/static has written them to a file.
import { COUNT, defaultCount } from "../plans/facts.js";
import { schedule } from "../process/schedule.js";

/** @import { CheckpointFacts, FactsAnswer, Home, ShippedSet, Sidecars, Spec } from "../messages/protocol.d.ts" */

/** The facts of a checkpoint, as ui/static writes them. own: the files of a model that was trained in this browser, by path. @typedef {{ spec: Spec | null, home: Home | null, set?: ShippedSet | null, colours: number[][] | null, scheduler: any, sidecars: Sidecars | null, root?: string, commit?: string, own?: Map<string, Uint8Array<ArrayBuffer>>, files: Record<string, import("./files/store.js").Entry> }} WrittenFacts */

/** Return the facts of a model, null if they are unknown. If `scheduler` is a scheduler_config.json, the schedule is computed from it. @param {WrittenFacts} known @returns {CheckpointFacts | null} */
export function factsIn({ spec, home, scheduler, sidecars, colours }) {
  if (!spec || !home || !sidecars) return null;
  const { T, beta, alphaBar, exploding } = scheduler.alphaBar ? scheduler : schedule(scheduler);
  return { spec, home, scheduler: { T, beta: [...beta], alphaBar: [...alphaBar], exploding }, sidecars, colours };
}

/**
 * Return the answer to the page's request for the facts of a model. pace: seconds of a step of one picture, null if unknown.
 * @param {string} ref @param {WrittenFacts} known @param {number | null} pace @param {boolean} isOwn @param {number} download bytes
 * @returns {FactsAnswer}
 */
export function factsAnswer(ref, known, pace, isOwn, download) {
  const count = defaultCount(pace === null ? null : pace * COUNT, isOwn);
  return { ref, count, download, facts: factsIn(known), set: known.set };
}
