// The planner of a sketch (a quick preview): a run with one chain.

import { ofLanes } from "../../plans/sampling.js";
import { laneOf, plain } from "../../plans/settings.js";

export const planner = ofLanes((request) => [plain(laneOf(request))]);
