// Two helpers for sketches (quick previews): the distilled model that draws them, and a clock that tests can replace.

/** @import { Page } from "../app.js" */
/** @import { Values } from "../messages/client.js" */
/** A clock with timers, in ms. @typedef {{ now: () => number, set: (act: () => void, ms: number) => number, clear: (timer: number) => void }} Clock */

/** @type {Clock} */
export const CLOCK = {
  now: () => performance.now(),
  set: (act, ms) => setTimeout(act, ms),
  clear: (timer) => clearTimeout(timer),
};

/**
 * Return the values with which a student (a distilled model) draws a sketch. Return null if the page has no student of
 * the model, or if the values set guidance or a negative prompt: a student has learned only one guidance.
 * @param {Page} page @param {Values} values
 */
export function student({ given, knowledge }, values) {
  const { checkpoint, guidance = "", negative } = values;
  const settings = knowledge.catalogue.sketch(String(checkpoint));
  const isHere = given.models.some(({ ref, ready }) => ready && ref === settings?.checkpoint);
  return settings && isHere && guidance === "" && !negative ? { ...values, ...settings } : null;
}
