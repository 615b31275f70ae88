// What a run is called, and what its lanes show, in words.

import { chain } from "../local/process/runs.js";
import { DEFAULTS } from "../local/process/samplers.js";
import { ANY } from "../plans/fields.js";
import { optionsOf, sampling } from "../plans/settings.js";
import { general } from "./literal.js";
import { countOfSteps, grey, OPTION, SAMPLER, sigma, VARIANCE } from "./units.js";

/** @import { Facts } from "../plans/plan.js" */
/** @import { Lane } from "../plans/settings.js" */
/** @import { Catalogue } from "./catalogue.js" */

/** Of a step: t, s, ᾱ_t, σ; σ null where only the network knows it. @typedef {[t: number, s: number, alphaBar: number, sigma: number | null]} Row */

export const HARD = 3; // the final step can hardly remove noise that is so many times what the network was trained to find there

/** @type {Record<string, string>} what each sampler uses to get xₛ */
const USES = {
  ddim: "the newest x̂₀ alone",
  "dpm++": "the newest x̂₀ and the one before",
  unipc: "the newest x̂₀ and the one before, and corrects xₜ with the newest first",
};

/** What determines the noise of a step. @type {(keyof Lane)[]} */
const STEP = ["checkpoint", "sampler", "steps", "spacing", "variance", "eta"];

/** Whether all lanes have one value of a setting. @param {keyof Lane} setting @param {Lane[]} lanes */
const one = (setting, lanes) => lanes.every((lane) => lane[setting] === lanes[0][setting]);

/** A run in one line. @param {Lane[]} lanes @param {Catalogue} catalogue */
export function summary(lanes, catalogue) {
  const [first] = lanes;
  const { spacing } = first;
  const ordinary = spacing === null || ["linspace", "auto"].includes(spacing);
  const parts = [
    one("checkpoint", lanes) && catalogue.name(first.checkpoint),
    one("steps", lanes) && countOfSteps(first.steps),
    one("spacing", lanes) && !ordinary && spacing,
    lanes.length < 3 ? names(lanes, catalogue).join(" against ") : `${lanes.length} ways`,
    first.label !== ANY && first.label,
    first.prompt && one("prompt", lanes) && `“${first.prompt}”`,
    `noise no. ${first.seed}`,
  ];
  return parts.filter((part) => part !== false && part !== "").join(" · ");
}

/**
 * A name for each lane: its sampler with what determines its noise, and what else the lanes differ in.
 * @param {Lane[]} lanes @param {Catalogue} catalogue
 */
export function names(lanes, catalogue) {
  return lanes.map((lane) => {
    if (lane.touch) return `touched at t = ${Math.max(...lane.touch.map(({ t }) => t))}`;
    const parts = [
      !one("prompt", lanes) && (lane.prompt ? `“${lane.prompt}”` : "no words"),
      !one("checkpoint", lanes) && catalogue.name(lane.checkpoint),
      samplerAndNoise(lane),
      !one("guidance", lanes) && (lane.guidance === null ? "its guidance" : `w = ${general(lane.guidance)}`),
      !one("steps", lanes) && countOfSteps(lane.steps),
      !one("spacing", lanes) && (lane.spacing ?? "its own times"),
    ];
    return parts.filter((part) => part !== false).join(", ");
  });
}

/** What is said of words that a model has never seen, "" for none. @param {string[]} words */
export function unknown(words) {
  const named = words.map((word) => `“${word}”`).join(" and ");
  return named && `I don’t know ${named}: what is drawn is a guess.`;
}

/** The sampler of a run with its options. @param {Lane} lane */
function samplerAndNoise(lane) {
  const own = Object.entries(optionsOf(lane)).map(([name, value]) => option(name, value));
  return [SAMPLER[lane.sampler], ...own].join(" ");
}

/** An option of a sampler as a lane's name has it. @param {string} name @param {any} value */
function option(name, value) {
  if (name === "variance") return VARIANCE[value];
  const title = OPTION[name] ?? name;
  if (typeof value === "boolean") return value ? title : `no ${title}`;
  return `${title} ${general(value)}`;
}

/**
 * What two lanes share, and how much noise each leaves in the picture; "" for one lane, for more than two, and for a touch.
 * @param {Lane[]} lanes resolved @param {Facts[]} models of each lane @param {Row[][]} rows of each lane
 * @param {Catalogue} catalogue
 */
export function caption(lanes, models, rows, catalogue) {
  if (lanes.length !== 2 || lanes[1].touch) return "";
  const noisy = rows.map((lane) => lane.some(([, , , sigma]) => sigma !== 0));
  const shared = whatIsShared(lanes, noisy, catalogue);
  const isCompared = noisy.includes(true) && !(differingCondition(lanes) && STEP.every((name) => one(name, lanes)));
  return [shared, isCompared ? lastNoise(lanes, models, rows, catalogue) : ""].filter(Boolean).join(" ");
}

/** @param {Lane[]} lanes @param {boolean[]} noisy whether each adds noise @param {Catalogue} catalogue */
function whatIsShared(lanes, noisy, catalogue) {
  const condition = differingCondition(lanes);
  if (!noisy.includes(true)) {
    const way = wayOn(lanes) || (condition && `Only ${condition} differ.`);
    return `Both begin with the same noise and add none. ${way}`.trim();
  }
  if (noisy.includes(false))
    return `Both begin with the same noise; ${names(lanes, catalogue)[noisy.indexOf(false)]} adds none after it.`;
  if (!one("steps", lanes))
    return "Both begin with the same noise; their steps differ, so the noise of the steps is not shared.";
  if (!(one("sampler", lanes) && one("spacing", lanes) && one("checkpoint", lanes)))
    return "Both begin with the same noise, and each step adds the same noise z.";
  const same = "Both begin with the same noise, and each step adds the same noise z; only";
  if (!condition) return `${same} its σ differs.`;
  return Object.keys(DEFAULTS).every((name) => one(/** @type {keyof Lane} */ (name), lanes))
    ? `${same} ${condition} differ.`
    : `${same} its σ and ${condition} differ.`;
}

/** The part of the condition that differs between lanes, "" for none. @param {Lane[]} lanes */
function differingCondition(lanes) {
  const parts = [!one("prompt", lanes) && "the words", !one("guidance", lanes) && "the scales of guidance"];
  return parts.filter(Boolean).join(" and ");
}

/** How samplers without noise differ in their way from x_t to x_s. @param {Lane[]} lanes */
function wayOn(lanes) {
  if (one("sampler", lanes) || !lanes.every(({ sampler }) => sampler in USES)) return "";
  return `To get xₛ, ${lanes.map(({ sampler }) => `${SAMPLER[sampler]} uses ${USES[sampler]}`).join("; ")}.`;
}

/**
 * The noise of the last step that adds any, compared with what the final step expects to find.
 * @param {Lane[]} lanes @param {Facts[]} models @param {Row[][]} rows @param {Catalogue} catalogue
 */
function lastNoise(lanes, models, rows, catalogue) {
  const here = noiseLeft(rows);
  if (!here) return "";
  const called = names(lanes, catalogue);
  const at = one("steps", lanes) ? ` at ${countOfSteps(lanes[0].steps)}` : "";
  const adds = here
    .map(({ left }, i) => `${called[i]} adds σ = ${sigma(left)}${greyLevels(left, models[0])}`)
    .join(", ");
  const hard = called.filter((_, i) => here[i].left > HARD * here[i].expected);
  const removed = hard.length ? `; the final step can hardly remove that of ${hard.join(" or ")}` : "";
  return `Last noisy step${at}: ${adds}${removed}${elsewhere(lanes, models)}.`;
}

/** The same at another number of steps, where both lanes have one. @param {Lane[]} lanes @param {Facts[]} models */
function elsewhere(lanes, models) {
  const T = Math.min(...models.map(({ schedule }) => schedule.T));
  const { steps } = lanes[0];
  const other = steps < T ? T : Math.min(10, T);
  // Optimised steps and a student's own are not there for every number.
  const fixed = lanes.some(({ spacing }) => spacing === "optimised" || spacing === null);
  if (!one("steps", lanes) || other === steps || fixed) return "";
  const there = noiseLeft(lanes.map((lane, i) => stepTable({ ...lane, steps: other }, models[i])));
  return there ? `. At ${countOfSteps(other)}: ${there.map(({ left }) => sigma(left)).join(" and ")}` : "";
}

/** What a σ of pixels means to the eye. @param {number} sigma @param {Facts} model */
const greyLevels = (sigma, { latent }) => (latent ? "" : ` (${grey(sigma)} grey levels)`);

/**
 * For each lane, σ of the last step that adds noise, and √(1 − ᾱ_s), the noise that the network expects after it; null
 * where a lane has no such step, or only the network knows its σ.
 * @param {Row[][]} rows
 */
function noiseLeft(rows) {
  const found = rows.map((lane) => ({
    left: lane.at(-2)?.[3] ?? null,
    expected: Math.sqrt(1 - (lane.at(-1)?.[2] ?? 1)),
  }));
  return found.every(({ left }) => left !== null) ? /** @type {{ left: number, expected: number }[]} */ (found) : null;
}

/** The steps of a resolved lane. Throws for a run that the model does not allow. @param {Lane} lane @param {Facts} facts @returns {Row[]} */
export function stepTable(lane, { process }) {
  const { pairs, sigmas } = chain(process, sampling(lane));
  return pairs.map(([t, s], k) => [t, s, process.alphaBar[t], sigmas[k]]);
}
