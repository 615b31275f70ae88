// Grid: a run for each number of steps, and for each way to choose the noise or to step.

import { count, eta, field, NEVER, run, sampler, steps, variance } from "../../plans/forms.js";
import { FIELDS as GRID, TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

const IF_ROWS = [{ rows: "sampler" }];
const fields = [
  ...run({
    steps: steps(50, { shown_if: NEVER }),
    variance: variance("beta_tilde", { shown_if: IF_ROWS }),
    sampler: sampler("ddpm", { shown_if: NEVER }),
    eta: eta({ shown_if: IF_ROWS }),
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
