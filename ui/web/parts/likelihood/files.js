// Writes the measured bound of a model as a CSV file.

import { UserError } from "../../process/errors.js";
import { asFloat, literal } from "../../words/literal.js";
import { NOTHING } from "../../words/wrong.js";
import { WORDS } from "./words.js";

/** @import { MeanBits } from "../../messages/protocol.d.ts" */
/** @import { Request } from "../../plans/plan.js" */
/** @import { Catalogue } from "../../words/catalogue.js" */
/** @import { File } from "../../files/file.d.ts" */

/**
 * Return the file: a row for each chain, then a row for each time t. Throws a UserError if no picture has been measured
 * yet.
 * @param {string} _ "csv" @param {{ plan: { request: Request }, found: Partial<MeanBits>, T: number }} run found: the measured
 * numbers, empty before the first picture @param {Catalogue} catalogue
 * @returns {File}
 */
export function save(_, { plan, found: { chains, curves = {}, rmse = [], times = [] }, T }, catalogue) {
  if (!chains) throw new UserError(NOTHING.numbers);
  const rows = [["variance", "steps", "bits_per_dim", "standard_error", "L_T", "L_0"]];
  for (const [name, ofSteps] of Object.entries(chains))
    for (const [steps, numbers] of Object.entries(ofSteps)) rows.push([name, steps, ...numbers.map(formatNumber)]);
  const all = Object.entries(curves);
  rows.push([], [`t (of ${T})`, "rmse", ...all.flatMap(([name]) => WORDS.columns(name))]);
  for (const [i, t] of times.entries())
    rows.push([`${t}`, ...[rmse[i], ...all.flatMap(([, { L, rate }]) => [L[i], rate[i]])].map(formatNumber)]);
  const name = `${catalogue.name(plan.request.checkpoint)} bits per dim.csv`.replaceAll(" ", "-");
  return [name, rows.map((row) => `${row.join()}\n`).join("")];
}

/** Format a number for the file; null becomes an empty cell. @param {number | null} number */
const formatNumber = (number) => (number === null ? "" : literal(asFloat(number)));
