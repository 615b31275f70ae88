// Computes a sketch (a quick preview) in the browser. `Sketching` in ui/parts/sampling.py does the same on a server.

import { conditioned, picturesOf, seenOf } from "../../computing/sampling.js";
import { trajectory } from "../../process/runs.js";

/** @import { SamplingPlan } from "../../plans/sampling.js" */
/** @import { Computation, Loaded as Model, Work } from "../../computing/computation.d.ts" */

/** @type {Computation} */
export const computation = { record: () => null, compute };

/** Draw one picture. Send the known and the unknown words of the prompt to the page, then the finished picture. @param {SamplingPlan} plan @param {Model[]} models @param {Work} work */
async function compute({ lanes: [{ prompt }], args: [{ seeds, ...args }], kinds: [kind] }, [model], work) {
  const { words } = model;
  const found = (words?.found(prompt) ?? []).map(([word]) => word);
  work.addResult({ kind: "plan", words: found, unknown: [...new Set(words?.unknown(prompt))] });
  for await (const step of trajectory(model, { ...conditioned(model, args), seed: BigInt(seeds[0]) })) {
    await work.count(kind);
    if (step.s) continue;
    const seen = [seenOf(model, step, true)];
    const [x, x0, z, z0] = /** @type {const} */ (["x", "x0", "z", "z0"]).map((name) => picturesOf(seen, name));
    const latents = z.length ? { z, z0, decoded: true } : {};
    work.addResult({ kind: "frame", lane: 0, k: step.index, sigma: seen[0].sigma, x, x0, ...latents });
  }
}
