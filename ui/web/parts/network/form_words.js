// The title of the part "The network", and the titles of the form fields that only this part has.

/** @import { FieldWords } from "../../words/forms.js" */

export const TITLE = "The network";

/** @satisfies {Record<string, FieldWords>} */
export const FIELDS = {
  off: { title: "What is switched off" },
  graft: { title: "The graft" },
  graft_block: { title: "The block of the graft" },
  first: { title: "The first step without it" },
  last: { title: "The last step without it" },
  block: { title: "The block" },
  place: { title: "The position" },
};
