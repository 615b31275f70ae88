// The texts of the form of "How many bits does a picture need?": the part's title, and the labels and hints of its
// fields.

/** @import { FieldWords } from "../../words/forms.js" */

export const TITLE = "How many bits does a picture need?";

/** @satisfies {Record<string, FieldWords>} */
export const FIELDS = {
  count: { title: "The number of pictures", label: "How many pictures" },
  labels: {
    title: "kind of labels",
    label: "Classes",
    help: "The condition that the model gets for each picture",
    titles: { classes: "their own", none: "none" },
  },
};
