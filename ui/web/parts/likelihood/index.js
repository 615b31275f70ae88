// The part "How many bits does a picture need?": it measures the model's bound (Eq. 5) on pictures of a test set, or on
// a picture of the visitor.

import { checkpoint, count, field, label, picture } from "../../plans/forms.js";
import { FIELDS as LIKELIHOOD, TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

const fields = [
  checkpoint(),
  picture(),
  count(LIKELIHOOD.count, 8, 1, 64, { shown_if: [{ picture: false }] }),
  field("labels", "choice", LIKELIHOOD.labels, "classes", {
    names: ["classes", "none"],
    shown_if: [{ picture: false, model: "classes" }],
  }),
  label({ shown_if: [{ picture: true, model: "classes" }] }),
];

/** @type {PagePart} */
export const likelihood = {
  place: "inside",
  title: TITLE,
  fields,
};
