// The texts of the form of "Fill in what was erased": the part's title, and the labels and hints of its fields.

import { RUN } from "../../words/forms.js";

/** @import { FieldWords } from "../../words/forms.js" */

export const TITLE = "Fill in what was erased";

const METHODS = { ddnm: "DDNM", replacement: "Replacement", repaint: "RePaint", pigdm: "ΠGDM", dps: "DPS" };

/** @satisfies {Record<string, FieldWords>} */
export const FIELDS = {
  seed: { ...RUN.seed, help: "Of the sample, and of the completions' noise" },
  task: {
    title: "task",
    label: "What is left",
    titles: { mask: "Erased", downsample: "Small", grey: "No colour", blur: "Blurred" },
  },
  hidden: { title: "mask" },
  method: {
    title: "method",
    titles: METHODS,
    sentences: {
      ddnm: "Corrects each guess so that it fits the known part: quick",
      replacement: "Noises the known part to each step's level, and puts it into that step: the rest may not fit",
      repaint: "Like Replacement, but repeats each part of the chain ten times, so the rest fits: ten times as long",
      pigdm: "Follows the gradient of how well each guess fits: slow on a CPU",
      dps: "Like ΠGDM, with a simpler rule that fits less closely: slow on a CPU",
    },
  },
  method_b: { title: "second method", label: "Beside it", titles: { none: "nothing", ...METHODS } },
  count: { title: "The number of completions", label: "Completions" },
};
