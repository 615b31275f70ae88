// The planner of "A and B": a run with two lanes (chains with their own settings).

import { NAMES_IN_B } from "../../plans/forms.js";
import { hasOwn, ofLanes } from "../../plans/sampling.js";
import { laneOf, plain } from "../../plans/settings.js";

/** @import { Request } from "../../plans/plan.js" */
/** @import { Lane } from "../../plans/settings.js" */

/** Return lanes A and B. Lane B has lane A's settings, except those that the request sets for B. @param {Request} request @returns {Lane[]} */
function lanesOf(request) {
  const lane = laneOf(request);
  const ofB = NAMES_IN_B.filter((name) => hasOwn(request, name)).map((name) => [name, request[`${name}_b`]]);
  return [plain(lane), plain({ ...lane, ...Object.fromEntries(ofB) })];
}

export const planner = ofLanes(lanesOf);

/** Import the module that writes the run's files. */
export const files = () => import("../../files/save.js");
