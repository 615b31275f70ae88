// The curves of a training: over the images that were seen, and the errors over t.
import { Chart, ceiling, decades, halves, path, powers, scale } from "../../drawing/chart.js";
import { TIMES } from "../../learning/recipe.js";
import { SHOWN } from "./words.js";

/** @typedef {{ name: string, points: [images: number, value: number][] }} Curve name: of its class in CSS */

/** @param {number} n */
const thousands = (n) => (n >= 1000 ? `${Math.round(n / 100) / 10}k` : String(n));

/** A chart that is drawn again with other curves. */
export class Curves extends Chart {
  /** @param {string} title @param {boolean} log */
  constructor(title, log) {
    super(title);
    this.log = log;
  }

  /**
   * @param {Curve[]} curves the last on top
   * @param {number} images at the right end @param {boolean} isOfSteps whether they are steps
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

/** The error of x̂_0 for each of TIMES: from noise on the left to the picture on the right, as a run goes. */
export class Errors extends Chart {
  constructor() {
    super(SHOWN.byTime);
  }

  /** @param {{ name: string, errors: number[] }[]} curves the last on top @param {number} highest of all moments */
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
