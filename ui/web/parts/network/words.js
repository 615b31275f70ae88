// The texts about the inside of a network: its blocks, its parts that are switched off, and measured effects.

import { SAMPLERS } from "../../process/samplers.js";
import { ANY, countOf } from "../../words/units.js";

/** @import { Figures, NetworkBlock } from "../../messages/protocol.d.ts" */

export const LEAD =
  "What each block of the network knows about the picture, step by step. A linear probe (reader) turns the numbers of a block into a guess of x̂₀. A block that knows nothing shows the mean of all pictures.";
export const ACTIVITY =
  "What each block computes, step by step. Its channels are shown as three colours that keep their meaning for the whole run.";
export const WHERE =
  "Where the marked position looks, in each block with self-attention. It takes most from bright positions. Press xₜ or x̂₀ to move the mark.";
export const NO_READERS =
  "No readers were fitted for this model: `python -m train readers` makes them. Until then, each block shows where its numbers are large.";

export const MARK = "Press to mark a position, or move the mark by arrow keys";
export const NO_ATTENTION = "This block has no self-attention: it looks only at neighbours.";
export const LAYERS = "Where the marked position looks: a row for each layer of this block, a picture for each head.";

/** Return the title of a part of the network, for buttons. @param {string} name @param {boolean} words whether the model takes prompts */
export function titleOf(name, words) {
  if (name === "condition") return words ? "prompt" : "class";
  const [, side] = name.match(/^skips (\d+)$/) ?? [];
  return side ? `skips ${side}×${side}` : name;
}

/** Return the condition that the network receives, in words; "" if the model takes no condition. @param {Record<string, any>} request @param {{ takes_words: boolean, num_classes: number }} model */
export function askedFor({ label, prompt }, model) {
  if (model.takes_words) return prompt ? `“${prompt}”` : "no prompt";
  if (!model.num_classes) return "";
  return label === ANY ? "no class" : `class ${label}`;
}

/** Describe a block: its channels, their size, and its layers. @param {NetworkBlock} block */
export const blockTitle = ({ shape: [c, h, w], parts }) =>
  `${countOf(c, "channel")} of ${h} × ${w} numbers, from ${parts}`;

/** Say in which steps the second run differs. @param {number[]} times of all steps @param {Record<string, any>} request */
function when({ length }, { first, last }) {
  const end = last || length;
  return first === 1 && end >= length ? "in all steps" : `in steps ${first} to ${Math.min(end, length)}`;
}

/** Describe the changes of the second run; "" if there is no second run. @param {Record<string, any>} request @param {string[]} cut @param {string} donor the class or the prompt of the run that gives a block; "" for none @param {number[]} times @param {{ takes_words: boolean }} model */
export function secondTitle(request, cut, donor, times, model) {
  if (!cut.length && !donor) return "";
  const of = donor === ANY ? "no class" : `“${donor}”`;
  const names = cut.map((name) => titleOf(name, model.takes_words));
  if (donor && cut.length)
    return `Without ${names.join(", ")}, and with the ${request.graft_block} of ${of}, ${when(times, request)}`;
  if (donor) return `With the ${request.graft_block} of a run of ${of}, ${when(times, request)}`;
  return `Without ${names.join(", ")}, ${when(times, request)}`;
}

/** Return a phrase that compares a number of runs with the number for the unchanged network. @param {number} found @param {number} whole the number for the unchanged network */
const comparison = (found, whole) =>
  found === whole ? "as many as with nothing switched off" : `${whole} with nothing switched off`;

/**
 * Describe the measured effect of the form's changes; "" if these settings were not measured. All measurements use DDIM
 * without guidance.
 * @param {Record<string, any>} values of the form @param {Figures | null | undefined} figures
 */
export function measured({ off, graft, graft_block: block, first, last, ...run }, figures) {
  if (!figures || Number(run.steps) !== figures.steps || run.sampler !== "ddim") return "";
  const options = Object.entries(SAMPLERS.ddim.options ?? {});
  if (options.some(([name, usual]) => Number(run[name] ?? usual) !== Number(usual))) return "";
  if (run.guidance || run.prompt) return "";
  const half = Math.ceil(figures.steps / 2);
  const span = { "1 0": "all", [`1 ${half}`]: "first", [`${half + 1} 0`]: "second" }[`${first} ${last}`];
  const { seeds, unit } = figures;
  /** Convert a share of the measured runs to a number of runs. */
  const runs = (/** @type {number} */ share) => Math.round(share * seeds);
  if (graft && graft !== ANY && !off && block === "middle" && unit === "right" && span) {
    const steps = { all: "all", first: `1-${half}`, second: `${half + 1}-${figures.steps}` }[span];
    const { own, other = 0 } = figures.graft[steps ?? ""] ?? {};
    if (own === undefined) return "";
    return `Measured on ${seeds} runs with the middle of another class: ${runs(other)} end as that class, ${runs(own)} as their own.`;
  }
  const found = !graft && span && figures.off[off]?.[/** @type {"all"} */ (span)];
  if (typeof found !== "number") return "";
  if (unit === "right")
    return `${runs(found)} of ${seeds} runs still show the requested class, ${comparison(runs(found), runs(figures.whole))}.`;
  return `In ${seeds} runs a pixel changes by about ${Math.round(127.5 * found)} grey levels (RMS).`;
}

export const WORDS = {
  /** The three views of a block, with their titles. @type {["read" | "colours" | "where", string][]} */
  views: [
    ["read", "What can be read"],
    ["colours", "Activity"],
    ["where", "Where a position looks"],
  ],
  shown: "What is shown of a block",
  step: "Step of the run",
  whole: "Whole",
  at: (/** @type {number} */ step, /** @type {number} */ steps, /** @type {number | ""} */ t) =>
    `step ${step} of ${steps} · t = ${t}`,
  block: (/** @type {string} */ name, /** @type {number} */ lane) => `${name}, ${["whole", "changed"][lane]}`,
  channels: (/** @type {number} */ count, /** @type {string} */ block) => `${countOf(count, "channel")} of ${block}`,
  off: "Switched off",
  switch: "Switch off",
  take: (/** @type {unknown} */ block) => `Take the ${block} from`,
  own: "this run",
  other: "a run of another prompt",
  donor: (/** @type {string} */ name) => `a run of ${name === ANY ? "no class" : name}`,
  when: "In which steps",
  in: "When",
  always: "All steps",
  span: (/** @type {number} */ first, /** @type {number} */ last) => `Steps ${first} to ${last}`,
  x: "The picture now",
  x0: "The guess",
  shows: (/** @type {string} */ block) => `What ${block} shows`,
  blind: "no attention",
  into: "into every block",
  donated: "from the other run",
};
