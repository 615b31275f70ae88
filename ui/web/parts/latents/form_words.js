// The texts of the form of "How much a noisy picture still knows": the part's title, and the labels and hints of its
// fields.

import { RUN } from "../../words/forms.js";

/** @import { FieldWords } from "../../words/forms.js" */

export const TITLE = "How much a noisy picture still knows";

/** @satisfies {Record<string, FieldWords>} */
export const FIELDS = {
  mode: {
    title: "mode",
    label: "What to do",
    titles: { reconstruct: "Reconstruct", interpolate: "Interpolate" },
  },
  seed: { ...RUN.seed, help: "Of the first picture and its noise; the rows have the next ones" },
  seed_b: { ...RUN.seed, title: "The second seed", help: "Of the second picture, and of its noise" },
  times: {
    title: "Times",
    label: "Times t",
    help: "A row for each time: T is only noise, 0 is the picture",
    placeholder: "1000, 750, σ 10",
    example: "750, 500, 250",
  },
  count: { title: "The number of columns", label: "Columns" },
};
