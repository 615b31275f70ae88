// Functions that the plans of Latents, Repair and Between share. These parts show rows of pictures. A chain draws
// each picture.

import { unpack } from "../pictures/text.js";
import { UserError } from "../process/errors.js";
import { LOSSLESS } from "./facts.js";
import { args, asksFor, laneOf, resolved, seedsOf } from "./settings.js";

/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Facts, Outline, Plan, Planner, Request } from "./plan.js" */
/** @import { Arguments, Lane } from "./settings.js" */

/**
 * The result that the page gets before the first picture.
 * @typedef {object} Shown
 * @property {"plan"} kind
 * @property {string[]} titles of the rows
 * @property {string[]} sources the titles of the pictures above the rows
 * @property {string} what the kind of pictures in a row
 * @property {string[]} columns the titles of the columns
 * @property {number[]} steps the number of steps of each row
 * @property {boolean} pixelated whether the page shows single pixels as squares
 */
/** The arguments of ddpm_core.trajectory, without the seeds. @typedef {Omit<Arguments, "seeds">} Options */
/** columns: the number of pictures in a row. stem: the beginning of the names of the run's files. @typedef {Plan & { model: Facts, options: Options, columns: number, stem: string }} RowsPlan */
/** The picture with which a run begins. own: the visitor's picture as text, or "" if the model draws one from the seed. @typedef {{ seed: number, own: string }} Source */

export const GRADIENT = 14; // on a CPU, an evaluation with its gradient takes about as long as this many evaluations without

/** The planner's functions that all these parts share. @type {Pick<Planner, "refs" | "summary" | "prepare">} */
export const rows = {
  refs: ({ checkpoint }) => [checkpoint],
  summary: () => "",
  prepare: ({ picture, picture_b }) => Promise.all([unpack(picture), unpack(picture_b)]),
};

/** Throw if the model works on latents. @param {Facts} model @param {string} sentence the error message */
export function checkPixels({ latent }, sentence) {
  if (latent) throw new UserError(sentence);
}

/**
 * Return the resolved lane of a request, and its arguments for `RowsPlan.options`.
 * @param {Request} request @param {Facts} model @param {Catalogue} catalogue
 * @returns {{ chain: Lane, options: Options }}
 */
export function chainOf(request, model, catalogue) {
  const chain = resolved(laneOf(request), model, catalogue);
  const { seeds: _, ...options } = args(chain, model);
  return { chain, options };
}

/**
 * Return the lane for a request to a server: see `RowsAsked` in ui/runs/asked.py.
 * @param {Pick<RowsPlan, "model" | "options">} plan
 */
export const laneAsked = ({ model, options: { clip, ...others } }) => ({
  lane: { ...asksFor(model), ...others },
  clip,
});

/** Return a strand for each picture with which a run begins. A visitor's own picture costs nothing. @param {Options} options @param {Source[]} sources @returns {Outline[]} */
export const strandsOfSources = ({ steps }, sources) =>
  sources.map(({ own }, turn) => ({ cost: own ? 0 : steps, turn }));

/** Return a strand for each picture of each row. @param {number} columns @param {number[]} costs evaluations of a picture, for each row @returns {Outline[]} */
export const strandsOfRows = (columns, costs) => costs.flatMap((cost, turn) => Array(columns).fill({ cost, turn }));

/**
 * Return the seeds of the columns' noise. They exclude the first picture's seed, because with its noise a chain would
 * lead back to this picture from any t.
 * @param {Request} request */
export const seedsOfColumns = ({ seed, count }) => seedsOf({ seed: seed + 1, count });

/** Return the beginning of the names of a run's files. @param {Request} request @param {string} what the run computes @param {Catalogue} catalogue */
export const stemOf = ({ checkpoint, seed }, what, catalogue) =>
  `${catalogue.name(checkpoint)}-${what}-seed-${seed}`.replaceAll(" ", "-");

/**
 * Return the result that the page gets before the first picture.
 * @param {Facts} model
 * @param {Omit<Shown, "kind" | "pixelated">} rows
 */
export const shownRows = ({ image_size }, rows) => {
  return { kind: /** @type {const} */ ("plan"), ...rows, pixelated: image_size <= LOSSLESS };
};
