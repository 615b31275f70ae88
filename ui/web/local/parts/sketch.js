// A sketch, as ui/parts/sketch.py computes it.

import { sketch } from "../../plans/sampling.js";
import { trajectory } from "../process/runs.js";
import { conditioned, preview, shown } from "./sampling.js";

/** @import { SamplingPlan } from "../../plans/sampling.js" */
/** @import { Loaded as Model } from "../checkpoints.js" */
/** @import { Run } from "../jobs.js" */
/** @import { Part } from "./index.js" */

/** @type {Part} */
export const sketching = { computation: () => ({ planner: sketch, record: () => null, compute }) };

/** @param {SamplingPlan} plan @param {Model[]} models @param {Run} work */
async function compute({ lanes: [{ prompt }], args: [asked], kinds: [kind] }, [model], work) {
  const { words } = model;
  const found = (words?.found(prompt) ?? []).map(([word]) => word);
  work.give({ kind: "plan", words: found, unknown: [...new Set(words?.unknown(prompt))] });
  const { seeds, ...settings } = asked;
  for await (const { index, s, x } of trajectory(model, { ...conditioned(model, settings), seed: BigInt(seeds[0]) })) {
    await work.count(kind);
    if (s) continue;
    const picture = [shown(model, x)];
    const latent = model.decode ? [preview(model, x)] : null;
    const seenAs = latent ? { z: latent, z0: latent, decoded: true } : {};
    work.give({ kind: "frame", lane: 0, k: index, sigma: 0, x: picture, x0: picture, ...seenAs });
  }
}
