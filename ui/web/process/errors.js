/**
 * An error that the visitor can correct. Its message says what is wrong and what to do. Any other error is a fault of the
 * program: see `failure` of words/units.js.
 */
export class UserError extends Error {}

/**
 * Return a function for `catch` that writes the error to the console and returns `instead`, so that the page goes on.
 * @template [T=null] @param {string} what the missing thing, such as "the digits" @param {T} [instead] null by default
 */
export const continueWithout =
  (what, instead = /** @type {any} */ (null)) =>
  (/** @type {unknown} */ error) => {
    console.warn(`Going on without ${what}:`, error);
    return instead;
  };
