// The player's chart: σ of every lane on a logarithmic axis and ᾱ on 0…1, over the ticks of the scrubber.
import { box, path, scale } from "../shared/curves.js";
import { el } from "../shared/dom.js";
import { number, short } from "../shared/numbers.js";

/** @import { Held, RecordedLane } from "./recording.js" */
/** @import { Point } from "../shared/curves.js" */

/**
 * The decades, as powers of ten, of an axis that holds all the values.
 * @param {number[]} values above 0
 * @returns {[low: number, high: number]}
 */
export function decades(values) {
  if (!values.length) return [0, 1];
  const low = Math.floor(Math.log10(Math.min(...values)));
  return [low, Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))];
}

/**
 * The lines of an axis of decades, and what is written at them: at most four have a label.
 * @param {number} low
 * @param {number} high
 * @returns {[exponent: number, label: string][]}
 */
export function gridLines(low, high) {
  const every = Math.ceil((high - low) / 3);
  return Array.from({ length: high - low + 1 }, (_, i) => {
    const value = 10 ** (low + i);
    const label = value < 1 ? number(value).replace(/0$/, "") : String(value);
    return [low + i, i % every ? "" : label];
  });
}

/**
 * @param {RecordedLane[]} lanes
 * @param {Map<number, number>} tickOf s -> tick
 */
export function chart(lanes, tickOf) {
  const known = lanes.flatMap(({ sigma }) => sigma.filter((value) => value !== null && value > 0));
  const [low, high] = decades(/** @type {number[]} */ (known));
  const logarithmic = scale(low, high, true);
  const linear = scale(0, 1);
  const last = Math.max(1, tickOf.size - 1);
  /** @param {number} tick */
  const x = (tick) => (100 * tick) / last;
  /** σ that is not known yet, or is 0, has no place on the axis. @param {number | null | undefined} sigma */
  const ySigma = (sigma) => (sigma ? logarithmic(sigma) : null);

  const area = el("div", { class: "area" });
  for (const [exponent, label] of known.length ? gridLines(low, high) : [])
    area.append(el("span", { class: "grid", style: `top:${logarithmic(10 ** exponent)}%` }, label));
  for (const alphaBar of [0, 0.5, 1])
    area.append(el("span", { class: "scale", style: `top:${linear(alphaBar)}%` }, short(alphaBar)));

  /** @param {RecordedLane} lane @param {(k: number) => number | null} y @returns {Point[]} */
  const points = ({ steps }, y) => steps.map(([, s], k) => [x(tickOf.get(s) ?? 0), y(k)]);
  const first = lanes[0];
  area.append(
    box(
      path(
        "alpha",
        points(first, (k) => linear(first.steps[k][2])),
      ),
      ...lanes.map((lane, i) =>
        path(
          `sigma lane-${i}`,
          points(lane, (k) => ySigma(lane.sigma[k])),
        ),
      ),
    ),
  );

  const future = el("i", { class: "future" });
  const marker = el("i", { class: "marker" });
  const dotAlpha = el("i", { class: "dot alpha" });
  const dotsSigma = lanes.map((_, i) => el("i", { class: `dot sigma lane-${i}` }));
  area.append(future, marker, dotAlpha, ...dotsSigma);

  /** @param {HTMLElement} dot @param {number} tick @param {number | null} y */
  function place(dot, tick, y) {
    dot.hidden = y === null;
    dot.style.left = `${x(tick)}%`;
    dot.style.top = `${y ?? 0}%`;
  }

  /**
   * Put the marker on a tick, where the lanes show these frames; right of `newest` nothing has happened yet.
   * @param {number} tick
   * @param {number} newest
   * @param {(Held | undefined)[]} frames
   */
  function mark(tick, newest, frames) {
    future.style.left = `${x(newest)}%`;
    marker.style.left = `${x(tick)}%`;
    place(dotAlpha, tick, frames[0] ? linear(frames[0].step[2]) : null);
    dotsSigma.forEach((dot, i) => {
      place(dot, tick, ySigma(frames[i]?.sigma));
    });
  }

  const { steps } = first;
  const axis = el("div", { class: "axis" }, el("span", null, `t ${steps[0][0]}`));
  if (steps.length > 2) {
    const [t, s] = steps[(steps.length - 1) >> 1];
    axis.append(el("span", { style: `left:${x(tickOf.get(s) ?? 0) - 50}%` }, `t ${t}`)); // it stands at 50 % without
  }
  axis.append(el("span", null, "t 0"));
  return { nodes: [area, axis], mark, noise: known.length > 0 };
}
