// The file of a bound: its numbers as a table, made of what an engine has sent.

import { asFloat, literal } from "../words/literal.js";

/** @import { Bits } from "../parts/likelihood/tables.js" */
/** @import { Request } from "../plans/plan.js" */
/** @import { Catalogue } from "../words/catalogue.js" */

/**
 * A row for each chain, then one for each time: the file's name and content.
 * @param {Request} request @param {number} T @param {Bits | null} bits the newest @param {Catalogue} catalogue
 * @returns {[name: string, content: string]}
 */
export function csv({ checkpoint }, T, bits, catalogue) {
  if (!bits) throw new Error("There are no numbers yet: press Run");
  const rows = [["variance", "steps", "bits_per_dim", "standard_error", "L_T", "L_0"]];
  for (const [name, chains] of Object.entries(bits.chains))
    for (const [steps, numbers] of Object.entries(chains)) rows.push([name, steps, ...numbers.map(written)]);
  const curves = Object.entries(bits.curves);
  rows.push([], [`t (of ${T})`, "rmse", ...curves.flatMap(([name]) => [`L ${name}`, `rate ${name}`])]);
  for (const [i, t] of bits.times.entries())
    rows.push([`${t}`, ...[bits.rmse[i], ...curves.flatMap(([, { L, rate }]) => [L[i], rate[i]])].map(written)]);
  const name = `${catalogue.name(checkpoint)} bits per dim.csv`.replaceAll(" ", "-");
  return [name, rows.map((row) => `${row.join()}\n`).join("")];
}

/** @param {number | null} number */
const written = (number) => (number === null ? "" : literal(asFloat(number)));
