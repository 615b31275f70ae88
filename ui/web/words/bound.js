// What is said of a bound that was measured.

import { chain } from "../local/process/runs.js";
import { lengths } from "../plans/likelihood.js";
import { HARD } from "./captions.js";
import { general } from "./literal.js";
import { grey } from "./units.js";

/** @import { Bits } from "../parts/likelihood/tables.js" */
/** @import { Facts } from "../plans/plan.js" */

/**
 * Why the variance that costs more bits in a short chain makes the cleaner pictures; "" where it is not so. What is seen is
 * the noise of the last step that adds any: the final step can hardly remove what is far more than it was trained to find.
 * @param {Facts} model @param {Bits["chains"]} chains
 */
export function looks(model, chains) {
  const [steps] = lengths(model);
  if (!steps || !chains.beta || !chains.beta_tilde) return "";
  const both = ["beta_tilde", "beta"];
  const [more, less] = both.map((name) => chains[name][steps][0]);
  const [clean, noisy] = both.map((variance) => {
    const { sigmas } = chain(model.process, { steps, sampler: "ddpm", variance, spacing: "linspace" });
    return /** @type {number} */ (sigmas.at(-2)); // the network does not change these variances
  });
  const expected = Math.sqrt(1 - model.schedule.alphaBar[1]); // the final step of a linspace chain begins at t = 1
  if (more <= less || noisy <= HARD * expected) return ""; // β̃ₜ never leaves more than is expected
  return (
    `At ${steps} steps β̃ₜ looks better but costs more bits. Its last noise is ${grey(clean)} grey levels, ` +
    `that of βₜ ${grey(noisy)}. But it takes ${general(more, 4)} bits/dim, and βₜ ${general(less, 4)}: β̃ₜ is too ` +
    "small for the errors that so few steps make."
  );
}
