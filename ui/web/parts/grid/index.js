// The part "Grid": a run for each combination of a number of steps with a variance, or with a sampler.

import { count, field, NEVER, options, run, sampler, steps, variance } from "../../plans/forms.js";
import { FIELDS as GRID, TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

export const SAMPLERS_OF_ROWS = ["ddpm", "ddim", "dpm++", "unipc"];
const IF_ROWS = [{ rows: "sampler" }];
const fields = [
  ...run({
    steps: steps(50, { shown_if: NEVER }),
    variance: variance("beta_tilde", { shown_if: IF_ROWS }),
    sampler: sampler("ddpm", { shown_if: NEVER }),
    options: options(SAMPLERS_OF_ROWS).map((each) => ({ ...each, shown_if: IF_ROWS })),
    count: count(GRID.count, 1, 1, 4),
  }),
  field("rows", "choice", GRID.rows, "variance", { names: ["variance", "sampler"] }),
  field("columns", "wholes", GRID.columns, "5, 10, 20, 50, 200", { most: 8 }),
];

/** @type {PagePart} */
export const grid = {
  place: "compare",
  title: TITLE,
  fields,
};
