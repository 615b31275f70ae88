// Data in the plane, whose best network is known in closed form: see ddpm_core/plane/mixtures.py. A whole cloud of points
// is one image, x₁ and x₂ of each point: so a run of `exactModel` has the noise of the library's `cloud`.

import { UserError } from "./errors.js";
import { Mixture } from "./mixture.js";
import { schedule } from "./schedule.js";

/** @import { Data } from "./mixture.js" */
/** @import { Process } from "./predict.js" */

const CENTRES = 120;
const share = (/** @type {number} */ i, n = CENTRES) => i / (n - 1);

/** @type {Record<string, () => number[]>} x and y of each centre, inside [−1, 1]² */
const SHAPES = {
  ring: () => centres(CENTRES, (i) => [0.75, (i * 2 * Math.PI) / CENTRES]),
  moons() {
    const upper = Array.from({ length: CENTRES / 2 }, (_, i) => share(i, CENTRES / 2) * Math.PI).flatMap((angle) => [
      0.55 * (Math.cos(angle) - 0.5),
      0.55 * (Math.sin(angle) - 0.25),
    ]);
    return [...upper, ...upper.map((value) => -value)];
  },
  spiral() {
    const turned = (/** @type {number} */ i) => Math.sqrt(0.02 + 0.98 * share(i));
    return centres(CENTRES, (i) => [0.85 * turned(i), 4 * Math.PI * turned(i)]);
  },
  gaussian: () => [0.25, 0.1],
};

/** @param {number} n @param {(i: number) => [radius: number, angle: number]} at */
const centres = (n, at) =>
  Array.from({ length: n }, (_, i) => at(i)).flatMap(([radius, angle]) => [
    radius * Math.cos(angle),
    radius * Math.sin(angle),
  ]);

/** The mixture of a shape's name. @param {string} name @param {number} width @returns {Data} */
export function shape(name, width) {
  if (!Object.hasOwn(SHAPES, name))
    throw new UserError(`unknown shape ${name}: choose from ${Object.keys(SHAPES).join(", ")}`);
  return { centres: SHAPES[name](), width };
}

/**
 * The model of n points whose network is E[ε | x_t] itself, with the paper's schedule. x̂_0 is not clipped.
 * @param {Data} data @param {number} points
 * @returns {Process}
 */
export function exactModel(data, points) {
  const mixture = new Mixture(data);
  const paper = schedule({});
  return {
    ...paper,
    ...{ prediction: "epsilon", variance: "beta", clip: false, channels: 2 * points, size: 1 },
    ...{ classes: 0, nullLabel: null, student: null, gamma: null, optimised: null },
    network(x, tIndex) {
      const alphaBar = paper.alphaBar[tIndex + 1];
      const scale = -Math.sqrt((1 - alphaBar) / mixture.variance(alphaBar));
      const eps = new Float32Array(x.length);
      for (let i = 0; i < x.length; i += 2) {
        const [right, up] = mixture.arrow(x[i], x[i + 1], alphaBar);
        eps[i] = scale * right;
        eps[i + 1] = scale * up;
      }
      return eps;
    },
  };
}
