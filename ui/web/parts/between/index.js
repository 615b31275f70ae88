// The part "Between words": a square of pictures that blend four prompts, one at each corner.

import { checkpoint, field, guidance, LETTERS, MORE, sampler, seed, steps } from "../../plans/forms.js";
import { FIELDS as BETWEEN, TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

/** Return the field for the prompt of a corner. */
const corner = (/** @type {"a" | "b" | "c" | "d"} */ name, /** @type {string} */ usual) =>
  field(name, "prompt", BETWEEN[name], usual, LETTERS);
const fields = [
  checkpoint({ help: BETWEEN.checkpoint.help }, "emoji-tiny"),
  corner("a", "red apple"),
  corner("b", "green frog"),
  corner("c", "yellow sun"),
  corner("d", "blue whale"),
  seed({}, BETWEEN.seed, 1),
  steps(20, { presets: [], ...MORE }),
  sampler("ddim"),
  guidance({ shown_if: null }),
];

/** @type {PagePart} */
export const between = {
  place: "compare",
  title: TITLE,
  fields,
  figure: () => ({ name: "words" }),
};
