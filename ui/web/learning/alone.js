// One training at a time in all windows of a browser: two would share its cores, and each would take twice as long.

import { UserError } from "../process/errors.js";
import { ELSEWHERE } from "../words/learning.js";

/**
 * Take the right to train in this window. Throws a UserError where another window of this browser trains.
 * @param {LockManager} [locks] of the browser, where it has them
 * @returns {Promise<() => void>} gives the right back
 */
export async function alone(locks = navigator.locks) {
  if (!locks) return () => {};
  /** @type {(() => void) | null} */
  const release = await new Promise((resolve) => {
    locks.request("lab-training", { ifAvailable: true }, (lock) =>
      lock ? new Promise((release) => resolve(() => release(undefined))) : resolve(null),
    );
  });
  if (!release) throw new UserError(ELSEWHERE);
  return release;
}
