// What the part is given and what it can ask, ui/parts/forward.py; arrays come as base64.
import { bytes } from "../../shared/run/bytes.js";

/** @typedef {{ size: number, pixels: string, error?: undefined }} Picture uint8 (size, size, 3) */
/** @typedef {{ epsilon: string, error?: undefined }} Noise int16, in units of EPSILON_UNIT */

/**
 * t small steps beside one jump: `ddpm_core.plane.forward.Comparison`; pairs are of the walk and of the jump.
 * @typedef {object} Comparison
 * @property {string} walk a picture as data-URI
 * @property {string} jump
 * @property {[number, number]} mean
 * @property {[number, number]} std
 * @property {number} sigma
 * @property {number[]} edges of the histograms
 * @property {[number[], number[]]} densities
 * @property {number} gap
 * @property {number} chance
 * @property {undefined} [error]
 */

/** @typedef {Record<string, Record<keyof Table, string>>} Tables float32, by schedule */
/** @typedef {{ T: number, EPSILON_UNIT: number, thumbs: Record<string, string> }} Given */

/**
 * The weights of a schedule at t = 0…T, `ddpm_core.plane.forward.tables`.
 * @typedef {object} Table
 * @property {Float32Array} beta
 * @property {Float32Array} signal √ᾱ_t
 * @property {Float32Array} noise √(1 − ᾱ_t)
 * @property {Float32Array} of_x_0 of the posterior mean
 * @property {Float32Array} of_x_t
 * @property {Float32Array} beta_tilde
 */

/**
 * The tables of the schedules, by name.
 * @param {Tables} texts
 * @returns {Record<string, Table>}
 */
export function unpackTables(texts) {
  const unpacked = Object.entries(texts).map(([name, columns]) => {
    const arrays = Object.entries(columns).map(([column, text]) => [column, new Float32Array(bytes(text).buffer)]);
    return [name, Object.fromEntries(arrays)];
  });
  return Object.fromEntries(unpacked);
}
