// What the plans of Latents, Repair and Between have in common: each shows rows of pictures, the results of chains.

import { unpack } from "../pictures/text.js";
import { UserError } from "../process/errors.js";
import { LOSSLESS } from "./facts.js";
import { args, asksFor, laneOf, resolved, seedsOf } from "./settings.js";

/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Facts, Outline, Plan, Planner, Request } from "./plan.js" */
/** @import { Arguments, Lane } from "./settings.js" */

/**
 * What the page gets before the first picture.
 * @typedef {object} Shown
 * @property {"plan"} kind
 * @property {string[]} titles of the rows
 * @property {string[]} sources what stands above the rows
 * @property {string} what the pictures of a row are
 * @property {string[]} columns
 * @property {number[]} steps of each row
 * @property {boolean} pixelated
 */
/** The arguments of ddpm_core.trajectory, without the seeds. @typedef {Omit<Arguments, "seeds">} Options */
/** columns: how many pictures are in a row. stem: how the names of the run's files begin. @typedef {Plan & { model: Facts, options: Options, columns: number, stem: string }} RowsPlan */
/** The picture that a run begins with. own: the visitor's picture as text, or "": then the model draws one from the seed. @typedef {{ seed: number, own: string }} Source */

export const GRADIENT = 14; // on a CPU, an evaluation with its gradient takes as long as this many plain ones

/** The functions of a planner that all these parts share. @type {Pick<Planner, "refs" | "summary" | "prepare">} */
export const rows = {
  refs: ({ checkpoint }) => [checkpoint],
  summary: () => "",
  prepare: ({ picture, picture_b }) => Promise.all([unpack(picture), unpack(picture_b)]),
};

/** Throw if the model works on latents. @param {Facts} model @param {string} sentence says that only models of pixels can do this */
export function checkPixels({ latent }, sentence) {
  if (latent) throw new UserError(sentence);
}

/**
 * The resolved lane of a request, and the same as `RowsPlan.options`.
 * @param {Request} request @param {Facts} model @param {Catalogue} catalogue
 * @returns {{ chain: Lane, options: Options }}
 */
export function chainOf(request, model, catalogue) {
  const chain = resolved(laneOf(request), model, catalogue);
  const { seeds: _, ...options } = args(chain, model);
  return { chain, options };
}

/**
 * The lane in a request to a server: see `RowsAsked` in ui/runs/asked.py.
 * @param {Pick<RowsPlan, "model" | "options">} plan
 */
export const laneAsked = ({ model, options: { clip, ...others } }) => ({
  lane: { ...asksFor(model), ...others },
  clip,
});

/** One strand for each picture that a run begins with; it costs nothing if the picture is the visitor's own. @param {Options} options @param {Source[]} sources @returns {Outline[]} */
export const strandsOfSources = ({ steps }, sources) =>
  sources.map(({ own }, turn) => ({ cost: own ? 0 : steps, turn }));

/** One strand for each picture of each row. @param {number} columns @param {number[]} costs evaluations of a picture, for each row @returns {Outline[]} */
export const strandsOfRows = (columns, costs) => costs.flatMap((cost, turn) => Array(columns).fill({ cost, turn }));

/**
 * The seeds of the columns' noise. The seed of the first picture is not among them: with it, a chain would lead back to that
 * picture from any t.
 * @param {Request} request */
export const seedsOfColumns = ({ seed, count }) => seedsOf({ seed: seed + 1, count });

/** @param {Request} request @param {string} what is computed @param {Catalogue} catalogue */
export const stemOf = ({ checkpoint, seed }, what, catalogue) =>
  `${catalogue.name(checkpoint)}-${what}-seed-${seed}`.replaceAll(" ", "-");

/**
 * The part of the plan that the page gets before the first picture.
 * @param {Facts} model
 * @param {Omit<Shown, "kind" | "pixelated">} rows
 */
export const shownRows = ({ image_size }, rows) => {
  return { kind: /** @type {const} */ ("plan"), ...rows, pixelated: image_size <= LOSSLESS };
};
