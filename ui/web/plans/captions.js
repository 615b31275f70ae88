// The names of a run and of its lanes, and the caption that compares two lanes.

import { chain } from "../process/runs.js";
import { DEFAULTS } from "../process/samplers.js";
import { LAST, NAME, SHARED, sentences } from "../words/captions.js";
import { general } from "../words/floats.js";
import { ANY, countOfSteps, grey, OPTION, samplerName, sigma, VARIANCE } from "../words/units.js";
import { optionsOf, sampling } from "./settings.js";

/** @import { Row } from "../process/runs.js" */
/** @import { Facts } from "./plan.js" */
/** @import { Lane } from "./settings.js" */
/** @import { Catalogue } from "../words/catalogue.js" */

// Factor: the caption warns if the final step must remove more than this many times the noise that the network expects
export const HARD = 3;

const OPTIONS = /** @type {(keyof Lane)[]} */ (Object.keys(DEFAULTS));
/** The settings that determine the noise of a step. @type {(keyof Lane)[]} */
const STEP = ["checkpoint", "sampler", "steps", "spacing", ...OPTIONS];

/** Return whether all lanes have the same value of a setting. @param {keyof Lane} setting @param {Lane[]} lanes */
const one = (setting, lanes) => lanes.every((lane) => lane[setting] === lanes[0][setting]);

/** Describe a run in one line. @param {Lane[]} lanes @param {Catalogue} catalogue */
export const summary = (lanes, catalogue) => settings(lanes, catalogue).join(" · ");

/**
 * Write the first two settings of a run, as a heading: "Digits, 10 steps".
 * @param {Lane[]} lanes
 * @param {Catalogue} catalogue
 */
export const heading = (lanes, catalogue) => settings(lanes, catalogue).slice(0, -1).slice(0, 2).join(", ");

/** List the settings of a run in words, the seed last. @param {Lane[]} lanes @param {Catalogue} catalogue */
function settings(lanes, catalogue) {
  const [first] = lanes;
  const { spacing } = first;
  const ordinary = spacing === null || ["linspace", "auto"].includes(spacing);
  const parts = [
    one("checkpoint", lanes) && catalogue.name(first.checkpoint),
    one("steps", lanes) && countOfSteps(first.steps),
    one("spacing", lanes) && !ordinary && spacing,
    lanes.length < 3 ? names(lanes, catalogue).join(NAME.against) : NAME.ways(lanes.length),
    first.label !== ANY && first.label,
    first.prompt && one("prompt", lanes) && NAME.prompt(first.prompt),
    NAME.seed(first.seed),
  ];
  return parts.filter((part) => part !== false && part !== "");
}

/**
 * Return a name for each lane: its sampler with its options, and every other setting in which the lanes differ.
 * @param {Lane[]} lanes @param {Catalogue} catalogue
 */
export function names(lanes, catalogue) {
  return lanes.map((lane) => {
    if (lane.touch) return NAME.touched(Math.max(...lane.touch.map(({ t }) => t)));
    const parts = [
      !one("prompt", lanes) && NAME.prompt(lane.prompt),
      !one("checkpoint", lanes) && catalogue.name(lane.checkpoint),
      samplerAndNoise(lane),
      !one("guidance", lanes) && NAME.guidance(lane.guidance === null ? null : general(lane.guidance)),
      !one("steps", lanes) && countOfSteps(lane.steps),
      !one("spacing", lanes) && (lane.spacing ?? NAME.ownTimes),
    ];
    return parts.filter((part) => part !== false).join(", ");
  });
}

/** Name the sampler of a lane with its options. @param {Lane} lane */
function samplerAndNoise(lane) {
  const options = Object.entries(optionsOf(lane)).map(([name, value]) => option(name, value));
  return [samplerName(lane.sampler), ...options].join(" ");
}

/** Write an option of a sampler and its value, as a part of a lane's name. @param {string} name @param {any} value */
function option(name, value) {
  if (name === "variance") return VARIANCE[value];
  const title = OPTION[name] ?? name;
  if (typeof value === "boolean") return value ? title : NAME.without(title);
  return `${title} ${general(value)}`;
}

/**
 * Write the caption of two lanes: what they share, and how much noise each leaves in the picture. It is "" for other
 * numbers of lanes, and for a run that a visitor changes by hand.
 * @param {Lane[]} lanes resolved lanes @param {Facts[]} models of each lane @param {Row[][]} rows of each lane
 * @param {Catalogue} catalogue
 */
export function caption(lanes, models, rows, catalogue) {
  if (lanes.length !== 2 || lanes[1].touch) return "";
  const noisy = rows.map((lane) => lane.some(([, , , sigma]) => sigma !== 0));
  const shared = whatIsShared(lanes, noisy, catalogue);
  const isCompared = noisy.includes(true) && !(differingCondition(lanes) && STEP.every((name) => one(name, lanes)));
  return sentences(shared, ...(isCompared ? lastNoise(lanes, models, rows, catalogue) : []));
}

/** Return the sentence about what two lanes share. @param {Lane[]} lanes @param {boolean[]} noisy whether each lane adds noise @param {Catalogue} catalogue */
function whatIsShared(lanes, noisy, catalogue) {
  const condition = differingCondition(lanes);
  if (!noisy.includes(true)) {
    const [a, b] = lanes.map(({ sampler }) => sampler);
    return (a !== b && SHARED.samplers(a, b)) || SHARED.silent(condition);
  }
  if (noisy.includes(false)) return SHARED.oneSilent(names(lanes, catalogue)[noisy.indexOf(false)]);
  if (!one("steps", lanes)) return SHARED.otherSteps;
  if (!(one("sampler", lanes) && one("spacing", lanes) && one("checkpoint", lanes))) return SHARED.noise;
  if (!condition) return SHARED.otherSigma;
  return SHARED.condition(
    condition,
    OPTIONS.every((name) => one(name, lanes)),
  );
}

/** Return the part of the condition in which the lanes differ; null if none does. @param {Lane[]} lanes */
function differingCondition(lanes) {
  if (one("prompt", lanes)) return one("guidance", lanes) ? null : "scales";
  return one("guidance", lanes) ? "words" : "both";
}

/**
 * Write sentences about the last noise of each lane, compared with the noise that the final step expects.
 * @param {Lane[]} lanes @param {Facts[]} models @param {Row[][]} rows @param {Catalogue} catalogue
 */
function lastNoise(lanes, models, rows, catalogue) {
  const here = noiseLeft(rows);
  if (!here) return [];
  const called = names(lanes, catalogue);
  const sigmas = here.map(({ left }) => (models[0].latent ? sigma(left) : LAST.grey(sigma(left), grey(left))));
  const hard = called.filter((_, i) => here[i].left > HARD * here[i].expected);
  return [LAST.here(called, sigmas, hard, one("steps", lanes) ? lanes[0].steps : null), elsewhere(lanes, models)];
}

/**
 * Return a sentence that compares the last noise at another number of steps: T, or at most 10 if the run has T steps.
 * Return "" if there is nothing to compare.
 * @param {Lane[]} lanes
 * @param {Facts[]} models
 */
function elsewhere(lanes, models) {
  const T = Math.min(...models.map(({ schedule }) => schedule.T));
  const { steps } = lanes[0];
  const other = steps < T ? T : Math.min(10, T);
  // Times that were optimised or distilled exist only for some numbers of steps.
  const fixed = lanes.some(({ spacing }) => spacing === "optimised" || spacing === null);
  if (!one("steps", lanes) || other === steps || fixed) return "";
  const there = noiseLeft(lanes.map((lane, i) => stepTable({ ...lane, steps: other }, models[i])));
  if (!there) return "";
  return LAST.elsewhere(
    other,
    there.map(({ left }) => sigma(left)),
  );
}

/**
 * Return for each lane σ of the last step that adds noise, and √(1 − ᾱ_s), the noise that the network expects after
 * this step. Null if a lane has no such step, or if its σ is not known before the run.
 * @param {Row[][]} rows
 */
function noiseLeft(rows) {
  const noise = rows.map((lane) => ({
    left: lane.at(-2)?.[3] ?? null,
    expected: Math.sqrt(1 - (lane.at(-1)?.[2] ?? 1)),
  }));
  return noise.every(({ left }) => left !== null) ? /** @type {{ left: number, expected: number }[]} */ (noise) : null;
}

/** Compute the times and σ of a resolved lane's steps. Throws if the model does not allow the run. @param {Lane} lane @param {Facts} facts @returns {Row[]} */
export function stepTable(lane, { process }) {
  const { pairs, sigmas } = chain(process, { ...sampling(lane), guidance: lane.guidance });
  return pairs.map(([t, s], k) => [t, s, process.alphaBar[t], sigmas[k]]);
}
