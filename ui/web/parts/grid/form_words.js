// The texts of the form of "Grid": the part's title, and the labels of its fields.

/** @import { FieldWords } from "../../words/forms.js" */

export const TITLE = "Grid";

/** @satisfies {Record<string, FieldWords>} */
export const FIELDS = {
  rows: { title: "kind of rows", label: "A row for each" },
  columns: { title: "Columns", label: "A column for each number of steps", example: "5, 10, 50" },
  count: { title: "The number of pictures", label: "Pictures in a cell" },
};
