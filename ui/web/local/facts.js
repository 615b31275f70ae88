// What the page learns of a checkpoint from what ui/static knows of it, before it is loaded.
import { COUNT, defaultCount } from "../plans/facts.js";
import { schedule } from "../process/schedule.js";

/** @import { CheckpointFacts, FactsAnswer, Home, ShippedSet, Sidecars, Spec } from "../messages/protocol.d.ts" */

/** The facts of a checkpoint that ui/static wrote. own: the files of a model that was trained in this browser. @typedef {{ spec: Spec | null, home: Home | null, set?: ShippedSet | null, colours: number[][] | null, scheduler: any, sidecars: Sidecars | null, root?: string, commit?: string, own?: Map<string, Uint8Array<ArrayBuffer>>, files: Record<string, import("./files/store.js").Entry> }} WrittenFacts */

/** The facts of a model, null before they are known; its schedule may come as its scheduler_config.json. @param {WrittenFacts} known @returns {CheckpointFacts | null} */
export function factsIn({ spec, home, scheduler, sidecars, colours }) {
  if (!spec || !home || !sidecars) return null;
  const { T, beta, alphaBar, exploding } = scheduler.alphaBar ? scheduler : schedule(scheduler);
  return { spec, home, scheduler: { T, beta: [...beta], alphaBar: [...alphaBar], exploding }, sidecars, colours };
}

/**
 * The answer to the page's question. pace: seconds of one picture's step, null where that is not known.
 * @param {string} ref @param {WrittenFacts} known @param {number | null} pace @param {boolean} isOwn @param {number} download bytes
 * @returns {FactsAnswer}
 */
export function factsAnswer(ref, known, pace, isOwn, download) {
  const count = defaultCount(pace === null ? null : pace * COUNT, isOwn);
  return { ref, count, download, facts: factsIn(known), set: known.set };
}
