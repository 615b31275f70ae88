// The texts of the form of "What noise destroys": the part's title, and the labels and hints of its fields.

import { RUN } from "../../words/forms.js";

/** @import { FieldWords } from "../../words/forms.js" */

export const TITLE = "What noise destroys";

/** @satisfies {Record<string, FieldWords>} */
export const FIELDS = {
  picture: { title: "picture" },
  schedule: {
    title: "schedule",
    help: "How the variance βₜ of each small step grows",
    sentences: {
      linear: "βₜ in a straight line, as in the paper",
      cosine: "ᾱₜ follows cos²: keeps the picture longer",
      quadratic: "√βₜ in a straight line: gentler start",
    },
  },
  t: { title: "Time", label: "Time t", help: "How many of the 1000 small steps of noise" },
  seed: { ...RUN.seed, label: "Noise", help: "ε: a draw of N(0, 1) for each pixel and colour, fixed by its seed" },
};
