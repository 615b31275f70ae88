// The charts of a bound: L_t over t, and the distortion over the rate.
import { box, path, scale } from "../../shared/curves.js";
import { el } from "../../shared/dom.js";
import { power } from "../../shared/numbers.js";

/** @import { Point } from "../../shared/curves.js" */
/** @import { Bits, Plan } from "./tables.js" */

/** @param {string} name @param {string} label */
const key = (name, label) => el("span", null, el("i", { class: `swatch ${name}` }), label);

/**
 * @param {string} title
 * @param {[top: number, label: string][]} lines of the grid, in per cent from the top
 * @param {string[]} axis what is written under it, from left to right
 * @param {Node[]} curves
 * @param {Node[]} keys
 */
function figure(title, lines, axis, curves, keys) {
  const area = el("div", { class: "area" });
  for (const [top, label] of lines) area.append(el("span", { class: "grid", style: `top:${top}%` }, label));
  const shapes = curves.filter((curve) => curve instanceof SVGElement);
  const dots = curves.filter((curve) => !(curve instanceof SVGElement));
  area.append(el("div", { class: "clip" }, box(...shapes), ...dots));
  const under = el("div", { class: "axis", "aria-hidden": "true" }, ...axis.map((text) => el("span", null, text)));
  return el(
    "figure",
    { class: "plot" },
    el("figcaption", null, title),
    area,
    under,
    el("div", { class: "key" }, ...keys),
  );
}

/**
 * L_t of every variance, both axes logarithmic.
 * @param {Plan} plan
 * @param {Bits} bits
 */
export function terms(plan, { curves, times }) {
  const values = Object.values(curves).flatMap(({ L }) => L.filter((value) => value > 0));
  const low = Math.floor(Math.log10(Math.max(1e-9, Math.min(...values))));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const y = scale(low, high, true);
  /** @param {number} t */
  const x = (t) => (100 * Math.log10(t)) / Math.max(1e-9, Math.log10(plan.T));
  const every = Math.ceil((high - low) / 4);
  /** @type {[number, string][]} */
  const lines = [];
  for (let exponent = low; exponent <= high; exponent += every) lines.push([y(10 ** exponent), power(exponent)]);
  const drawn = plan.variances.map(([, name]) =>
    path(
      name,
      times.map((t, i) => /** @type {Point} */ ([x(t), curves[name].L[i] > 0 ? y(curves[name].L[i]) : null])),
    ),
  );
  const keys = plan.variances.map(([label, name]) => key(name, label));
  const half = Math.round(Math.sqrt(plan.T));
  return figure("Bits/dim of each step, by t", lines, ["t 1", `${half}`, `${plan.T}`], drawn, keys);
}

/**
 * What an error of x̂_0 costs in bits: the paper's Fig. 5, right.
 * @param {Plan} plan
 * @param {Bits} bits
 */
export function rateDistortion(plan, { curves, rmse }) {
  const published = plan.published?.rows ?? [];
  const rates = [...Object.values(curves).flatMap(({ rate }) => rate), ...published.map(([, rate]) => rate)];
  const right = Math.max(0.1, Math.ceil(10 * Math.max(...rates)) / 10);
  const top = Math.max(10, Math.ceil(Math.max(...rmse, ...published.map(([, , error]) => error)) / 20) * 20);
  const y = scale(0, top);
  /** @param {number} rate */
  const x = (rate) => (100 * rate) / right;
  const drawn = plan.variances.map(([, name]) =>
    path(
      name,
      rmse.map((error, i) => /** @type {Point} */ ([x(curves[name].rate[i]), y(error)])),
    ),
  );
  const dots = published.map(([, rate, error]) =>
    el("i", { class: "paper", style: `left:${x(rate)}%;top:${y(error)}%` }),
  );
  const keys = plan.variances.map(([label, name]) => key(name, label));
  if (published.length) keys.push(key("paper", "the paper’s, Table 4"));
  /** @type {[number, string][]} */
  const lines = [0, 0.5, 1].map((share) => [y(share * top), String(share * top)]);
  const title = "Error of x̂₀ (RMSE of 255) over bits/dim sent";
  return figure(title, lines, ["0", `${right / 2}`, `${right} bits/dim`], [...drawn, ...dots], keys);
}
