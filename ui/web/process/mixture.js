// A mixture of Gaussians in the plane, and its marginals q(x_t) in closed form. ddpm_core/plane/mixtures.py has the
// derivations.

/** @import { Random } from "./noise.js" */
/** A mixture of Gaussians. centres: x₁ and x₂ of each component in turn. width: σ of each component. @typedef {{ centres: number[], width: number }} Data */

export class Mixture {
  /** @type {Float64Array} squared distances of a point from the centres */
  #squares;

  /** @param {Data} data */
  constructor({ centres, width }) {
    this.x = centres.filter((_, i) => i % 2 === 0);
    this.y = centres.filter((_, i) => i % 2 === 1);
    this.width = width;
    // this array is reused, because arrows are computed for thousands of points
    this.#squares = new Float64Array(this.x.length);
  }

  /** The number of components. */
  get parts() {
    return this.x.length;
  }

  /** Return V, the variance of each component of q(x_t). @param {number} alphaBar */
  variance(alphaBar) {
    return alphaBar * this.width ** 2 + 1 - alphaBar;
  }

  /**
   * Return the mean of q(x_t) and the trace of its covariance.
   * @param {number} alphaBar
   * @returns {{ mean: [number, number], trace: number }}
   */
  moments(alphaBar) {
    const means = [this.x, this.y].map((values) => values.reduce((sum, v) => sum + v, 0) / this.parts);
    const spread = [this.x, this.y].reduce(
      (sum, values, axis) => sum + values.reduce((all, v) => all + (v - means[axis]) ** 2, 0) / this.parts,
      0,
    );
    const root = Math.sqrt(alphaBar);
    return { mean: [root * means[0], root * means[1]], trace: alphaBar * spread + 2 * this.variance(alphaBar) };
  }

  /**
   * Return exp(−(x − √ᾱ c)²/2V) for every centre c and every x, centre by centre.
   * @param {number[]} centres @param {number[]} at the values of x @param {number} alphaBar
   */
  #bells(centres, at, alphaBar) {
    const root = Math.sqrt(alphaBar);
    const halved = -0.5 / this.variance(alphaBar);
    const bells = new Float64Array(centres.length * at.length);
    centres.forEach((c, k) => {
      at.forEach((x, i) => {
        bells[k * at.length + i] = Math.exp(halved * (x - root * c) ** 2);
      });
    });
    return bells;
  }

  /**
   * Return q(x_t) on the grid of xs and ys, row by row. Each component is the product of a bell in x and a bell in y,
   * so a bell is computed only once for each column or row.
   * @param {number[]} xs @param {number[]} ys @param {number} alphaBar
   */
  density(xs, ys, alphaBar) {
    const across = this.#bells(this.x, xs, alphaBar);
    const down = this.#bells(this.y, ys, alphaBar);
    const share = 1 / (2 * Math.PI * this.variance(alphaBar) * this.parts);
    const values = new Float64Array(xs.length * ys.length);
    for (let k = 0; k < this.parts; k++)
      for (let j = 0; j < ys.length; j++) {
        const height = share * down[k * ys.length + j];
        if (height < 1e-12) continue;
        for (let i = 0; i < xs.length; i++) values[j * xs.length + i] += height * across[k * xs.length + i];
      }
    return values;
  }

  /**
   * Return the density of one coordinate of x_t.
   * @param {0 | 1} axis @param {number[]} at @param {number} alphaBar
   */
  marginal(axis, at, alphaBar) {
    const bells = this.#bells(axis ? this.y : this.x, at, alphaBar);
    const share = 1 / (Math.sqrt(2 * Math.PI * this.variance(alphaBar)) * this.parts);
    return at.map((_, i) => {
      let sum = 0;
      for (let k = 0; k < this.parts; k++) sum += bells[k * at.length + i];
      return share * sum;
    });
  }

  /**
   * Return ∇ log q(x_t) at a point, in units of 1/√V.
   * @param {number} x @param {number} y @param {number} alphaBar
   * @returns {[number, number]}
   */
  arrow(x, y, alphaBar) {
    const root = Math.sqrt(alphaBar);
    const variance = this.variance(alphaBar);
    const squares = this.#squares;
    // the smallest squared distance is subtracted in the exponent; otherwise all weights would underflow to 0 far away
    let least = Infinity;
    for (let k = 0; k < squares.length; k++) {
      squares[k] = (x - root * this.x[k]) ** 2 + (y - root * this.y[k]) ** 2;
      least = Math.min(least, squares[k]);
    }
    let weight = 0;
    let right = 0;
    let up = 0;
    for (let k = 0; k < squares.length; k++) {
      const part = Math.exp((least - squares[k]) / (2 * variance));
      weight += part;
      right += part * (root * this.x[k] - x);
      up += part * (root * this.y[k] - y);
    }
    const unit = Math.sqrt(variance);
    return [right / weight / unit, up / weight / unit];
  }

  /** Return E[ε | x_t] at a point. @param {number} x @param {number} y @param {number} alphaBar @returns {[number, number]} */
  epsilon(x, y, alphaBar) {
    const scale = -Math.sqrt((1 - alphaBar) / this.variance(alphaBar));
    const [right, up] = this.arrow(x, y, alphaBar);
    return [scale * right, scale * up];
  }

  /** Draw n points of the data: x₁ and x₂ of each point in turn. @param {number} n @param {Random} generator */
  draw(n, generator) {
    const which = generator.integers(this.parts, n);
    const width = Math.fround(this.width);
    const noise = generator.normal(2 * n);
    return noise.map((value, i) => Math.fround((i % 2 ? this.y : this.x)[which[i >> 1]]) + Math.fround(width * value));
  }
}

/**
 * Return the middles of n equal cells that fill −reach to reach.
 * @param {number} n @param {number} reach
 */
export const cellMiddles = (n, reach) => Array.from({ length: n }, (_, i) => reach * ((2 * i + 1) / n - 1));
