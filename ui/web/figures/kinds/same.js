// One evaluation of the network in five forms: the guess, the noise, v, the score, and the direction of a flow.

import { SAME } from "../../words/figures.js";
import { row, Slider, titled } from "../elements.js";
import { newestOnly } from "../engine.js";
import { picture } from "../picture.js";
import { outputsOf, T } from "../process.js";

/** @import { Figure } from "../figure.js" */

const SEED = 7;

/** Scale numbers to [−1, 1] to show them as a picture; the largest magnitude becomes 1. @param {Float32Array} x */
export function scaled(x) {
  const most = x.reduce((high, value) => Math.max(high, Math.abs(value)), 1e-9);
  return x.map((value) => value / most);
}

/** Fill a figure with the five outputs, and a slider for t. Return the controls and the function that draws the figure. @param {Figure} figure */
export function same(figure) {
  const x = figure.tile("ink", SAME.xt);
  const names = /** @type {const} */ (["x0", "eps", "v", "score", "flow"]);
  const tiles = names.map((name) => figure.tile("guess", SAME.names[name]));
  const t = new Slider({ name: SAME.t, min: 1, max: T, value: 420, say: SAME.at }, () => {
    show();
    figure.changed();
  });
  figure.body.append(
    row(
      [titled(x.element, SAME.xt), ...tiles.map(({ element }, i) => titled(element, SAME.names[names[i]], "guess"))],
      "",
      3,
    ),
    t.element,
  );
  const show = newestOnly(() => {
    const at = t.value;
    return figure.ask("same", "guess", { x0: picture.x, t: at, seeds: [SEED] }, (found) => {
      const all = outputsOf(found.x0, found.eps, at);
      x.paint(found.x);
      for (const [i, name] of names.entries()) tiles[i].paint(name === "x0" ? all[name] : scaled(all[name]));
    });
  });
  return { controls: { t }, update: show };
}
