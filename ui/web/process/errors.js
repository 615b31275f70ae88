/**
 * What a visitor can mend. Its message is a sentence for people, which says how. Every other error is a fault of ours: see
 * `failure` of words/units.js.
 */
export class UserError extends Error {}

/**
 * What `catch` takes of a promise that the page can do without: the error goes to the console, and `instead` takes its place.
 * @template [T=null] @param {string} what is missing now, such as "the digits" @param {T} [instead] null by default
 */
export const without =
  (what, instead = /** @type {any} */ (null)) =>
  (/** @type {unknown} */ error) => {
    console.warn(`Going on without ${what}:`, error);
    return instead;
  };
