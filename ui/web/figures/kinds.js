// The figures by their names. The module of a figure loads when a page shows the figure.

/** @import { Figure, Controls } from "./figure.js" */

/**
 * A function that fills the body of a figure and returns its controls. update: draws the figure for the reader's
 * picture; it is called at the start and after each change of this picture.
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
