// What is asked of a part: its request, its plan as soon as the models are known, and what is said of it before it runs.
import { check } from "../plans/fields.js";
import { left } from "../plans/plan.js";
import { gain } from "./pool.js";

/** @import { Request } from "../plans/plan.js" */
/** @import { RunCost } from "../messages/protocol.d.ts" */
/** @import { Checkpoints } from "./checkpoints.js" */
/** @import { Computation, Part } from "./parts/index.js" */
/** @import { Pool } from "./pool.js" */

/** What is asked for, with what its plan wants at once. @param {Checkpoints} checkpoints @param {Part} its @param {string} part @param {Record<string, unknown>} values */
export async function asked(checkpoints, its, part, values) {
  if (!its.computation) throw new Error("Nothing is computed here");
  const computation = its.computation(part);
  const request = check(checkpoints.forms[part], values);
  const refs = computation.planner.refs(request);
  await Promise.all([
    computation.planner.prepare?.(request),
    checkpoints.prepare(request),
    ...refs.map((ref) => checkpoints.learn(ref)),
  ]);
  return { computation, request };
}

/** How long a run takes. @param {Pool} pool @param {Part} its @param {string} part @param {Record<string, unknown>} values @returns {Promise<RunCost>} */
export async function cost(pool, its, part, values) {
  const { checkpoints } = pool;
  const { computation, request } = await asked(checkpoints, its, part, values);
  const { planner } = computation;
  const plan = planned(checkpoints, computation, request);
  const one = plan && left(plan.steps, checkpoints.pace);
  const refs = planner.refs(request);
  const seconds = one && one / gain(plan, computation.strands?.(plan) ?? [], pool.limit(refs));
  const missing = await Promise.all(refs.map(async (ref) => ({ ref, bytes: await checkpoints.missing(ref) })));
  return { seconds, missing: missing.filter(({ bytes }) => bytes), device: "CPU", busy: false };
}

/** The plan of a request, null as long as something is not known of its models. @param {Checkpoints} checkpoints @param {Computation} computation @param {Request} request */
export function planned(checkpoints, { planner }, request) {
  const models = planner.refs(request).flatMap((ref) => checkpoints.facts(ref) ?? []);
  const isKnown = models.length === planner.refs(request).length;
  return isKnown ? planner.plan(request, models, checkpoints.catalogue) : null;
}
