// What quick sketches need: a student that draws them for a model, and a clock, which tests move by hand.

/** @import { Page } from "../app.js" */
/** @import { Values } from "../messages/client.js" */
/** now: in ms. @typedef {{ now: () => number, set: (act: () => void, ms: number) => number, clear: (timer: number) => void }} Clock */

/** @type {Clock} */
export const CLOCK = {
  now: () => performance.now(),
  set: (act, ms) => setTimeout(act, ms),
  clear: (timer) => clearTimeout(timer),
};

/**
 * The values with which a student draws the sketches of a model; null where the page has no student of it. A student has
 * learned one guidance, and no negative prompt.
 * @param {Page} page @param {Values} values
 */
export function student({ given, knowledge }, values) {
  const { checkpoint, guidance = "", negative } = values;
  const own = knowledge.catalogue.sketch(String(checkpoint));
  const isHere = given.models.some(({ ref, ready }) => ready && ref === own?.checkpoint);
  return own && isHere && guidance === "" && !negative ? { ...values, ...own } : null;
}
