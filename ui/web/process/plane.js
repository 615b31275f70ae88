// Data in the plane, for which E[ε | x_t] is known in closed form: see ddpm_core/plane/mixtures.py. A cloud of points
// is one image that holds x₁ and x₂ of each point, so a run of `exactModel` has the same noise as the library's
// `cloud`.

import { UserError } from "./errors.js";
import { Mixture } from "./mixture.js";
import { schedule } from "./schedule.js";

/** @import { Data } from "./mixture.js" */
/** @import { Process } from "./predict.js" */

export const UNIT = 6 / 32767; // the unit of the coordinates, which are sent as int16
export const ARROWS = 15; // number of arrows along each side of the field
export const ARROW_UNIT = 4 / 127; // the unit of the arrows' lengths, which are sent as int8
const CENTRES = 120;
/** Return i / (n − 1), a fraction from 0 to 1 for i from 0 to n − 1. */
const fractionOf = (/** @type {number} */ i, n = CENTRES) => i / (n - 1);

/** @type {Record<string, () => number[]>} x and y of each centre, inside [−1, 1]² */
const SHAPES = {
  ring: () => placeCentres(CENTRES, (i) => [0.75, (i * 2 * Math.PI) / CENTRES]),
  moons() {
    const upper = Array.from({ length: CENTRES / 2 }, (_, i) => fractionOf(i, CENTRES / 2) * Math.PI).flatMap(
      (angle) => [0.55 * (Math.cos(angle) - 0.5), 0.55 * (Math.sin(angle) - 0.25)],
    );
    return [...upper, ...upper.map((value) => -value)];
  },
  spiral() {
    const turned = (/** @type {number} */ i) => Math.sqrt(0.02 + 0.98 * fractionOf(i));
    return placeCentres(CENTRES, (i) => [0.85 * turned(i), 4 * Math.PI * turned(i)]);
  },
  gaussian: () => [0.25, 0.1],
};

/**
 * Return x and y of n centres.
 * @param {number} n @param {(i: number) => [radius: number, angle: number]} at returns a centre's polar coordinates
 */
const placeCentres = (n, at) =>
  Array.from({ length: n }, (_, i) => at(i)).flatMap(([radius, angle]) => [
    radius * Math.cos(angle),
    radius * Math.sin(angle),
  ]);

/** Return the mixture with the named shape. @param {string} name @param {number} width σ of each component @returns {Data} */
export function shape(name, width) {
  if (!Object.hasOwn(SHAPES, name))
    throw new UserError(`unknown shape ${name}: choose from ${Object.keys(SHAPES).join(", ")}`);
  return { centres: SHAPES[name](), width };
}

/**
 * Return a model of points in the plane with this network and the paper's schedule. The model does not clip x̂_0.
 * @param {number} points number of points @param {Process["network"]} network
 * @returns {Process}
 */
export const planeModel = (points, network) => ({
  ...schedule({}),
  ...{ prediction: "epsilon", variance: "beta", clip: false, channels: 2 * points, size: 1 },
  ...{ classes: 0, nullLabel: null, student: null, gamma: null, optimised: null },
  network,
});

/**
 * Return a model of points in the plane that uses the exact E[ε | x_t] in place of a network.
 * @param {Data} data
 * @param {number} points number of points
 * @returns {Process}
 */
export function exactModel(data, points) {
  const mixture = new Mixture(data);
  const model = planeModel(points, (x, tIndex) => {
    const eps = new Float32Array(x.length);
    for (let i = 0; i < x.length; i += 2) eps.set(mixture.epsilon(x[i], x[i + 1], model.alphaBar[tIndex + 1]), i);
    return eps;
  });
  return model;
}
