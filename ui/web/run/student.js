// Who draws quick sketches in the place of a model.

/** @import { Page } from "../app.js" */
/** @import { Values } from "../messages/client.js" */

/**
 * The values with which a student of the model draws its sketches, null where there is none on this page. Its guidance
 * towards the words is inside: it has neither another guidance nor a negative prompt.
 * @param {Page} page @param {Values} values
 */
export function student({ given, knowledge }, values) {
  const { checkpoint, guidance = "", negative } = values;
  const own = knowledge.catalogue.sketch(String(checkpoint));
  const isHere = given.models.some(({ ref, ready }) => ready && ref === own?.checkpoint);
  return own && isHere && guidance === "" && !negative ? { ...values, ...own } : null;
}
