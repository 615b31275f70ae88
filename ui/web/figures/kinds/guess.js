// The network's guess for the reader's picture with noise, and for the same picture with other noises.

import { el } from "../../drawing/dom.js";
import { GUESS } from "../../words/figures.js";
import { label, row, Slider, titled } from "../elements.js";
import { newestOnly } from "../engine.js";
import { picture } from "../picture.js";
import { T } from "../process.js";

/** @import { Figure } from "../figure.js" */

const SEEDS = [7, 1, 2, 3, 4, 5]; // seeds of the noise: 7 is also the seed of the figure "noise"; 1 to 5 were taken without looking at their results

/** Fill a figure with the guesses, and a slider for t. Return the controls and the function that draws the figure. @param {Figure} figure */
export function guess(figure) {
  const pairs = SEEDS.map((_, i) => [
    figure.tile("ink", i ? GUESS.other(i) : GUESS.noisy),
    figure.tile("guess", i ? GUESS.ofOther(i) : GUESS.guess),
  ]);
  const t = new Slider({ name: GUESS.t, min: 1, max: T, value: 150, say: GUESS.at }, () => {
    show();
    figure.changed();
  });
  const [[noisy, first], ...others] = pairs.map((pair) => pair.map(({ element }) => element));
  figure.body.append(
    el("div", { class: "pair" }, titled(noisy, GUESS.xt), titled(first, GUESS.guess, "guess")),
    t.element,
    label(GUESS.others),
    row(others.map((pair) => el("div", { class: "column" }, ...pair))),
  );
  const show = newestOnly(() =>
    figure.ask("guess", "guess", { x0: picture.x, t: t.value, seeds: SEEDS }, ({ i, x, x0 }) => {
      pairs[i][0].paint(x);
      pairs[i][1].paint(x0);
    }),
  );
  return { controls: { t }, update: show };
}
