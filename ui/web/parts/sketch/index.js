// The part "sketch": a quick picture in a few steps, drawn while the visitor types. The part "Watch" shows the picture.

import { pictures, run, sampler, spacing, steps } from "../../plans/forms.js";

/** @import { PagePart } from "../index.js" */

const fields = run({
  steps: steps(4),
  sampler: sampler("unipc"),
  spacing: spacing("trailing"),
  count: pictures(1),
});

/** @type {PagePart} */
export const sketch = {
  fields,
};
