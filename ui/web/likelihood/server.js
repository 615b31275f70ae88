// What the Likelihood tab is given, what it can ask, and what a measurement sends: ui/tabs/likelihood.

/** @import { PictureServer, Refusal } from "../shared/answers.js" */

/** @typedef {{ text: string, link?: string, why?: string } | null} Cell why: there is no link */

/**
 * @typedef {object} StudyTable
 * @property {string} title
 * @property {string} note
 * @property {number[]} steps of the columns
 * @property {{ name: string, cells: Cell[] }[]} rows
 * @property {boolean} published
 */

/**
 * A results folder of `train evaluate`.
 * @typedef {object} Study
 * @property {string} title
 * @property {string} about
 * @property {string} unlinked why no cell has a link; "" where they have
 * @property {StudyTable[]} tables
 * @property {{ name: string, uri: string }[]} plots
 * @property {undefined} [error]
 */

/** @typedef {Record<string, string | number>} Values what is wanted; also the keys of an address */

/**
 * @typedef {PictureServer & {
 *   describe_measure: (asked: Values) => Promise<{ estimate: string, python: string, error?: undefined } | Refusal>,
 *   open_study: (asked: { folder: string }) => Promise<Study | Refusal>,
 * }} Server
 */

/** @typedef {{ MAX_SEED: number, MAX_BYTES: number, checkpoint: string, local: boolean }} Given */

/**
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {number} T
 * @property {number} count pictures
 * @property {boolean} pixelated
 * @property {[label: string, name: string][]} variances
 * @property {number[]} lengths steps of the chains, the full one last
 * @property {{ source: string, rows: [t: number, rate: number, rmse: number][] } | null} published the paper's Table 4
 */

/**
 * Means over the pictures so far.
 * @typedef {object} Bits
 * @property {"bits"} kind
 * @property {number} done pictures
 * @property {Record<string, Record<string, [bits: number, error: number | null, prior: number, L0: number]>>} chains
 * by variance and steps
 * @property {Record<string, { L: number[], rate: number[] }>} curves by variance, at the times
 * @property {number[]} rmse at the times, on the scale 0 to 255
 * @property {number[]} times ascending
 */

/** @typedef {{ kind: "decoding", times: number[], rows: string[] }} Decoding a sprite for each picture */
/** @typedef {{ kind: "early", steps: number, bits: number }} Early the first picture, by a short chain */
/** @typedef {Plan | Bits | Decoding | Early} Result */

export {};
