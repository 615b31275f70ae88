// What is said of a model's choices, and of the time that a run of it takes.
import { duration, megabytes, SAMPLER } from "./units.js";

/** @import { Facts } from "../plans/plan.js" */
/** @import { RunCost } from "../shared/run/protocol.js" */

/** The variances of a score model, by what its authors call the samplers that have them. */
export const OF_SCORES = { beta: "reverse diffusion, βₜ", beta_tilde: "ancestral sampler, β̃ₜ" };

/** What is special about a model's choices, and what it can't do: a sentence, "" for an ordinary one. @param {Facts} facts @param {string | null} sampler the only one of a student */
export function note({ variance, snr }, sampler) {
  if (sampler)
    return `It has learned ${SAMPLER[sampler]} steps only: no other sampler is possible, and no bits per dimension.`;
  if (variance.startsWith("learned")) return "It has learned its variance, too: the third choice beside βₜ and β̃ₜ.";
  if (snr !== null)
    return "A score model: βₜ is its authors’ reverse diffusion, β̃ₜ Song’s ancestral sampler, of the same mean.";
  return "";
}

/** How long a run will take, before it starts. @param {number | null} seconds @param {string} device */
export function expected(seconds, device) {
  if (seconds === null) return "The first run will show how long it takes";
  return seconds < 1 ? `under 1 s on this ${device}` : `about ${duration(seconds)} on this ${device}`;
}

/** The same of a run that needs files first. @param {RunCost["missing"]} missing @param {string} time that the run then takes */
export function downloads(missing, time) {
  const size = megabytes(missing.reduce((sum, { bytes }) => sum + bytes, 0));
  return `Run downloads ${missing.map(({ ref }) => ref).join(" and ")} first (${size}) · ${time}`;
}
