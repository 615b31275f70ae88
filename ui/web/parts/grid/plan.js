// The planner of "Grid": a run with a lane (a chain with its own settings) for each cell. Cells that the model can't
// run are left out.

import { samplers, stepLimits, variances } from "../../plans/facts.js";
import { ofLanes } from "../../plans/sampling.js";
import { laneOf, plain } from "../../plans/settings.js";
import { UserError } from "../../process/errors.js";
import { SAMPLER } from "../../words/units.js";
import { RUN } from "../../words/wrong.js";
import { SAMPLERS_OF_ROWS } from "./index.js";

/** @import { Facts, Request } from "../../plans/plan.js" */
/** @import { Lane } from "../../plans/settings.js" */

/** Return a lane for each cell, row by row: a row for each variance or sampler, a column for each number of steps. @param {Request} request @returns {Lane[]} */
function lanesOf(request) {
  const ways =
    request.rows === "variance"
      ? ["beta", "beta_tilde", "analytic"].map((variance) => ({ sampler: "ddpm", variance }))
      : SAMPLERS_OF_ROWS.map((sampler) => ({ sampler }));
  const lane = laneOf(request);
  return ways.flatMap((way) => request.columns.map((/** @type {number} */ steps) => plain({ ...lane, ...way, steps })));
}

/**
 * Return the lanes that their models can run. Throws a UserError if there is no such lane.
 * @param {Lane[]} lanes @param {(lane: Lane) => Facts} modelOf returns the model of a lane @param {Facts[]} models of the run
 */
function runnable(lanes, modelOf, models) {
  const cells = lanes.filter((lane) => canRun(modelOf(lane), lane));
  if (cells.length) return cells;
  const student = models.find((model) => model.student);
  const [only] = student ? samplers(student) : []; // a student works with one sampler only
  if (only && !lanes.some(({ sampler }) => sampler === only)) throw new UserError(RUN.student(SAMPLER[only]));
  throw new UserError(RUN.cell);
}

/** Return whether a model supports the sampler, variance and number of steps of a lane. @param {Facts} model @param {Lane} lane */
function canRun(model, { sampler, variance, steps }) {
  const [low, high] = stepLimits(model);
  const noisy = sampler === "ddpm" || sampler === "langevin";
  return (
    samplers(model).includes(sampler) &&
    (!noisy || variances(model).includes(variance)) &&
    low <= steps &&
    steps <= high
  );
}

export const planner = ofLanes(lanesOf, runnable);

/** Import the module that writes the run's files. */
export const files = () => import("../../files/save.js");
