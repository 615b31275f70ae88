// What is asked of a part: its request, its plan as soon as the models are known, and what is said of it before it runs.
import { check } from "../plans/fields.js";
import { left } from "../plans/plan.js";

/** @import { Taken } from "../plans/facts.js" */
/** @import { Request } from "../plans/plan.js" */
/** @import { Lab } from "./lab.js" */
/** @import { Computation, Part } from "./parts/index.js" */

/** What is asked for, with what its plan wants at once. @param {Lab} lab @param {Part} its @param {string} part @param {Record<string, unknown>} values */
export async function asked(lab, its, part, values) {
  if (!its.computation) throw new Error("Nothing is computed here");
  const computation = its.computation(part);
  const request = check(lab.forms[part], values);
  const refs = computation.planner.refs(request);
  await Promise.all([
    computation.planner.prepare?.(request),
    lab.prepare(request),
    ...refs.map((ref) => lab.learn(ref)),
  ]);
  return { computation, request };
}

/** How long a run takes. @param {Lab} lab @param {Part} its @param {string} part @param {Record<string, unknown>} values @returns {Promise<Taken>} */
export async function cost(lab, its, part, values) {
  const { computation, request } = await asked(lab, its, part, values);
  const { planner } = computation;
  const plan = planned(lab, computation, request);
  const seconds = plan && left(plan.steps, lab.pace);
  const missing = planner.refs(request).map((ref) => ({ ref, bytes: lab.missing(ref) }));
  return { seconds, missing: missing.filter(({ bytes }) => bytes), device: "CPU", busy: false };
}

/** The plan of a request, null as long as something is not known of its models. @param {Lab} lab @param {Computation} computation @param {Request} request */
export function planned(lab, { planner }, request) {
  const models = planner.refs(request).flatMap((ref) => lab.facts(ref) ?? []);
  const isKnown = models.length === planner.refs(request).length;
  return isKnown ? planner.plan(request, models, lab.catalogue) : null;
}
