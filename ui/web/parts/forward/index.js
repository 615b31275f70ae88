// The part "What noise destroys": the forward process, which turns a picture into noise. No model is needed.

import { capitals, field, seed } from "../../plans/forms.js";
import { FIELDS as FORWARD, TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

const DRAWINGS = ["lighthouse", "cat", "balloon", "flower"]; // names of files in examples/drawings
const SCHEDULES = ["linear", "cosine", "quadratic"];
const fields = [
  field("picture", "choice", FORWARD.picture, "lighthouse", { names: DRAWINGS }),
  field("schedule", "choice", FORWARD.schedule, "linear", {
    names: SCHEDULES,
    titles: capitals(SCHEDULES),
  }),
  field("t", "whole", FORWARD.t, 250, { low: 0, high: 1000, slider: true }),
  seed({}, FORWARD.seed),
];

/** @type {PagePart} */
export const forward = {
  place: "inside",
  title: TITLE,
  fields,
  figure: ({ t }) => ({ name: "noise", t: String(t) }),
};
