// The texts of the form of "Between words": the part's title, and the labels and hints of its fields.

import { RUN } from "../../words/forms.js";

/** @import { FieldWords } from "../../words/forms.js" */

export const TITLE = "Between words";

/** @satisfies {Record<string, FieldWords>} */
export const FIELDS = {
  checkpoint: { ...RUN.checkpoint, help: "A text-to-image model" },
  a: { title: "The prompt top left", label: "Top left", placeholder: "a red apple" },
  b: { title: "The prompt top right", label: "Top right", placeholder: "a red apple" },
  c: { title: "The prompt bottom left", label: "Bottom left", placeholder: "a red apple" },
  d: { title: "The prompt bottom right", label: "Bottom right", placeholder: "a red apple" },
  seed: { ...RUN.seed, help: "The same seed gives the same noise" },
};
