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

/** How each sampler gets xₛ. @type {Record<string, string>} */
const USES = {
  ddim: "DDIM uses the newest x̂₀ alone",
  "dpm++": "DPM++ uses the newest x̂₀ and the one before",
  unipc: "UniPC uses the newest x̂₀ and the one before, and corrects xₜ with the newest first",
};

/**
 * What is said of a condition that differs: of lanes without noise; of lanes with the same noise and σ; and with other σ.
 * @type {Record<"words" | "scales" | "both", [silent: string, alike: string, unlike: string]>}
 */
const CONDITIONS = {
  words: [
    "Both begin with the same noise and add none. Only the words differ.",
    "Both begin with the same noise, and each step adds the same noise z; only the words differ.",
    "Both begin with the same noise, and each step adds the same noise z; only its σ and the words differ.",
  ],
  scales: [
    "Both begin with the same noise and add none. Only the scales of guidance differ.",
    "Both begin with the same noise, and each step adds the same noise z; only the scales of guidance differ.",
    "Both begin with the same noise, and each step adds the same noise z; only its σ and the scales of guidance differ.",
  ],
  both: [
    "Both begin with the same noise and add none. Only the words and the scales of guidance differ.",
    "Both begin with the same noise, and each step adds the same noise z; only the words and the scales of guidance differ.",
    "Both begin with the same noise, and each step adds the same noise z; only its σ and the words and the scales of guidance differ.",
  ],
};

/** What determines the noise of a step. @type {(keyof Lane)[]} */
const STEP = ["checkpoint", "sampler", "steps", "spacing", "variance", "eta"];

/** Whether all lanes have one value of a setting. @param {keyof Lane} setting @param {Lane[]} lanes */
const one = (setting, lanes) => lanes.every((lane) => lane[setting] === lanes[0][setting]);

/** A run in one line. @param {Lane[]} lanes @param {Catalogue} catalogue */
export const summary = (lanes, catalogue) => settings(lanes, catalogue).join(" · ");

/** The same in two words: "Digits, 10 steps". @param {Lane[]} lanes @param {Catalogue} catalogue */
export const heading = (lanes, catalogue) => settings(lanes, catalogue).slice(0, -1).slice(0, 2).join(", ");

/** What a run has been set to, the seed at the end. @param {Lane[]} lanes @param {Catalogue} catalogue */
function settings(lanes, catalogue) {
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
    `seed ${first.seed}`,
  ];
  return parts.filter((part) => part !== false && part !== "");
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

/** Sentences beside each other; "" among them is none. @param {...string} all */
export const sentences = (...all) => all.filter(Boolean).join(" ");

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
  return sentences(shared, ...(isCompared ? lastNoise(lanes, models, rows, catalogue) : []));
}

/** @param {Lane[]} lanes @param {boolean[]} noisy whether each adds noise @param {Catalogue} catalogue */
function whatIsShared(lanes, noisy, catalogue) {
  const condition = differingCondition(lanes);
  if (!noisy.includes(true)) {
    const [a, b] = lanes.map(({ sampler }) => USES[sampler]);
    if (a && b && !one("sampler", lanes)) return `Both begin with the same noise and add none. To get xₛ, ${a}; ${b}.`;
    return condition ? CONDITIONS[condition][0] : "Both begin with the same noise and add none.";
  }
  if (noisy.includes(false))
    return `Both begin with the same noise; ${names(lanes, catalogue)[noisy.indexOf(false)]} adds none after it.`;
  if (!one("steps", lanes))
    return "Both begin with the same noise; their steps differ, so the noise of the steps is not shared.";
  if (!(one("sampler", lanes) && one("spacing", lanes) && one("checkpoint", lanes)))
    return "Both begin with the same noise, and each step adds the same noise z.";
  if (!condition) return "Both begin with the same noise, and each step adds the same noise z; only its σ differs.";
  const alike = Object.keys(DEFAULTS).every((name) => one(/** @type {keyof Lane} */ (name), lanes));
  return CONDITIONS[condition][alike ? 1 : 2];
}

/** What of the condition differs between lanes, null for nothing. @param {Lane[]} lanes */
function differingCondition(lanes) {
  if (one("prompt", lanes)) return one("guidance", lanes) ? null : "scales";
  return one("guidance", lanes) ? "words" : "both";
}

/**
 * The noise of the last step that adds any, compared with what the final step expects to find: sentences.
 * @param {Lane[]} lanes @param {Facts[]} models @param {Row[][]} rows @param {Catalogue} catalogue
 */
function lastNoise(lanes, models, rows, catalogue) {
  const here = noiseLeft(rows);
  if (!here) return [];
  const [a, b] = names(lanes, catalogue);
  const [ofA, ofB] = here.map(({ left }) =>
    models[0].latent ? sigma(left) : `${sigma(left)} (${grey(left)} grey levels)`,
  );
  const hard = [a, b].filter((_, i) => here[i].left > HARD * here[i].expected).join(" or ");
  const adds = `${a} adds σ = ${ofA}, ${b} adds σ = ${ofB}`;
  const found = hard ? `${adds}; the final step can hardly remove that of ${hard}.` : `${adds}.`;
  const when = one("steps", lanes) ? `Last noisy step at ${countOfSteps(lanes[0].steps)}` : "Last noisy step";
  return [`${when}: ${found}`, elsewhere(lanes, models)];
}

/** The same at another number of steps, where both lanes have one: a sentence, or "". @param {Lane[]} lanes @param {Facts[]} models */
function elsewhere(lanes, models) {
  const T = Math.min(...models.map(({ schedule }) => schedule.T));
  const { steps } = lanes[0];
  const other = steps < T ? T : Math.min(10, T);
  // Optimised steps and a student's own are not there for every number.
  const fixed = lanes.some(({ spacing }) => spacing === "optimised" || spacing === null);
  if (!one("steps", lanes) || other === steps || fixed) return "";
  const there = noiseLeft(lanes.map((lane, i) => stepTable({ ...lane, steps: other }, models[i])));
  if (!there) return "";
  const [a, b] = there.map(({ left }) => sigma(left));
  return `At ${countOfSteps(other)}: ${a} and ${b}.`;
}

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
  const { pairs, sigmas } = chain(process, { ...sampling(lane), guidance: lane.guidance });
  return pairs.map(([t, s], k) => [t, s, process.alphaBar[t], sigmas[k]]);
}
