// Rows of pictures that chains end in, one row beside the other: what Latents, Repair and Between share of their plans.

import { unpack } from "../pictures/text.js";
import { UserError } from "../process/errors.js";
import { LOSSLESS } from "./facts.js";
import { args, laneOf, resolved, seedsOf } from "./settings.js";

/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Facts, Plan, Planner, Request } from "./plan.js" */
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

export const GRADIENT = 14; // plain evaluations that one with its gradient takes, measured on a CPU

/** A `Planner`, but for its plan. @type {Omit<Planner, "plan">} */
export const rows = {
  refs: ({ checkpoint }) => [checkpoint],
  images: ({ count }) => count,
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

/** The seeds of the columns' noise: not the sample's own, whose chain would lead back to it from any t. @param {Request} request */
export const seedsOfColumns = ({ seed, count }) => seedsOf({ seed: seed + 1, count });

/** @param {Request} request @param {string} what is computed @param {Catalogue} catalogue */
export const stemOf = ({ checkpoint, seed }, what, catalogue) =>
  `${catalogue.name(checkpoint)}-${what}-seed-${seed}`.replaceAll(" ", "-");

/** The first result as the page has it. @param {Facts} model @param {Omit<Shown, "kind" | "pixelated">} rows */
export const shownRows = ({ image_size }, rows) => {
  return { kind: /** @type {const} */ ("plan"), ...rows, pixelated: image_size <= LOSSLESS };
};
