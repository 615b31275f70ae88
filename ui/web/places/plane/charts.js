// Charts and numbers beside the clouds: the marginals of both coordinates, the moments, and the loss of a training.
import { box, path, scale } from "../../shared/curves.js";
import { el } from "../../shared/dom.js";
import { fixed, number, signed } from "../../shared/numbers.js";
import { histogram, moments } from "./cloud.js";
import { cells } from "./mixture.js";

/** @import { Point } from "../../shared/curves.js" */
/** @import { Mixture } from "./mixture.js" */
/** @import { Frame, Training } from "./cloud.js" */

const BINS = 48;
const ERRORS = 3; // standard errors that are still called chance
export const LANES = /** @type {const} */ (["a", "b"]);
const TITLES = ["x₁", "x₂"];

/** @param {number} v with three digits */
const three = (v) => (v > -0.0005 ? fixed(Math.abs(v), 3) : `−${fixed(-v, 3)}`);

/** The frames at different times, each once: what is true at them differs. @param {Frame[]} frames */
const different = (frames) => frames.filter(({ s }, i) => frames.findIndex((other) => other.s === s) === i);

/**
 * The density of each coordinate in both clouds, and the true one.
 * @param {Mixture} mixture @param {Frame[]} frames of the lanes @param {number} reach
 */
export function marginals(mixture, frames, reach) {
  const keys = [...LANES, "truth"].map((name) =>
    el("span", null, el("i", { class: name }), name === "truth" ? "q(xₜ)" : name.toUpperCase()),
  );
  const fine = cells(4 * BINS, reach);
  const plots = TITLES.map((title, i) => {
    const axis = /** @type {0 | 1} */ (i);
    const truths = different(frames).map(({ alphaBar }) => mixture.marginal(axis, fine, alphaBar));
    const measured = frames.map(({ points }) => histogram(points, axis, BINS, reach));
    const high = 1.08 * Math.max(...[...truths, ...measured].flat());
    const y = scale(0, high);
    /** @param {number} share */
    const x = (share) => 100 * share;
    const curves = truths.map((values) =>
      path(
        "truth",
        values.map((v, k) => /** @type {Point} */ ([x((k + 0.5) / values.length), y(v)])),
      ),
    );
    measured.forEach((bins, lane) => {
      const steps = bins.flatMap((v, k) => /** @type {Point[]} */ ([k, k + 1].map((edge) => [x(edge / BINS), y(v)])));
      curves.push(path(LANES[lane], steps));
    });
    const ends = [-reach, 0, reach].map((v) => el("span", null, signed(v)));
    return el(
      "figure",
      { class: "plot" },
      el("figcaption", null, `Marginal of ${title}`),
      el("div", { class: "area" }, box(...curves)),
      el("div", { class: "axis", "aria-hidden": "true" }, ...ends),
    );
  });
  return [...plots, el("div", { class: "key" }, ...keys)];
}

/**
 * A cloud's spread beside the true one, in words.
 * @param {Mixture} mixture @param {Frame} frame
 */
export function verdict(mixture, { points, alphaBar }) {
  const { trace, traceError } = moments(points);
  const truth = mixture.moments(alphaBar).trace;
  const said = `Spread ${three(trace)} ± ${three(traceError)}`;
  if (Math.abs(trace - truth) <= ERRORS * traceError) return `${said}, as it should be (${three(truth)})`;
  const percent = Math.round(100 * Math.abs(trace / truth - 1));
  const share =
    trace > 2 * truth ? `${number(trace / truth)} times` : `${percent} % ${trace > truth ? "above" : "below"}`;
  return `${said}: ${share} what it should be (${three(truth)})`;
}

/**
 * The moments of both clouds and the true ones.
 * @param {Mixture} mixture @param {Frame[]} frames of the lanes
 */
export function numbers(mixture, frames) {
  /** @param {number} v @param {number} error @param {number} truth */
  const cell = (v, error, truth) => {
    const off = Math.abs(v - truth) > ERRORS * error;
    return el("td", off ? { class: "off" } : null, three(v), el("small", null, ` ± ${three(error)}`));
  };
  const rows = frames.map(({ points, alphaBar, s }, lane) => {
    const found = moments(points);
    const truth = mixture.moments(alphaBar);
    return el(
      "tr",
      null,
      el(
        "th",
        { scope: "row" },
        el("i", { class: `swatch ${LANES[lane]}` }),
        `${LANES[lane].toUpperCase()} at t = ${s}`,
      ),
      ...TITLES.map((_, axis) => cell(found.mean[axis], found.meanError[axis], truth.mean[axis])),
      cell(found.trace, found.traceError, truth.trace),
    );
  });
  const truths = different(frames).map(({ alphaBar, s }) => {
    const { mean, trace } = mixture.moments(alphaBar);
    const values = [...mean, trace].map((v) => el("td", null, three(v)));
    const name = el("th", { scope: "row" }, el("i", { class: "swatch truth" }), `q(xₜ) at t = ${s}`);
    return el("tr", { class: "true" }, name, ...values);
  });
  const heads = ["", "Mean of x₁", "Mean of x₂", "Spread"].map((text) =>
    el("th", text ? { scope: "col" } : null, text),
  );
  const caption =
    "Spread is the trace of the covariance. ± is the standard error; values more than three of them away are bold.";
  return el(
    "table",
    null,
    el("caption", null, caption),
    el("thead", null, el("tr", null, ...heads)),
    el("tbody", null, ...rows, ...truths),
  );
}

/**
 * The loss of a training, and the least possible one.
 * @param {Training} training
 */
export function loss({ curve, steps, least }) {
  const [done, now] = curve.at(-1) ?? [0, Number.NaN];
  const high = Math.max(0.4, least * 2);
  const y = scale(0, high);
  const drawn = curve.map(([step, value]) => /** @type {Point} */ ([(100 * step) / steps, Math.max(0, y(value))]));
  const lowest = path("truth", [
    [0, y(least)],
    [100, y(least)],
  ]);
  const grid = [0, high / 2].map((v) => el("span", { class: "grid", style: `top:${y(v)}%` }, v ? number(v) : "0"));
  const at = done ? `step ${done} of ${steps} · ${three(now)}` : "starting";
  return [
    el("figcaption", null, "Loss of the training (Eq. 14)", el("span", { class: "at" }, at)),
    el("div", { class: "area" }, ...grid, box(lowest, path("curve", drawn))),
    el("p", { class: "info" }, `Dashed: ${three(least)}, the loss of the exact ε. No network comes below it.`),
  ];
}
