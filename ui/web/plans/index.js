// The planner of each part. A planner is loaded when it is first needed, so that the page opens sooner.

/** @import { Order } from "../messages/client.js" */
/** @import { Planner } from "./plan.js" */

const sampling = () => import("./sampling.js");
/** @type {Record<string, () => Promise<Planner<any>>>} */
const PLANNERS = {
  watch: async () => (await sampling()).watch,
  compare: async () => (await sampling()).compare,
  grid: async () => (await sampling()).grid,
  sketch: async () => (await sampling()).sketch,
  latents: async () => (await import("../parts/latents/plan.js")).planner,
  repair: async () => (await import("../parts/repair/plan.js")).planner,
  between: async () => (await import("../parts/between/plan.js")).planner,
  network: async () => (await import("../parts/network/plan.js")).planner,
  plane: async () => (await import("../parts/plane/plan.js")).planner,
  likelihood: async () => (await import("../parts/likelihood/plan.js")).planner,
};

/** @param {string} part */
export const plannerOf = (part) => PLANNERS[part]();

/** The order that only fetches models: before their files are here, there are no facts to plan a run with. @param {string[]} refs @returns {Order} */
export const fetching = (refs) => ({
  part: "fetch",
  plan: { request: {}, refs, images: 0, steps: [] },
  asked: { refs },
  shown: (result) => result,
});
