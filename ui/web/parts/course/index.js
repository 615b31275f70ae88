// Course: lessons, and cards that go deeper.

/** @import { PagePart } from "../index.js" */

/** @type {PagePart} */
export const course = {
  place: "course",
};
