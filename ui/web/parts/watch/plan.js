// Plans a run of the part "Watch": one lane (a chain), and a second lane if the visitor changes the picture halfway.

import { ofLanes } from "../../plans/sampling.js";
import { laneOf, plain } from "../../plans/settings.js";

/** @import { Request } from "../../plans/plan.js" */
/** @import { Lane } from "../../plans/settings.js" */

/** Return the lane of a request. If the visitor has changed the picture, return a second lane with the changes, too. @param {Request} request @returns {Lane[]} */
function lanesOf(request) {
  const lane = plain(laneOf(request));
  return request.touch.length ? [lane, { ...lane, touch: request.touch }] : [lane];
}

export const planner = ofLanes(lanesOf);

/** Load the module that saves results. */
export const files = () => import("../../files/save.js");
