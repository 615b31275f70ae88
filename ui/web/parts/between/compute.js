// Computes the part "Between words" in the browser. ui/parts/between.py does the same on a server.

import { chainOf, kept } from "../../computing/rows.js";
import { seenOf } from "../../computing/sampling.js";
import { trajectory } from "../../process/runs.js";
import { CELLS, mixture, placeOf, SIDE, STAGES } from "../../process/square.js";
import { kindOf } from "./plan.js";

/** @import { Picture } from "../../pictures/resize.js" */
/** @import { BetweenPlan } from "./plan.js" */
/** @import { Chains, Computation, Loaded as Model, Seen, Work } from "../../computing/computation.d.ts" */

/** @type {Computation} */
export const computation = { ...kept, chains, compute };

/** Return a function that takes a cell's index in CELLS and yields the sampling steps of the cell's picture. @param {BetweenPlan} plan @param {Model[]} models @returns {Chains} */
function chains(plan, [model]) {
  const words = /** @type {NonNullable<Model["words"]>} */ (model.words);
  const states = plan.corners.map((text) => words(text));
  const chain = { ...chainOf(plan, model), seed: BigInt(plan.request.seed), negative: words("") };
  /** Yield the sampling steps of a cell's picture. @param {number} cell @returns {AsyncGenerator<Seen>} */
  async function* steps(cell) {
    const label = mixture(states, ...placeOf(cell));
    for await (const step of trajectory(model, { ...chain, label })) yield seenOf(model, step, step.s === 0);
  }
  return (number) => steps(CELLS[number]);
}

/** Compute the pictures of all cells, stage by stage, and send each stage to the page. @param {BetweenPlan} plan @param {Model[]} models @param {Work} work */
async function compute(plan, [{ words }], work) {
  const unknown = [...new Set(plan.corners.flatMap((text) => words?.unknown(text) ?? []))];
  work.addResult({ kind: "plan", unknown });
  const strands = work.share(0);
  /** @type {Picture[]} */
  const done = [];
  for (const cells of STAGES) {
    for (const cell of cells)
      while (!done[cell]) {
        const { x, seconds } = await strands.next(CELLS.indexOf(cell));
        if (x) done[cell] = x; // only the last step of a cell has x
        await work.count(kindOf(plan, cells), 1 / cells.length, seconds);
      }
    work.addResult({ kind: "cells", cells, x: cells.map((cell) => done[cell]) });
  }
  for (let row = 0; row < SIDE; row++) work.recording.rows.set(row, done.slice(SIDE * row, SIDE * (row + 1)));
}
