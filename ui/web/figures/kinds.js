// The figures by their names. Each comes when a page shows it.

/** @import { Figure, Controls } from "./figure.js" */

/**
 * Fills the body of a figure, and says what can be set. update: draws it for another picture of the reader; it is called once
 * at first.
 * @typedef {(figure: Figure) => { controls: Controls, update?: () => unknown }} Kind
 */

/** @type {Record<string, () => Promise<Kind>>} */
export const KINDS = {
  pad: async () => (await import("./kinds/pad.js")).pad,
  noise: async () => (await import("./kinds/noise.js")).noise,
  guess: async () => (await import("./kinds/guess.js")).guess,
  jump: async () => (await import("./kinds/jump.js")).jump,
  step: async () => (await import("./kinds/step.js")).step,
  inside: async () => (await import("./kinds/inside.js")).inside,
  words: async () => (await import("./kinds/words.js")).words,
  learned: async () => (await import("./kinds/learned.js")).learned,
  few: async () => (await import("./kinds/few.js")).few,
  same: async () => (await import("./kinds/same.js")).same,
  card: async () => (await import("./kinds/card.js")).card,
};
