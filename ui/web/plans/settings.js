// A lane: the settings of one run of the reverse chain. Several parts use lanes.

import { DEFAULTS, SAMPLERS } from "../process/samplers.js";
import { suitedSpacing } from "../process/times.js";
import { ANY } from "../words/units.js";
import { RUN } from "../words/wrong.js";
import { classNames } from "./facts.js";
import { shown, together, Wrong } from "./fields.js";
import { AUTO } from "./forms.js";

/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Facts, Request } from "./plan.js" */
/** @import { Stroke } from "./touch.js" */

/**
 * The settings of one run. Image i has seed + i. Before a lane is resolved, null for guidance or clip means the
 * model's default. In a resolved lane, null for spacing means the times that a distilled model learned. touch: the
 * strokes with which a visitor changes the run. A lane may have more options of samplers, by their names.
 * @typedef {object} Lane
 * @property {string} checkpoint
 * @property {string} prompt
 * @property {string} negative
 * @property {string} label
 * @property {number} seed
 * @property {number} count
 * @property {number} steps
 * @property {string} variance
 * @property {string} sampler
 * @property {string | null} spacing
 * @property {number} eta
 * @property {number | null} guidance
 * @property {boolean | null} clip
 * @property {Stroke[]} [touch]
 */

/** The defaults of all settings of a lane. @type {Lane} */
const DEFAULT = {
  ...{ checkpoint: "mnist-tiny", prompt: "", negative: "", label: ANY, seed: 13, count: 4 },
  ...{ steps: 50, variance: "beta_tilde", sampler: "ddpm", spacing: AUTO, eta: 0, guidance: null, clip: null },
};

/**
 * Return whether a lane contains a setting with this value. Options that `DEFAULT` lacks are left out if they have the sampler's
 * default, so that files and captions do not list them all. @param {string} name @param {any} value
 */
const isNamed = (name, value) => !(name in DEFAULTS) || name in DEFAULT || value !== DEFAULTS[name];

/**
 * Make a lane from a request. Settings that the request leaves out get their defaults.
 * @param {Request} request
 * @returns {Lane}
 */
export function laneOf(request) {
  const names = new Set([...Object.keys(DEFAULT), ...Object.keys(DEFAULTS)]);
  const named = [...names].filter((name) => name in request && isNamed(name, request[name]));
  return /** @type {Lane} */ ({ ...DEFAULT, ...Object.fromEntries(named.map((name) => [name, request[name]])) });
}

/** Return the options of the lane's sampler. @param {Lane} lane @returns {Record<string, any>} */
export function optionsOf(lane) {
  const known = SAMPLERS[lane.sampler].options ?? {};
  return Object.fromEntries(Object.entries(lane).filter(([name]) => name in known));
}

/** Return the seed of each image. @param {{ seed: number, count: number }} lane @returns {number[]} */
export const seedsOf = ({ seed, count }) => Array.from({ length: count }, (_, i) => seed + i);

/**
 * Remove settings without an effect: guidance without a condition, and options of other samplers. The variance stays,
 * because files name it for every sampler.
 * @param {Lane} lane @returns {Lane}
 */
export function plain(lane) {
  const guided = lane.label !== ANY || lane.prompt || lane.negative;
  const isOf = (/** @type {string} */ name) =>
    name === "variance" || !(name in DEFAULTS) || name in (SAMPLERS[lane.sampler].options ?? {});
  const owned = Object.entries(lane).filter(([name, value]) => isOf(name) && isNamed(name, value));
  const { eta } = DEFAULT; // a lane has the setting `eta` for every sampler
  return /** @type {Lane} */ ({ eta, ...Object.fromEntries(owned), guidance: guided ? lane.guidance : null });
}

/**
 * Resolve a lane: open settings get the values that suit the model and the sampler.
 * @param {Lane} lane @param {Facts} facts @param {Catalogue} catalogue @returns {Lane}
 */
export function resolved(lane, facts, catalogue) {
  const { checkpoint, prompt, negative, spacing, sampler, steps } = lane;
  const isWorded = facts.takes_words && (prompt || negative);
  const hasLearned = (facts.student?.guidance ?? null) !== null;
  const usual = isWorded && !hasLearned ? catalogue.guidance(checkpoint) : 1;
  return {
    ...lane,
    clip: lane.clip ?? facts.clip,
    spacing: spacing === AUTO ? suitedSpacing(facts.process, sampler, steps) : spacing,
    guidance: lane.guidance ?? usual,
    prompt: catalogue.prompt(checkpoint, prompt),
    negative: catalogue.prompt(checkpoint, negative),
  };
}

/**
 * Return how many images the network evaluates in a step of a lane. Guidance evaluates each image with and without
 * its condition. Some samplers evaluate each image more than once.
 * @param {Lane} lane @param {Facts} facts
 */
export function batch({ count, guidance, sampler }, facts) {
  const guided = guidance === null || guidance === 1 ? 1 : 2;
  return count * guided * (SAMPLERS[sampler].evaluations?.(facts) ?? 1);
}

/**
 * Return the arguments of `ddpm_core.runs.make_chain`, with the options of the sampler.
 * @param {Lane} lane
 * @returns {{ steps: number, sampler: string, spacing: string | null } & Record<string, any>}
 */
export const sampling = (lane) => ({
  ...{ steps: lane.steps, sampler: lane.sampler, spacing: lane.spacing },
  ...optionsOf(lane),
});

/**
 * Return a resolved lane as arguments of `ddpm_core.trajectory(model, ...)`, in the order of scripts. Throws a
 * UserError if the model can't do what the lane demands.
 * @typedef {object} Arguments
 * @property {number[]} seeds
 * @property {number} steps
 * @property {string} sampler
 * @property {string | null} spacing
 * @property {any} [variance] and other options of the sampler
 * @property {any} [eta]
 * @property {boolean | null} clip
 * @property {number | null} labels
 * @property {number | null} guidance null for 1, which does not guide
 * @property {string} [prompts]
 * @property {string} [negative]
 * @param {Lane} lane @param {Facts} facts @returns {Arguments}
 */
export function args(lane, facts) {
  const { T } = facts.schedule;
  /** @type {Partial<Arguments>[]} */
  const [_, condition, prompts] = together([
    () => {
      if (lane.steps > T) throw new Wrong("steps", RUN.steps(T, lane.steps));
      return {};
    },
    () => ({ labels: classOf(lane, facts) }),
    () => words(lane, facts),
  ]);
  return {
    seeds: seedsOf(lane),
    ...sampling(lane),
    clip: lane.clip,
    labels: condition.labels ?? null,
    guidance: lane.guidance === 1 ? null : lane.guidance,
    ...prompts,
  };
}

/**
 * Return the checkpoint for a request, with the stamp of the facts with which the page planned. The stamp shows the
 * server whether these facts are out of date.
 * @param {Facts} facts
 */
export const asksFor = ({ ref, stamp }) => ({ checkpoint: ref, facts: stamp });

/** Return the prompts as arguments. Throws if the model takes none. @param {Lane} lane @param {Facts} facts */
function words({ prompt, negative }, { takes_words }) {
  if (takes_words) return negative ? { prompts: prompt, negative } : { prompts: prompt };
  if (prompt || negative) throw new Wrong(prompt ? "prompt" : "negative", RUN.noPrompt);
  return {};
}

/** Return the index of the class to draw; null for any class. @param {{ label?: string }} lane @param {Facts} facts */
export function classOf({ label = ANY }, facts) {
  if (label === ANY) return null;
  if (!facts.num_classes) throw new Wrong("label", RUN.noClasses(ANY));
  const index = classIndex(facts, label);
  if (index !== null) return index;
  throw new Wrong("label", RUN.noClass(shown(label), ANY, few(classNames(facts))));
}

/**
 * Return the index of the class that a text names, or null: the class with exactly this name, else the class with this
 * number (from 0), else the first class that has this name among several. In ImageNet, commas separate a class's names.
 * @param {Facts} facts @param {string} text
 */
function classIndex({ class_names, num_classes }, text) {
  const names = class_names ?? [];
  if (names.includes(text)) return names.indexOf(text);
  if (/^\d{1,9}$/.test(text) && Number(text) < num_classes) return Number(text);
  const index = names.findIndex((name) => name.split(", ").includes(text));
  return index < 0 ? null : index;
}

/** List names for a sentence, and cut a long list short. @param {string[]} names */
function few(names, most = 20) {
  const first = names.slice(0, most).join(", ");
  return names.length > most ? RUN.few(first, names.length) : first;
}
