// What quick sketches need: a distilled model that draws them in place of the chosen one, and a clock that tests can move.

/** @import { Page } from "../app.js" */
/** @import { Values } from "../messages/client.js" */
/** A clock in ms. @typedef {{ now: () => number, set: (act: () => void, ms: number) => number, clear: (timer: number) => void }} Clock */

/** @type {Clock} */
export const CLOCK = {
  now: () => performance.now(),
  set: (act, ms) => setTimeout(act, ms),
  clear: (timer) => clearTimeout(timer),
};

/**
 * The values with which a distilled model (a student) draws the sketches of a model. Null if the page has no student of it, or
 * if the values need another: a student has learned one guidance and no negative prompt.
 * @param {Page} page @param {Values} values
 */
export function student({ given, knowledge }, values) {
  const { checkpoint, guidance = "", negative } = values;
  const settings = knowledge.catalogue.sketch(String(checkpoint));
  const isHere = given.models.some(({ ref, ready }) => ready && ref === settings?.checkpoint);
  return settings && isHere && guidance === "" && !negative ? { ...values, ...settings } : null;
}
