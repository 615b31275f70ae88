// The planner of "How much a noisy picture still knows". It plans a row for each time t. In a row, the model decodes
// the same latent (a noised picture x_t) with several seeds, or it decodes mixtures of two latents.

import { fromText } from "../../pictures/text.js";
import { Wrong } from "../../plans/fields.js";
import { byKind, stepKind } from "../../plans/plan.js";
import {
  chainOf,
  checkPixels,
  laneAsked,
  rows,
  seedsOfColumns,
  shownRows,
  stemOf,
  strandsOfRows,
  strandsOfSources,
} from "../../plans/rows.js";
import { copied, lines, picture, rowsHead, rowsSaved } from "../../plans/scripts.js";
import { chain } from "../../process/runs.js";
import { timeAt } from "../../process/schedule.js";
import { chainLength, quarters } from "../../process/times.js";
import { literal, range } from "../../words/literal.js";
import { BETWEEN, ofSeed, ofTime, ofWeight, RECONSTRUCTED } from "../../words/rows.js";
import { PART } from "../../words/wrong.js";

/** @import { Catalogue } from "../../words/catalogue.js" */
/** @import { Facts, Planner, Request } from "../../plans/plan.js" */
/** @import { Options, RowsPlan, Source } from "../../plans/rows.js" */

/** The plan of the rows. times: the t of each row. lengths: the number of steps of each row. sources: the starting pictures. @typedef {RowsPlan & { times: number[], lengths: number[], sources: Source[] }} LatentsPlan */

/** Return whether a request mixes two latents. @param {Request} request */
export const mixes = ({ mode }) => mode === "interpolate";

/** Return the pictures with which a run starts: two pictures if the request mixes latents, else one picture. @param {Request} request @returns {Source[]} */
function sourcesOf(request) {
  const first = { seed: request.seed, own: request.picture };
  return mixes(request) ? [first, { seed: request.seed_b, own: request.picture_b }] : [first];
}

/** Return the weight λ of the second picture in each column, from 0 to 1. @param {Request} request @returns {number[]} */
export const weights = ({ count }) =>
  Array.from({ length: count }, (_, i) => (i === count - 1 ? 1 : i * (1 / (count - 1))));

/** Make the plan. Throws a UserError if the model, a picture or a time is unsuitable. @param {Request} request @param {Facts[]} models @param {Catalogue} catalogue @returns {LatentsPlan} */
function plan(request, [model], catalogue) {
  checkPixels(model, PART.latents);
  const sources = sourcesOf(request);
  for (const { own } of sources) if (own) fromText(own, model);
  const { options } = chainOf(request, model, catalogue);
  const { T } = model.schedule;
  const asked = request.times.length ? request.times : quarters(model.process);
  const highest = Math.max(...asked.filter(Number.isFinite));
  if (highest > T) throw new Wrong("times", PART.times(T, highest));
  const times = asked.map((/** @type {number | string} */ one) => timeOf(model, one));
  for (const t of times) checkChain(model, t, options);
  const lengths = times.map((/** @type {number} */ t) => chainLength(model.process, t, request.steps));
  const drawn = sources.filter(({ own }) => !own).length;
  const { checkpoint, count, steps, mode } = request;
  return {
    ...{ request, refs: [checkpoint], images: count, model, options, sources, times, lengths, columns: count },
    stem: stemOf(request, mode, catalogue),
    steps: byKind(
      [stepKind(checkpoint), drawn * steps],
      [stepKind(checkpoint, count), lengths.reduce((/** @type {number} */ sum, /** @type {number} */ n) => sum + n, 0)],
    ),
    strands: [strandsOfSources(options, sources), strandsOfRows(count, lengths)],
  };
}

/** Return the t of a requested time, which is a number t or a noise level such as "σ 10". A level above the schedule's largest means T. @param {Facts} model @param {number | string} one */
const timeOf = ({ process }, one) => (typeof one === "string" ? timeAt(process, Number(one.slice(2))) : one);

/** Return the titles of the rows and columns. @param {Request} request @param {number[]} times the t of each row */
function titlesOf(request, times) {
  const titles = times.map((t, row) => (typeof request.times[row] === "string" ? request.times[row] : ofTime(t)));
  return mixes(request)
    ? { titles, ...BETWEEN, columns: weights(request).map(ofWeight) }
    : { titles, ...RECONSTRUCTED, columns: seedsOfColumns(request).map(ofSeed) };
}

/**
 * Throw a UserError if no chain with these options can start at t. A row at t = 0 needs no steps, so check the shortest
 * chain instead.
 * @param {Facts} model @param {number} t @param {Options} options
 */
function checkChain(model, t, options) {
  const start = t || (model.student?.times.at(-1) ?? 1);
  chain(model.process, { ...options, start, steps: chainLength(model.process, start, options.steps) });
}

/** @type {Planner<LatentsPlan>} */
export const planner = {
  ...rows,
  plan,
  scripts: (plan) => ({ python: copied(() => script(plan)) }),
  shown: ({ request, model, times, lengths }) => ({
    ...shownRows(model, { ...titlesOf(request, times), steps: lengths }),
    mode: request.mode,
  }),
  asked: (plan) => ({
    ...laneAsked(plan),
    ...{ sources: plan.sources, times: plan.times, seeds: seedsOfColumns(plan.request) },
    weights: mixes(plan.request) ? weights(plan.request) : [],
  }),
};

/** Return a Python script that computes the same rows with ddpm_core. @param {LatentsPlan} plan */
function script({ request, model, options, sources, times }) {
  const { seed, seed_b, count, mode } = request;
  const shape = [1, model.image_size, model.image_size, model.channels];
  const [a, b = []] = sources.map(({ seed, own }, i) =>
    own ? picture("ab"[i], own, shape) : [`${"ab"[i]} = ddpm_core.sample(model, [${seed}], **options)`],
  );
  const row = mixes(request)
    ? [
        `    other = ddpm_core.encode(model, b, t, [${seed_b}])`,
        `    weights = np.linspace(0, 1, ${count}).tolist()`,
        `    rows.append(ddpm_core.interpolate(model, x_t, other, t, weights, ${seed + 1}, **options))`,
      ]
    : [`    rows.append(ddpm_core.reconstruct(model, x_t, t, ${range(seed + 1, count)}, **options))`];
  return lines(
    ...(sources.some(({ own }) => own) ? ["import base64", "import zlib", ""] : []),
    ...rowsHead(request.checkpoint, model, options),
    ...a,
    ...b,
    "rows = []",
    `for t in ${literal(times)}:  # of ${model.schedule.T}`,
    `    x_t = ddpm_core.encode(model, a, t, [${seed}])`,
    ...row,
    rowsSaved(count, mode),
  );
}

/** Import the module that writes the run's files. */
export const files = () => import("../../files/rows.js");
