// The cost of lanes: the number of steps, and the division into strands, which several workers of a browser compute.

import { byKind, stepKind } from "./plan.js";

/** @import { Outline, Plan, StepKind } from "./plan.js" */
/** @import { SamplingPlan } from "./sampling.js" */
/** @import { Lane } from "./settings.js" */

/**
 * Return the plan of a run whose first `begin` steps were already computed in an earlier run.
 * @param {SamplingPlan} plan
 * @param {number} begin
 * @returns {SamplingPlan}
 */
export const continued = (plan, begin) => ({ ...plan, begin, ...costs(plan.lanes, plan.kinds, plan.shared, begin) });

/**
 * Return the steps and the strands of a run. `shared` and `begin` are those of `Lanes` in sampling.js.
 * @param {Lane[]} lanes @param {StepKind[]} kinds @param {number} shared
 * @returns {Pick<Plan, "steps" | "strands">}
 */
export function costs(lanes, kinds, shared, begin = 0) {
  const ofBoth = Math.max(0, shared - begin);
  const apart = lanes.map(
    ({ steps }, i) => /** @type {[StepKind, number]} */ ([kinds[i], steps - Math.max(shared, begin)]),
  );
  return {
    steps: byKind([stepKind(kinds[0].ref, kinds[0].batch), ofBoth], ...apart),
    strands: strandsOf(lanes, kinds, shared, begin),
  };
}

/**
 * Return a strand for each picture of each lane. If lane B shares steps with lane A, both lanes of a picture are one
 * strand.
 * @param {Lane[]} lanes @param {StepKind[]} kinds @param {number} shared @param {number} begin @returns {Outline[][]}
 */
function strandsOf(lanes, kinds, shared, begin) {
  const [{ count }] = lanes;
  const costs = lanes.map(({ steps }, lane) => ((steps - begin) * kinds[lane].batch) / count);
  const both = { cost: costs.reduce((sum, cost) => sum + cost), turn: 0, chains: lanes.length };
  const apart = costs.map((cost) => ({ cost, turn: 0 }));
  return [(shared ? [both] : apart).flatMap((strand) => Array(count).fill(strand))];
}

/** Return the kind of a lane's step k, which determines its cost; null if lane A computes the step for lane B. @param {SamplingPlan} plan @param {number} lane @param {number} k */
export function kindOf({ kinds, shared }, lane, k) {
  if (k >= shared) return kinds[lane];
  return lane === 0 ? stepKind(kinds[0].ref, kinds[0].batch) : null;
}
