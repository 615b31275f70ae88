// The curves of a training over the images seen: this run's, and earlier ones in grey.
import { box, path, scale } from "../../shared/curves.js";
import { el } from "../../shared/dom.js";
import { number } from "../../shared/numbers.js";

/** @import { Point } from "../../shared/curves.js" */
/** @typedef {{ name: string, points: [images: number, value: number][] }} Curve name: of its class in CSS */

/** 1, 2 or 5 times a power of ten, not below v. @param {number} v above 0 */
export function ceiling(v) {
  const power = 10 ** Math.floor(Math.log10(v));
  return power * ([1, 2, 5].find((digit) => digit * power >= v * (1 - 1e-9)) ?? 10);
}

/**
 * The ends of an axis and its ticks. On a logarithmic one the ends are powers of ten, as `scale` wants them.
 * @param {number[]} values
 * @param {boolean} log
 * @returns {{ low: number, high: number, ticks: number[] }}
 */
export function axis(values, log) {
  const above = values.filter((value) => value > 0);
  if (!above.length) return log ? { low: -2, high: 0, ticks: [0.01, 0.1, 1] } : { low: 0, high: 1, ticks: [0, 1] };
  if (!log) {
    const high = ceiling(Math.max(...above));
    return { low: 0, high, ticks: [0, high / 2, high] };
  }
  const low = Math.floor(Math.log10(Math.min(...above)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...above))));
  return { low, high, ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)) };
}

/**
 * A chart that can be drawn again with other curves.
 * @param {string} title
 * @param {string} explanation
 * @param {boolean} log
 */
export function chart(title, explanation, log) {
  const area = el("div", { class: "area scrubbed" });
  const at = el("span", { class: "at" });
  const marker = el("i", { class: "marker" });
  const ends = el("div", { class: "axis", "aria-hidden": "true" });
  const caption = el("figcaption", { title: explanation }, el("span", null, title), at);
  const node = el("figure", { class: "plot" }, caption, area, ends);

  /**
   * @param {Curve[]} curves the last on top
   * @param {number} images at the right end
   */
  function draw(curves, images) {
    const { low, high, ticks } = axis(
      curves.flatMap(({ points }) => points.map(([, value]) => value)),
      log,
    );
    const y = scale(low, high, log);
    const right = Math.max(1, images);
    const lines = curves.map(({ name, points }) =>
      path(
        name,
        points.map(([x, value]) => /** @type {Point} */ ([(100 * x) / right, value > 0 || !log ? y(value) : null])),
      ),
    );
    const grid = ticks.map((tick) =>
      el("span", { class: "grid", style: `top:${y(tick)}%` }, tick ? number(tick) : "0"),
    );
    area.replaceChildren(...grid, el("div", { class: "clip" }, box(...lines)), marker);
    const k = (/** @type {number} */ n) => (n >= 1000 ? `${Math.round(n / 1000)}k` : String(n));
    ends.replaceChildren(el("span", null, "0"), el("span", null, k(right / 2)), el("span", null, `${k(right)} images`));
  }

  /** @param {number} share of the width, or less than 0 for none @param {string} text the value there */
  function mark(share, text) {
    marker.hidden = share < 0;
    marker.style.left = `${100 * share}%`;
    at.textContent = text;
  }
  return { node, area, draw, mark };
}
