// What the Latents tab is given, what it can ask, and what a run sends: ui/tabs/latents/handlers.py and job.py.

/** @import { PictureServer, Refusal } from "../shared/answers.js" */

/**
 * What is wanted, as ui/tabs/latents/wanted.py checks it; also the keys of an address.
 * @typedef {Record<string, string | number>} Values
 */

/**
 * @typedef {PictureServer & {
 *   describe_run: (asked: Values) => Promise<{ estimate: string, python: string, error?: undefined } | Refusal>,
 *   save_run: (asked: { run: string, kind: string }) => Promise<{ path: string, name: string, error?: undefined } | Refusal>,
 * }} Server
 */

/** @typedef {{ MAX_SEED: number, MAX_BYTES: number, checkpoint: string, kinds: string[] }} Given kinds: of files that can be made */

/**
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {"reconstruct" | "interpolate"} mode
 * @property {number[]} times of the rows
 * @property {number} T
 * @property {string[]} columns
 * @property {number[]} steps of each row
 * @property {number} size
 * @property {boolean} pixelated
 */

/** @typedef {{ kind: "source", i: number, x: string, final: boolean }} SourceResult */
/** @typedef {{ kind: "latent", row: number, x: string[] }} LatentResult */
/** @typedef {{ kind: "step", row: number, k: number, s: number, x0: string }} StepResult */
/** @typedef {{ kind: "row", row: number, spread: number }} RowResult */
/** @typedef {Plan | SourceResult | LatentResult | StepResult | RowResult} Result */

export {};
