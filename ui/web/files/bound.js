// The file of a bound: its numbers as a table, made of what an engine has measured.

import { asFloat, literal } from "../words/literal.js";

/** @import { Bits } from "../parts/likelihood/tables.js" */
/** @import { Request } from "../plans/plan.js" */
/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { File } from "./make.js" */

/**
 * A row for each chain, then one for each time.
 * @param {string} _ "csv" @param {{ plan: { request: Request }, found: Partial<Bits>, T: number }} run found: empty until a
 * picture is measured @param {Catalogue} catalogue
 * @returns {File}
 */
export function save(_, { plan, found: { chains, curves = {}, rmse = [], times = [] }, T }, catalogue) {
  if (!chains) throw new Error("There are no numbers yet: press Run");
  const rows = [["variance", "steps", "bits_per_dim", "standard_error", "L_T", "L_0"]];
  for (const [name, ofSteps] of Object.entries(chains))
    for (const [steps, numbers] of Object.entries(ofSteps)) rows.push([name, steps, ...numbers.map(written)]);
  const all = Object.entries(curves);
  rows.push([], [`t (of ${T})`, "rmse", ...all.flatMap(([name]) => [`L ${name}`, `rate ${name}`])]);
  for (const [i, t] of times.entries())
    rows.push([`${t}`, ...[rmse[i], ...all.flatMap(([, { L, rate }]) => [L[i], rate[i]])].map(written)]);
  const name = `${catalogue.name(plan.request.checkpoint)} bits per dim.csv`.replaceAll(" ", "-");
  return [name, rows.map((row) => `${row.join()}\n`).join("")];
}

/** @param {number | null} number */
const written = (number) => (number === null ? "" : literal(asFloat(number)));
