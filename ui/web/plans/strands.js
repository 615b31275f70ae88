// How a run is divided among several workers of a browser: each worker computes some of its strands.

import { evaluations } from "./plan.js";

/** @import { Outline, Plan } from "./plan.js" */

/**
 * Divide strands among workers. Turn by turn, from the longest strand on, each goes to the worker that has least to do.
 * Returns the worker of each strand, and the evaluations of the worker that has most to do.
 * @param {Outline[]} strands @param {number} workers
 */
export function shares(strands, workers) {
  /** @type {number[]} */
  const owners = [];
  const loads = Array(workers).fill(0);
  const order = [...strands.keys()].sort(
    (a, b) => strands[a].turn - strands[b].turn || strands[b].cost - strands[a].cost,
  );
  for (const number of order) {
    owners[number] = loads.indexOf(Math.min(...loads));
    loads[owners[number]] += strands[number].cost;
  }
  return { owners, most: Math.max(...loads) };
}

/**
 * How many times as fast several workers are as one.
 * @param {Pick<Plan, "steps" | "strands">} plan
 * @param {number} workers
 */
export function gain({ steps, strands = [] }, workers) {
  if (workers === 1) return 1;
  const all = evaluations(steps);
  const saved = (/** @type {Outline[]} */ phase) =>
    phase.reduce((sum, { cost }) => sum + cost, 0) - shares(phase, workers).most;
  const left = all - strands.reduce((sum, phase) => sum + saved(phase), 0);
  return left ? all / left : 1;
}
