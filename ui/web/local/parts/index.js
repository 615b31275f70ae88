// The parts of the page in the worker: Python's places, whose computations are computed here.
import { $ } from "../python.js";
import { sampling } from "./sampling.js";

/** @import { Lab } from "../lab.js" */

/** @param {Lab} lab @returns {Record<string, any>} each by the name of its part; "lab" has what belongs to none */
export function parts(lab) {
  const { SamplingPlace } = $.module("ui.places.sampling");
  SamplingPlace.prototype.computation = sampling();
  const watch = new SamplingPlace(lab);
  return { watch, compare: watch, grid: watch, lab: { questions: {} } };
}
