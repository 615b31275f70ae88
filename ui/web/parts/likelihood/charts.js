// The charts of a measured bound (the bits that a picture needs): L_t over t, and the distortion over the rate.
import { Chart, decades, halves, key, path, powers, scale } from "../../drawing/chart.js";
import { WORDS } from "./words.js";

/** @import { Bits, Plan } from "./tables.js" */

/** Return the legend: the name and the label of each variance's curve. @param {Plan} plan @returns {[name: string, label: string][]} */
const legendOf = ({ variances }) => variances.map(([label, name]) => [name, label]);

/**
 * Return the chart of L_t over t, with a curve for each variance. Both axes are logarithmic.
 * @param {Plan} plan
 * @param {Bits} bits
 */
export function terms(plan, { curves, times }) {
  const [low, high] = decades(Object.values(curves).flatMap(({ L }) => L));
  const y = scale(low, high, true);
  /** Convert t to a position on the axis, in percent. @param {number} t */
  const x = (t) => (100 * Math.log10(t)) / Math.max(1e-9, Math.log10(plan.T));
  const drawn = plan.variances.map(([, name]) => {
    const { L } = curves[name];
    return path(
      name,
      times.map((t, i) => [x(t), L[i] > 0 ? y(L[i]) : null]),
    );
  });
  const chart = new Chart(WORDS.terms);
  const half = Math.round(Math.sqrt(plan.T));
  chart.draw(powers(low, high), drawn, [
    [0, "t 1"],
    [x(half), `${half}`],
    [100, `${plan.T}`],
  ]);
  chart.node.append(key(...legendOf(plan)));
  return chart.node;
}

/**
 * Return the chart of the error of x̂_0 over the bits sent: the right plot of the paper's Fig. 5.
 * @param {Plan} plan
 * @param {Bits} bits
 */
export function rateDistortion(plan, { curves, rmse }) {
  const published = plan.published ?? [];
  const rates = [...Object.values(curves).flatMap(({ rate }) => rate), ...published.map(([, rate]) => rate)];
  const right = Math.max(0.1, Math.ceil(10 * Math.max(...rates)) / 10);
  const top = Math.max(10, Math.ceil(Math.max(...rmse, ...published.map(([, , error]) => error)) / 20) * 20);
  const y = scale(0, top);
  /** Convert bits/dim to a position on the axis, in percent. @param {number} rate */
  const x = (rate) => (100 * rate) / right;
  const drawn = plan.variances.map(([, name]) =>
    path(
      name,
      rmse.map((error, i) => [x(curves[name].rate[i]), y(error)]),
    ),
  );
  const chart = new Chart(WORDS.distortion);
  chart.draw(halves(top), drawn, [
    [0, "0"],
    [50, `${right / 2}`],
    [100, `${right} bits/dim`],
  ]);
  chart.mark(
    null,
    published.map(([, rate, error]) => ["paper", x(rate), y(error)]),
  );
  chart.node.append(
    key(...legendOf(plan), ...(published.length ? [/** @type {const} */ (["paper", WORDS.paper])] : [])),
  );
  return chart.node;
}
