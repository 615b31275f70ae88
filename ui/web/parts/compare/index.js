// The part "A and B": two lanes (runs with their own settings) that begin with the same noise.

import { lanes, OF_LANE_B, run, steps, variance } from "../../plans/forms.js";
import { TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

const fields = lanes([...run({ steps: steps(10), variance: variance("beta") }), ...OF_LANE_B]);

/** @type {PagePart} */
export const compare = {
  place: "compare",
  title: TITLE,
  fields,
  figure: () => ({ name: "step" }),
};
