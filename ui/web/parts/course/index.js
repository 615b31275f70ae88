// The part "Course": lessons, and cards with further ideas. It has no form.

/** @import { PagePart } from "../index.js" */

/** @type {PagePart} */
export const course = {
  place: "course",
};
