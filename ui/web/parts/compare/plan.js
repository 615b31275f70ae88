// A run of A and B: two lanes.

import { NAMES_IN_B } from "../../plans/forms.js";
import { hasOwn, ofLanes } from "../../plans/sampling.js";
import { laneOf, plain } from "../../plans/settings.js";

/** @import { Request } from "../../plans/plan.js" */
/** @import { Lane } from "../../plans/settings.js" */

/** @param {Request} request @returns {Lane[]} */
function lanesOf(request) {
  const lane = laneOf(request);
  const ofB = NAMES_IN_B.filter((name) => hasOwn(request, name)).map((name) => [name, request[`${name}_b`]]);
  return [plain(lane), plain({ ...lane, ...Object.fromEntries(ofB) })];
}

export const planner = ofLanes(lanesOf);

export const files = () => import("../../files/save.js");
