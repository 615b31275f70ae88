// The tables of a measurement, and the types of its results.
import { table } from "../../drawing/table.js";
import { number } from "../../words/numbers.js";
import { indexed } from "../../words/symbols.js";
import { countOfSteps } from "../../words/units.js";
import { measured, WORDS } from "./words.js";

/** @import { Decoding, Early, MeanBits as Measured } from "../../messages/protocol.d.ts" */

/**
 * The first result of a measurement, before its numbers.
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {number} T the number of steps of the full chain
 * @property {number} count the number of pictures to measure
 * @property {boolean} pixelated whether the page shows single pixels as squares
 * @property {[label: string, name: string][]} variances the variances whose bounds are measured
 * @property {number[]} lengths the numbers of steps of the chains, the full chain last
 * @property {[t: number, rate: number, rmse: number][] | null} published the rows of the paper's Table 4, if the
 * pictures come from CIFAR-10; else null
 */

/** The measured numbers. looks: the sentence that `looks` in plan.js returns. @typedef {Measured & { looks: string }} Bits */
/** A result of a measurement, as the part draws it. @typedef {Plan | Bits | Decoding | Early} Result */

/** Format a number with its standard error; without an error if `error` is null. @param {number} value @param {number | null} error */
export function plusMinus(value, error) {
  const digits = value < 10 ? 3 : 2;
  return error === null ? value.toFixed(digits) : `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
}

/** Return a table with the bits of the first picture, measured with short chains. The page shows the table until the picture's full chain is measured. @param {Plan} plan @param {Early[]} found */
export function early({ variances: [[label]] }, found) {
  const heads = ["bits/dim", ...found.map(({ steps }) => countOfSteps(steps))];
  const row = [label, ...found.map(({ bits }) => plusMinus(bits, null))];
  return table(WORDS.early, heads, [row]);
}

/** Return the table of bits/dim: a row for each variance, a column for each number of steps. @param {Plan} plan @param {Bits} bits */
export function totals({ variances, lengths, T, count }, { chains, done }) {
  const rows = variances.map(([label, name]) => {
    const [, , prior, L0] = chains[name][T];
    return [
      label,
      ...lengths.map((n) => plusMinus(chains[name][n][0], chains[name][n][1])),
      L0.toFixed(3),
      prior < 0.00095 ? number(prior) : prior.toFixed(3),
    ];
  });
  const heads = [
    "bits/dim",
    ...lengths.map((n) => (n === T ? WORDS.all(n) : countOfSteps(n))),
    WORDS.last,
    indexed("L", "T"),
  ];
  return table(measured(done, count), heads, rows);
}

/** Return the table of rate and distortion at the times of the paper's Table 4. For CIFAR-10, add the paper's columns. @param {Plan} plan @param {Bits} bits */
export function rates({ variances, T, published }, { curves, rmse, times }) {
  const wanted = Array.from({ length: 10 }, (_, i) => Math.min(T, 1 + Math.round((T * i) / 10)));
  const rows = [...new Set(wanted)].flatMap((t) => {
    const i = times.indexOf(t);
    if (i < 0) return [];
    const own = variances.map(([, name]) => curves[name].rate[i].toFixed(5));
    const row = [String(t), ...own, rmse[i].toFixed(2)];
    const theirs = published?.find(([time]) => time === t);
    return [published ? [...row, theirs ? theirs[1].toFixed(5) : "", theirs ? theirs[2].toFixed(2) : ""] : row];
  });
  const own = ["t", ...variances.map(([label]) => WORDS.rate(label)), "RMSE"];
  const heads = published ? [...own, ...WORDS.published] : own;
  const caption = published ? WORDS.tableBeside : WORDS.table;
  return table(caption, heads, rows, own.length);
}
