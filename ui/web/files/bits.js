// The file of a likelihood: its bounds and curves as CSV.

import { asFloat } from "../words/literal.js";

/** @import { Planner, Request } from "../plans/plan.js" */
/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { File } from "./make.js" */

/**
 * `summary` of ui/parts/likelihood.py. chains: of each variance and number of steps. curves: of each variance, at these times.
 * @typedef {object} Found
 * @property {Record<string, Record<string, (number | null)[]>>} chains
 * @property {Record<string, { L: number[], rate: number[] }>} curves
 * @property {number[]} rmse
 * @property {number[]} times
 */

/** The file needs no more of a run than its request. @type {Planner<any>} */
export const planner = {
  refs: () => [],
  images: () => 1,
  summary: () => "",
  plan: (request) => ({ request }),
};

/** @param {(number | null)[]} values */
const cells = (values) => values.map((value) => (value === null ? "" : asFloat(value)));

/**
 * @param {string} _ "csv" @param {{ plan: { request: Request }, found: Partial<Found>, T: number }} run found: empty until a
 * picture is measured @param {Catalogue} catalogue
 * @returns {File}
 */
export function save(_, { plan, found: { chains, curves = {}, rmse = [], times = [] }, T }, catalogue) {
  if (!chains) throw new Error("There are no numbers yet: press Run");
  const bounds = Object.entries(chains).flatMap(([variance, ofSteps]) =>
    Object.entries(ofSteps).map(([steps, values]) => [variance, steps, ...cells(values)]),
  );
  const columns = Object.entries(curves).flatMap(([variance, { L, rate }]) => [
    { title: `L ${variance}`, values: L },
    { title: `rate ${variance}`, values: rate },
  ]);
  const rows = [
    ["variance", "steps", "bits_per_dim", "standard_error", "L_T", "L_0"],
    ...bounds,
    [],
    [`t (of ${T})`, "rmse", ...columns.map(({ title }) => title)],
    ...times.map((t, i) => [t, ...cells([rmse[i], ...columns.map(({ values }) => values[i])])]),
  ];
  const name = `${catalogue.name(plan.request.checkpoint)} bits per dim.csv`.replaceAll(" ", "-");
  return [name, `${rows.map((row) => row.join()).join("\n")}\n`];
}
