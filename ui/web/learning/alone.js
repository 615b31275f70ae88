// Allow only one training at a time in all windows of a browser, because two trainings would share the computer's
// cores and each would take twice as long.

import { UserError } from "../process/errors.js";
import { ELSEWHERE } from "../words/learning.js";

/**
 * Take the browser's training lock for this window. Throws a UserError if another window holds it.
 * @param {LockManager} [locks] undefined in a browser without locks
 * @returns {Promise<() => void>} a function that releases the lock
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
