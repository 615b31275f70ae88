import { el } from "../shared/dom.js";

/** @import { Lab, Part } from "../app.js" */

/** @param {Lab} _lab @param {string} part @returns {Part} */
export function mount(_lab, part) {
  return { element: el("section", { class: "part" }, part), set: () => {} };
}
