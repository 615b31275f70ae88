// Between words, as ui/parts/between.py computes it.

import { planner, SIDE, STAGES } from "../../plans/between.js";
import { trajectory } from "../process/runs.js";
import { chainOf, kept } from "./rows.js";
import { shown } from "./sampling.js";

/** @import { Picture } from "../../files/pictures.js" */
/** @import { BetweenPlan } from "../../plans/between.js" */
/** @import { Run } from "../jobs.js" */
/** @import { Checkpoints, Loaded as Model } from "../checkpoints.js" */
/** @import { Part } from "./index.js" */

/** @type {(checkpoints: Checkpoints) => Part} */
export const between = () => ({ computation: () => ({ ...kept, planner, compute }) });

/** @param {BetweenPlan} plan @param {Model[]} models @param {Run} work */
async function compute(plan, [model], work) {
  const { words } = model;
  if (!words) return;
  const { corners, request } = plan;
  const unknown = [...new Set(corners.flatMap((text) => words.unknown(text)))];
  work.give({ kind: "plan", unknown });
  const states = corners.map((text) => words(text));
  const chain = { ...chainOf(plan, model), seed: BigInt(request.seed), negative: words("") };
  /** @type {Picture[]} */
  const done = [];
  for (const cells of STAGES) {
    for (const cell of cells) {
      const label = mixture(states, (cell % SIDE) / (SIDE - 1), Math.floor(cell / SIDE) / (SIDE - 1));
      for await (const { s, x } of trajectory(model, { ...chain, label })) {
        if (!s) done[cell] = shown(model, x);
        await work.count(plan.kindOf(cells), 1 / cells.length);
      }
    }
    work.give({ kind: "cells", cells, x: cells.map((cell) => done[cell]) });
  }
  for (let row = 0; row < SIDE; row++) work.recording.rows.set(row, done.slice(SIDE * row, SIDE * (row + 1)));
}

/**
 * The condition at a place of the square, each operation rounded as float32: `word_square` of ddpm_core.
 * @param {Float32Array[]} states of the corners @param {number} right 0 to 1 @param {number} down
 */
function mixture(states, right, down) {
  const shares = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right];
  const parts = states.flatMap((state, i) => (shares[i] ? [state.map((value) => Math.fround(shares[i]) * value)] : []));
  return parts.reduce((sum, part) => sum.map((value, i) => value + part[i]));
}
