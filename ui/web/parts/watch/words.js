// The texts of the part "Watch": suggestions, changes by hand, and sketches of typed words.

import { countOfSteps } from "../../words/units.js";

export const WORDS = {
  types: "Draw what I type",
  tour: (/** @type {number} */ minutes) => `Take the ${minutes}-minute tour`,
  seven: "Draw a 7",
  square: "Mix four words",
  own: "My own picture",
  draw: "Draw my own",
  grain: "Why grainy?",
};

/** The texts for changing a picture by hand. */
export const TOUCH = {
  /** The titles of the brushes, by the change that they make. The visitor chooses the colour of "colour". */
  tools: {
    noise: "Add noise",
    clean: "Take noise away",
    "0.0.0": "Black",
    "255.255.255": "White",
    colour: "Colour",
  },
  apart: "|A − B|, mean of all pixels in grey levels",
  keys: "Brush for xₜ: arrow keys move it, Space paints, + and − change its size, Z undoes",
  colour: "Colour of the brush",
  undo: "Undo",
  full: "There is no room for more strokes. Undo one first.",
  hint: "Paint on the picture",
  spoken: "Change the picture now",
  title: "Change the picture halfway",
  size: "Size",
  strength: "Strength",
  start: (/** @type {number} */ t) => `t ${t}, changed`,
};

/** The texts about sketches of a prompt. */
export const TYPING = {
  waits: "This run continues. Your prompt is drawn after it.",
  sketch: (/** @type {unknown} */ steps) => `Quick sketch in ${countOfSteps(Number(steps))}`,
};
