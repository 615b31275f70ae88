// The curves of a training over the images seen: this run's, and earlier ones in grey.
import { Chart, ceiling, decades, halves, path, powers, scale } from "../../drawing/chart.js";

/** @typedef {{ name: string, points: [images: number, value: number][] }} Curve name: of its class in CSS */

/** @param {number} n */
const thousands = (n) => (n >= 1000 ? `${Math.round(n / 1000)}k` : String(n));

/** A chart that is drawn again with other curves. */
export class Curves extends Chart {
  /** @param {string} title @param {boolean} log */
  constructor(title, log) {
    super(title);
    this.log = log;
  }

  /**
   * @param {Curve[]} curves the last on top
   * @param {number} images at the right end
   */
  show(curves, images) {
    const { log } = this;
    const values = curves.flatMap(({ points }) => points.map(([, value]) => value));
    const [low, high] = log ? decades(values) : [0, ceiling(Math.max(...values, 0) || 1)];
    const y = scale(low, high, log);
    const right = Math.max(1, images);
    const lines = curves.map(({ name, points }) =>
      path(
        name,
        points.map(([x, value]) => [(100 * x) / right, value > 0 || !log ? y(value) : null]),
      ),
    );
    this.draw(log ? powers(low, high) : halves(high), lines, [
      [0, "0"],
      [50, thousands(right / 2)],
      [100, `${thousands(right)} images`],
    ]);
  }
}
