// Makes the data for the files of a run: its settings, a table of its steps, and the moments of its animation. A lane
// is one of the runs that are shown together.

import { noise } from "../pictures/measures.js";
import { names } from "../plans/captions.js";
import { written } from "../plans/touch.js";
import { DEFAULTS } from "../process/samplers.js";
import { general } from "../words/floats.js";
import { asFloat, literal, typed } from "../words/literal.js";
import { stepOf } from "../words/player.js";
import { ANY } from "../words/units.js";

/** @import { Facts } from "../plans/plan.js" */
/** @import { Lane } from "../plans/settings.js" */
/** @import { Touches } from "../plans/touch.js" */
/** @import { Row } from "../process/runs.js" */
/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Rest } from "./file.d.ts" */
/** @import { Picture } from "../pictures/resize.js" */

/**
 * A plan: the settings, model and steps of each lane, and the visitor's changes of lane B. refs: names of the
 * checkpoints, without repetition.
 * @typedef {{ refs: string[], lanes: Lane[], models: Facts[], rows: Row[][], touches: Touches }} Planned
 */
/**
 * For each lane, the stored pictures of x_t, by the number of their step.
 * @typedef {Map<number, Picture[]>[]} Frames
 */
/**
 * A run to be saved. frames: for each lane, the number of each stored step and the pictures of its x_t. x0: for each
 * finished lane, its number and all its final images.
 * @typedef {{ plan: Planned, about: About, frames: Iterable<[k: number, Picture[]]>[], x0: Iterable<[lane: number, Float32Array]> }} Run
 */
/**
 * For each checkpoint of a plan, the facts that the files mention.
 * @typedef {{ revision: string | null, engine: string }[]} About
 */
/**
 * For each lane, by step: the grain of the step's pictures, and their distance from the first lane's pictures at the
 * same time t (null if the first lane has none).
 * @typedef {Map<number, [grain: number, distance: number | null]>[]} Results
 */
/**
 * The pictures that an animation shows at time t. said: the player's words for the step; with more than two lanes, only
 * "t = …". lanes: by a lane's number, its pictures.
 * @typedef {{ t: number, said: string, lanes: Map<number, Picture[]> }} Moment
 */

/** For each format, the most moments that its animation shows. @type {Record<string, number>} */
export const MOMENTS = { gif: 50, webp: 200 };

/**
 * Return the number of finished steps of a lane.
 * @param {Map<number, Picture[]>} kept the lane's stored pictures by step
 */
export const doneOf = (kept) => Math.max(-1, ...kept.keys()) + 1;

/**
 * Return all settings that are needed to repeat a run: the settings that its lanes share, and those of each lane.
 * @param {Planned} plan @param {Frames} frames @param {About} about
 */
export function settings({ refs, lanes }, frames, about) {
  const { seed, count, label, negative, clip } = lanes[0];
  return {
    ...{ seed, count, label, negative, clip },
    lanes: lanes.map((lane, i) => ({
      ...typed(
        only(lane, ["checkpoint", "prompt", "sampler", "steps", "spacing", ...Object.keys(DEFAULTS), "guidance"]),
      ),
      ...(lane.touch ? { touch: written(lane.touch) } : {}),
      ...about[refs.indexOf(lane.checkpoint)],
      steps_done: doneOf(frames[i]),
    })),
  };
}

/**
 * Return the named settings, without those that the lane lacks.
 * @param {Record<string, any>} lane @param {string[]} names
 */
const only = (lane, names) => Object.fromEntries(names.flatMap((name) => (name in lane ? [[name, lane[name]]] : [])));

/**
 * Return a CSV table with a row for each step of each lane: times t and s, ᾱ_t, σ, and the grain and distance of its
 * pictures.
 * @param {Planned} plan @param {Results} results @param {Catalogue} catalogue
 */
export function table({ lanes, rows }, results, catalogue) {
  const lines = ["lane,name,step,t,s,alpha_bar_t,sigma,grain,distance"];
  for (const [lane, name] of names(lanes, catalogue).entries()) {
    const quoted = `"${name.replaceAll('"', '""')}"`; // names contain prompts, which may have commas and quotes
    for (const [k, [t, s, alphaBar, sigma]] of rows[lane].entries()) {
      const measured = (results[lane].get(k) ?? [null, null]).map((value) => (value === null ? "" : general(value, 4)));
      const numbers = [alphaBar, sigma].map((value) => (value === null ? "" : literal(asFloat(value))));
      lines.push([lane, quoted, k, t, s, ...numbers, ...measured].join());
    }
  }
  return `${lines.join("\n")}\n`;
}

/**
 * Measure the grain and the distance of the stored pictures of each step.
 * @param {Planned} plan @param {Frames} frames @param {Rest} rest @returns {Promise<Results>}
 */
export async function measure({ rows }, frames, rest) {
  const first = new Map([...frames[0]].map(([k, pictures]) => [rows[0][k][1], pictures]));
  const all = frames.reduce((sum, { size }) => sum + size, 0);
  /** @type {Results} */
  const results = frames.map(() => new Map());
  let done = 0;
  for (const [lane, kept] of frames.entries())
    for (const [k, pictures] of kept) {
      const others = lane ? first.get(rows[lane][k][1]) : undefined;
      results[lane].set(k, [mean(pictures.map(grain)), others ? distance(pictures, others) : null]);
      await rest(++done, all);
    }
  return results;
}

/** Return the mean of numbers. @param {number[]} numbers */
const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

/** Return the standard deviation of the noise in a picture, in grey levels. @param {Picture} picture */
const grain = ({ data, width, channels }) => noise(data, width, channels);

/**
 * Return the root mean square difference between pictures and others over all pixels, in grey levels.
 * @param {Picture[]} pictures @param {Picture[]} others
 */
function distance(pictures, others) {
  const squares = pictures.map(({ data }, n) => data.reduce((sum, one, i) => sum + (one - others[n].data[i]) ** 2, 0));
  return Math.sqrt(mean(squares) / pictures[0].data.length);
}

/** Return a title for each lane. Titles of two lanes begin with A and B; the title of a single lane says what it draws. @param {Planned} plan @param {Catalogue} catalogue */
export function titles({ lanes }, catalogue) {
  const called = names(lanes, catalogue);
  if (lanes.length === 2) return called.map((name, lane) => `${"AB"[lane]}: ${name}`);
  const [{ checkpoint, label, prompt }] = lanes;
  return lanes.length > 1 ? called : [prompt || (label === ANY ? catalogue.name(checkpoint) : label)];
}

/**
 * Return a moment for each time at which a lane has a picture, from noise to x_0. A lane without a picture of this time
 * shows its previous picture, or its first picture if there is no previous picture.
 * @param {Planned} plan @param {Frames} frames @returns {Moment[]}
 */
export function moments({ rows }, frames) {
  const times = frames.flatMap((lane, number) => [...lane].map(([k, x]) => ({ s: rows[number][k][1], number, x })));
  let now = new Map();
  for (const [number, lane] of frames.entries()) if (lane.size) now.set(number, lane.get(Math.min(...lane.keys())));
  const found = new Map();
  for (const { s, number, x } of times.sort((a, b) => b.s - a.s)) {
    now = new Map(now).set(number, x);
    found.set(s, now);
  }
  const ticks = [...new Set(rows.flatMap((lane) => lane.map(([, s]) => s)))].sort((a, b) => b - a);
  const said = (/** @type {number} */ t) => (rows.length > 2 ? `t = ${t}` : stepOf(ticks.indexOf(t) + 1, ticks.length));
  return [...found].map(([t, lanes]) => ({ t, said: said(t), lanes }));
}
