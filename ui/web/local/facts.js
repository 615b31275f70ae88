// Converts the facts of a checkpoint, which ui/static has written to a file, so that the page can use them before it
// loads the model.
import { COUNT, defaultCount } from "../plans/facts.js";
import { schedule } from "../process/schedule.js";

/** @import { CheckpointFacts, FactsAnswer, Home, ShippedSet, Sidecars, Spec } from "../messages/protocol.d.ts" */

/**
 * The facts of a checkpoint, as ui/static writes them. own: for a model that was trained in this browser, its files by
 * path.
 * @typedef {{ spec: Spec | null, home: Home | null, set?: ShippedSet | null, colours: number[][] | null, scheduler: any, sidecars: Sidecars | null, root?: string, commit?: string, own?: Map<string, Uint8Array<ArrayBuffer>>, files: Record<string, import("./files/store.js").Entry> }} WrittenFacts
 */

/**
 * Return the facts of a model, null if they are unknown. If `scheduler` is the content of a scheduler_config.json,
 * compute the noise schedule from it.
 * @param {WrittenFacts} known @returns {CheckpointFacts | null}
 */
export function factsIn({ spec, home, scheduler, sidecars, colours }) {
  if (!spec || !home || !sidecars) return null;
  const { T, beta, alphaBar, exploding } = scheduler.alphaBar ? scheduler : schedule(scheduler);
  return { spec, home, scheduler: { T, beta: [...beta], alphaBar: [...alphaBar], exploding }, sidecars, colours };
}

/**
 * Return the answer to the page's request for the facts of a model.
 * @param {string} ref @param {WrittenFacts} known @param {number | null} pace seconds for a step of one picture, null
 * if unknown
 * @param {boolean} isOwn whether the model comes with the lab @param {number} download bytes
 * @returns {FactsAnswer}
 */
export function factsAnswer(ref, known, pace, isOwn, download) {
  const count = defaultCount(pace === null ? null : pace * COUNT, isOwn);
  return { ref, count, download, facts: factsIn(known), set: known.set };
}
