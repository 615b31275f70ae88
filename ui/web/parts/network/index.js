// The form of the part "The network", which shows what each block of a U-Net computes in each step.

import { count, field, IF_CLASSES, IF_WORDS, NEVER, run, sampler, steps } from "../../plans/forms.js";
import { RUN } from "../../words/forms.js";
import { FIELDS as NETWORK, TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

const hidden = { shown_if: NEVER };
const fields = [
  ...run({ steps: steps(20), sampler: sampler("ddim"), count: count({ title: RUN.count.title }, 1, 1, 1, hidden) }),
  field("off", "text", NETWORK.off, "", hidden),
  field("graft", "text", NETWORK.graft, "", { shown_if: [...IF_CLASSES, ...IF_WORDS] }),
  field("graft_block", "text", NETWORK.graft_block, "middle", hidden),
  field("first", "whole", NETWORK.first, 1, { low: 1, high: 1_000_000, ...hidden }),
  field("last", "whole", NETWORK.last, 0, { low: 0, high: 1_000_000, ...hidden }),
  field("block", "text", NETWORK.block, "middle", hidden),
  field("place", "text", NETWORK.place, "", hidden),
];

/** @type {PagePart} */
export const network = {
  place: "inside",
  title: TITLE,
  fields,
  figure: () => ({ name: "inside" }),
};
