// Divide the strands of a run among several workers of a browser.

import { evaluations } from "./plan.js";

/** @import { Outline, Plan } from "./plan.js" */

/**
 * Divide strands among workers. The strands are sorted by turn, then by cost, the longest first; each goes to the
 * worker with the least load. Returns the worker of each strand, and the largest load, in evaluations.
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
 * Return the speed of several workers for a plan, as a multiple of the speed of one worker.
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
