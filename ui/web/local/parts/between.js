// Between words, as ui/parts/between.py computes it.
import { uri } from "../../files/pictures.js";
import { trajectory } from "../process/runs.js";
import { $ } from "../python.js";
import { chainOf, withPictures, withRows } from "./rows.js";
import { shown } from "./sampling.js";

/** @import { Run } from "../jobs.js" */
/** @import { Lab, Loaded as Model } from "../lab.js" */
/** @import { Picture } from "../../files/pictures.js" */

/** @param {Lab} lab */
export function between(lab) {
  const { BetweenRun, BetweenPart, stages, SIDE } = $.module("ui.parts.between");
  const { unknown } = $.module("ui.runs.captions");
  class Computed extends withRows(BetweenRun) {
    /** @param {any} plan @param {Model[]} models @param {Run} work */
    async compute(plan, [model], work) {
      const { words } = model;
      if (!words) return;
      /** @type {string[]} */
      const corners = plan.request.corners;
      const odd = new Set(corners.flatMap((text) => words.unknown(text)));
      const caption = unknown([...odd]);
      work.give({ kind: "plan", side: SIDE, size: model.pictureSize, corners, caption });
      const states = corners.map((text) => words(text));
      const chain = { ...chainOf(plan, model), seed: BigInt(plan.request.seed), negative: words("") };
      /** @type {Picture[]} */
      const done = [];
      for (const cells of stages()) {
        for (const cell of cells) {
          const label = mixture(states, (cell % SIDE) / (SIDE - 1), Math.floor(cell / SIDE) / (SIDE - 1));
          for await (const { s, x } of trajectory(model, { ...chain, label })) {
            if (!s) done[cell] = shown(model, x);
            await work.count(plan.kind(cells), 1 / cells.length);
          }
        }
        const x = uri(cells.map((/** @type {number} */ cell) => done[cell]));
        work.give({ kind: "cells", cells, x });
      }
      for (let row = 0; row < SIDE; row++) $.set(work.recording.rows, row, done.slice(SIDE * row, SIDE * (row + 1)));
    }
  }
  return withPictures(lab, BetweenPart, Computed);
}

/**
 * What the network is told at a place of the square, each operation rounded as float32: `word_square` of ddpm_core.
 * @param {Float32Array[]} states of the corners @param {number} right 0 to 1 @param {number} down
 */
function mixture(states, right, down) {
  const shares = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right];
  const parts = states.flatMap((state, i) => (shares[i] ? [state.map((value) => Math.fround(shares[i]) * value)] : []));
  return parts.reduce((sum, part) => sum.map((value, i) => value + part[i]));
}
