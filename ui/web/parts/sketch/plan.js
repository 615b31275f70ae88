// The planner of a sketch: a run with one lane.

import { ofLanes } from "../../plans/sampling.js";
import { laneOf, plain } from "../../plans/settings.js";

export const planner = ofLanes((request) => [plain(laneOf(request))]);
