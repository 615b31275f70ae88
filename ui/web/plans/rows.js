// Rows of pictures that chains end in, one row beside the other: what Latents, Repair and Between share of their plans.

import { unpack } from "../pictures/text.js";
import { UserError } from "../process/errors.js";
import { LOSSLESS } from "./facts.js";
import { args, asksFor, laneOf, resolved, seedsOf } from "./settings.js";

/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Facts, Outline, Plan, Planner, Request } from "./plan.js" */
/** @import { Arguments, Lane } from "./settings.js" */

/**
 * The first result as the page has it.
 * @typedef {object} Shown
 * @property {"plan"} kind
 * @property {string[]} titles of the rows
 * @property {string[]} sources what stands above the rows
 * @property {string} what the pictures of a row are
 * @property {string[]} columns
 * @property {number[]} steps of each row
 * @property {boolean} pixelated
 */
/** Arguments of ddpm_core.trajectory, after the seeds. @typedef {Omit<Arguments, "seeds">} Options */
/** columns: pictures in a row. stem: of the names of files. @typedef {Plan & { model: Facts, options: Options, columns: number, stem: string }} RowsPlan */
/** A picture to begin with: one's own as text, "" for the sample of the seed. @typedef {{ seed: number, own: string }} Source */

export const GRADIENT = 14; // plain evaluations that one with its gradient takes, measured on a CPU

/** What all of them say of a request. @type {Pick<Planner, "refs" | "summary" | "prepare">} */
export const rows = {
  refs: ({ checkpoint }) => [checkpoint],
  summary: () => "",
  prepare: ({ picture, picture_b }) => Promise.all([unpack(picture), unpack(picture_b)]),
};

/** Throw for a latent model. @param {Facts} model @param {string} sentence that only models of pixels can do it */
export function checkPixels({ latent }, sentence) {
  if (latent) throw new UserError(sentence);
}

/**
 * The chain of a row for a model, and `RowsPlan.options`.
 * @param {Request} request @param {Facts} model @param {Catalogue} catalogue
 * @returns {{ chain: Lane, options: Options }}
 */
export function chainOf(request, model, catalogue) {
  const chain = resolved(laneOf(request), model, catalogue);
  const { seeds: _, ...options } = args(chain, model);
  return { chain, options };
}

/** What is asked of a server of each chain. @param {Pick<RowsPlan, "model" | "options">} plan */
export const laneAsked = ({ model, options: { clip, ...own } }) => ({ lane: { ...asksFor(model), ...own }, clip });

/** The strands of pictures to begin with, which take no steps where they are one's own. @param {Options} options @param {Source[]} sources @returns {Outline[]} */
export const strandsOfSources = ({ steps }, sources) =>
  sources.map(({ own }, turn) => ({ cost: own ? 0 : steps, turn }));

/** The strands of rows: of each of so many columns the evaluations of its row. @param {number} columns @param {number[]} costs @returns {Outline[]} */
export const strandsOfRows = (columns, costs) => costs.flatMap((cost, turn) => Array(columns).fill({ cost, turn }));

/** The seeds of the columns' noise: not the sample's own, whose chain would lead back to it from any t. @param {Request} request */
export const seedsOfColumns = ({ seed, count }) => seedsOf({ seed: seed + 1, count });

/** @param {Request} request @param {string} what is computed @param {Catalogue} catalogue */
export const stemOf = ({ checkpoint, seed }, what, catalogue) =>
  `${catalogue.name(checkpoint)}-${what}-seed-${seed}`.replaceAll(" ", "-");

/** The first result as the page has it. @param {Facts} model @param {Omit<Shown, "kind" | "pixelated">} rows */
export const shownRows = ({ image_size }, rows) => {
  return { kind: /** @type {const} */ ("plan"), ...rows, pixelated: image_size <= LOSSLESS };
};
