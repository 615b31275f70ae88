// The facts of a checkpoint, and the choices that a form offers for this checkpoint.

import { NAMES } from "../process/samplers.js";
import { scheduleOfTable } from "../process/schedule.js";
import { quarters, samplerOf, stepsOf } from "../process/times.js";
import { note, OF_SCORES, PROMPTS } from "../words/checkpoints.js";
import { ANY, megabytes } from "../words/units.js";

/** @import { About } from "../form/form.js" */
/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { CheckpointFacts, FactsAnswer } from "../messages/protocol.d.ts" */
/** @import { Facts } from "./plan.js" */

export const COUNT = 4; // default number of pictures on a new page
const STEPS = 50; // default number of steps
// Pictures with at most this many pixels a side are sent without loss, because their single pixels are visible
export const LOSSLESS = 64;
const PATIENCE = 5; // largest time of a run with the default number of pictures, in seconds

const VARIANCES = /** @type {const} */ (["beta", "beta_tilde", "analytic", "learned", "learned_range"]);
/**
 * Convert an engine's answer to the facts of a checkpoint: see `facts` in ui/models/facts.py.
 * @param {string} ref @param {CheckpointFacts} answer @returns {Facts}
 */
export function factsOf(ref, { spec, home, scheduler, sidecars, pipeline = null, colours = null, stamp = "" }) {
  const { prediction, variance, clip, channels, student, source, floor, whole_times: wholeTimes } = spec;
  const table = scheduleOfTable(scheduler);
  const process = {
    ...{
      ...table,
      colours,
      prediction,
      variance,
      clip,
      channels,
      student,
      floor,
      source: /** @type {any} */ (source),
      wholeTimes,
    },
    ...{ size: spec.image_size, classes: spec.num_classes, nullLabel: spec.null_label, offset: spec.leading_offset },
    ...{ gamma: sidecars.gamma, optimised: sidecars.optimised },
  };
  return { ...spec, ref, stamp, home, pipeline, schedule: table, process };
}

/** Return the side of a model's pictures, in pixels. @param {Facts} facts */
export const pictureSize = ({ image_size, factor }) => image_size * factor;

/** Return the number of channels of a model's pictures. @param {Facts} facts */
export const pictureChannels = ({ latent, channels }) => (latent ? 3 : channels);

/** Return the names of the samplers that work with a model. @param {Facts} facts @returns {string[]} */
export const samplers = ({ student }) => (student ? [samplerOf(student)] : NAMES);

/** Return the variances that a model supports. @param {Facts} facts @returns {string[]} */
export function variances({ gamma, variance }) {
  const has = (/** @type {string} */ name) =>
    name.startsWith("beta") || (name === "analytic" ? gamma : name === variance);
  return VARIANCES.filter(has);
}

/** Return the smallest and largest number of steps, and the number that replaces one outside these limits. @param {Facts} facts @returns {About["steps"]} */
export function stepLimits({ schedule: { T }, student }) {
  if (!student) return [1, T, Math.min(STEPS, T)];
  const usual = stepsOf(student);
  return [student.method === "progressive" ? usual : 1, student.times.length, usual];
}

/** Return the names of a model's classes, or their numbers if they have no names. @param {Facts} facts @returns {string[]} */
export const classNames = ({ class_names, num_classes }) =>
  class_names ?? Array.from({ length: num_classes }, (_, i) => String(i));

/** Return what a form shows about a checkpoint: the choices, or only the name and the size of the download if the files are not here. @param {FactsAnswer} known @param {Catalogue} catalogue @returns {About} */
export function aboutOf({ ref, count, download, facts, set = null, examples = [] }, catalogue) {
  const here = facts ? aboutModel(factsOf(ref, facts), catalogue) : null;
  const missing = { ref, name: catalogue.name(ref), here: false, download: download ? megabytes(download) : "" };
  return /** @type {About} */ (here ? { ...here, count, set, examples } : { ...missing, count });
}

/**
 * Return what a form offers for a checkpoint whose files are here, without the example pictures.
 * @param {Facts} facts @param {Catalogue} catalogue
 * @returns {Omit<About, "count" | "set" | "examples">}
 */
export function aboutModel(facts, catalogue) {
  const names = classNames(facts);
  return {
    ...{
      ref: facts.ref,
      name: catalogue.name(facts.ref),
      here: true,
      note: note(facts, facts.student && samplerOf(facts.student)),
    },
    revision: facts.source?.revision ?? "",
    ...{ size: facts.image_size, channels: facts.channels, T: facts.schedule.T },
    times: quarters(facts.process),
    steps: stepLimits(facts),
    samplers: samplers(facts),
    variances: variances(facts),
    titles: facts.snr === null ? {} : { variances: OF_SCORES },
    variance: facts.variance,
    classes: facts.null_label !== null && names.length ? [ANY, ...names] : names,
    latent: facts.latent,
    prompts: facts.takes_words ? PROMPTS : [],
    clip: facts.clip,
    student: facts.student !== null,
  };
}

/**
 * Return how many pictures a new page draws with a model: 4 if a run with 4 pictures takes less than PATIENCE
 * seconds, else 1. Until steps are timed, models of the project count as quick, because they are small enough for any
 * machine.
 * @param {number | null} seconds of a step of 4 pictures; null if not known @param {boolean} isOwn whether the model comes with the
 *   project
 */
export function defaultCount(seconds, isOwn) {
  const fits = seconds === null ? isOwn : seconds * STEPS < PATIENCE;
  return fits ? COUNT : 1;
}
