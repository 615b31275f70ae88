// The question of the figure "inside": what the blocks of the network say, with and without a graft.

import { insideOf, openLanes } from "../../network/surgery.js";
import { sideBySide } from "../../process/runs.js";
import { settingsOf } from "./run.js";

/** @import { Step } from "../../process/runs.js" */
/** @import { Model, Run } from "./run.js" */

/** The estimate of the finished picture by a linear probe of a block's output. name: the name of the block. side: the width of the block's output. says: the estimate. @typedef {{ name: string, side: number, says: Float32Array }} BlockSays */
/** A step with its blocks. lane: 0 in the run without the graft, 1 in the run with the graft. @typedef {Step & { lane: number, blocks: BlockSays[] }} Opened */

/**
 * Compute a run and the output of each block. Also compute the same run with a graft: one block's output comes from a
 * third run, which draws the class `label`.
 * @param {Model} model @param {{ run: Run, block: string, label: number }} values @returns {AsyncGenerator<Opened | null>}
 */
export async function* inside(model, { run, block, label }) {
  const readers = await model.readers();
  const names = Object.keys(insideOf(model.config).blocks);
  const { seed, ...own } = { model, ...settingsOf(model, run) };
  const { lanes, taps } = openLanes([
    { ...own, label, surgery: { taps: [block] } },
    { ...own, surgery: { taps: names } },
    { ...own, surgery: { taps: names, graft: [{ name: block, lane: 0 }] } },
  ]);
  for await (const { lane, step } of sideBySide([seed], lanes)) {
    const [found] = taps(lane, seed);
    if (!lane || !readers) yield null;
    else {
      const blocks = [...found].map(([name, tap]) => ({
        ...{ name, side: tap.shape[1], says: readers.read(name, tap, step.t) },
      }));
      yield { ...step, lane: lane - 1, blocks };
    }
  }
}
