// The form of the part "Watch", which shows how a picture develops from noise.

import { field, IF_WORDS, MORE, run } from "../../plans/forms.js";
import { RUN } from "../../words/forms.js";

/** @import { PagePart } from "../index.js" */

const SHARED = field("attention", "switch", RUN.attention, false, { shown_if: IF_WORDS, ...MORE });
const fields = [...run(), SHARED, field("touch", "picture", RUN.touch, "", { holds: "strokes" })];

/** @type {PagePart} */
export const watch = {
  place: "watch",
  fields,
  figure: () => ({ name: "jump" }),
};
