// The reader's picture with noise, as the sum of the picture and the noise.

import { el, write } from "../../drawing/dom.js";
import { NOISE } from "../../words/figures.js";
import { Slider } from "../elements.js";
import { picture } from "../picture.js";
import { noiseOf, noisy, T, weightsAt } from "../process.js";

/** @import { Figure } from "../figure.js" */

const SEED = 7;

/** Fill a figure with the sum, and a slider for t. Return the controls and the function that draws the figure. @param {Figure} figure */
export function noise(figure) {
  const [clean, added, sum] = [NOISE.picture, NOISE.noise, NOISE.sum].map((name) => figure.tile("ink", name));
  const [signal, sigma] = [el("b", null), el("b", null)];
  added.paint(noiseOf(SEED));
  const t = new Slider({ name: NOISE.t, min: 0, max: T, value: 250, say: NOISE.at }, () => {
    show();
    figure.changed();
  });
  const terms = [signal, " × ", clean.element, " + ", sigma, " × ", added.element];
  const large = el("div", { class: "large" }, sum.element, el("div", { class: "title" }, NOISE.xt));
  figure.body.append(large, t.element, el("div", { class: "sum" }, ...terms));
  /** Draw the picture and the sum, and write the weights of picture and noise, at the chosen t. */
  function show() {
    sum.paint(noisy(picture.x, t.value, SEED));
    clean.paint(picture.x);
    const [a, b] = weightsAt(t.value).map((share) => share.toFixed(2));
    write(signal, a);
    write(sigma, b);
  }
  return { controls: { t }, update: show };
}
