// What several workers of a browser compute of a run: each its own strands.

import { evaluations } from "./plan.js";

/** @import { Outline, Plan } from "./plan.js" */

/**
 * Which of so many workers computes each strand, and the evaluations of the one that has most to do: in each turn the longest
 * strand is the first to be given, each to the worker that has least.
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

/** How many times as quick so many workers are as one. @param {Pick<Plan, "steps" | "strands">} plan @param {number} workers */
export function gain({ steps, strands = [] }, workers) {
  if (workers === 1) return 1;
  const all = evaluations(steps);
  const saved = (/** @type {Outline[]} */ one) =>
    one.reduce((sum, { cost }) => sum + cost, 0) - shares(one, workers).most;
  const left = all - strands.reduce((sum, one) => sum + saved(one), 0);
  return left ? all / left : 1;
}
