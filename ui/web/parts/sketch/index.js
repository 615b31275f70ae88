// A sketch: a picture of a few steps, while a visitor types. It has no place in the page: Watch and Between words draw it.

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
