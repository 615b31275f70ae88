// A clock, which tests move by hand.

/** now: in ms. @typedef {{ now: () => number, set: (act: () => void, ms: number) => number, clear: (timer: number) => void }} Clock */

/** @type {Clock} */
export const CLOCK = {
  now: () => performance.now(),
  set: (act, ms) => setTimeout(act, ms),
  clear: (timer) => clearTimeout(timer),
};
