// The texts around the square of "Between words".

import { countOfSteps } from "../../words/units.js";

export const WORDS = {
  lead: "All 49 pictures begin with the same noise. Between the corners, the network receives a mixture of the four prompts.",
  picture: (/** @type {string} */ mixture) => `A picture of ${mixture}`,
  square: "A square between four words: arrow keys move through it",
  film: "Film of your walk (GIF)",
  sketches: (/** @type {unknown} */ steps) => `Quick sketches in ${countOfSteps(Number(steps))}`,
  still: "The other pictures are still quick sketches.",
};
