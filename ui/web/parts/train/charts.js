// Charts of a training: errors and losses over the images seen, and the error at each t.
import { Chart, ceiling, decades, halves, path, powers, scale } from "../../drawing/chart.js";
import { TIMES } from "../../learning/recipe.js";
import { SHOWN } from "./words.js";

/** @typedef {{ name: string, points: [images: number, value: number][] }} Curve name: the curve's CSS class */

/** Write a number in short, such as 1.2k for 1234. @param {number} n */
const thousands = (n) => (n >= 1000 ? `${Math.round(n / 100) / 10}k` : String(n));

/** A chart over images or steps, whose curves can be replaced. */
export class Curves extends Chart {
  /** log: whether the vertical axis is logarithmic. @param {string} title @param {boolean} log */
  constructor(title, log) {
    super(title);
    this.log = log;
  }

  /**
   * Draw these curves in place of the earlier curves.
   * @param {Curve[]} curves the last curve is drawn on top
   * @param {number} images the right end of the axis @param {boolean} isOfSteps whether the axis counts steps instead of images
   */
  show(curves, images, isOfSteps) {
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
      [100, SHOWN.axis(thousands(right), isOfSteps)],
    ]);
  }
}

/** A chart of the error of x̂_0 at each of TIMES, from noise on the left to the picture on the right. */
export class Errors extends Chart {
  constructor() {
    super(SHOWN.byTime);
  }

  /** Draw these curves. @param {{ name: string, errors: number[] }[]} curves the last curve is drawn on top @param {number} highest the highest error of the whole training */
  show(curves, highest) {
    const high = ceiling(highest || 1);
    const y = scale(0, high);
    const lines = curves.map(({ name, errors }) =>
      path(
        name,
        errors.map((error, i) => [100 - 100 * TIMES[i], y(error)]),
      ),
    );
    this.draw(halves(high), lines, [
      [0, SHOWN.noise],
      [100, SHOWN.picture],
    ]);
  }
}
