// One step of a run of twenty, as the sum that it is; and where runs end with much and with little fresh noise.

import { STEP } from "../../words/figures.js";
import { Choice, el, Slider, titled, write } from "../elements.js";
import { picture } from "../picture.js";
import { freshNoise, noisy, T, termsOf } from "../process.js";

/** @import { Figure } from "../figure.js" */
/** @import { Step } from "../../process/runs.js" */
/** @typedef {"beta" | "beta_tilde"} Kind */

const STEPS = 20;
const SEEDS = [1, 2, 3, 4, 5]; // not chosen
/** @type {Kind[]} */
const KINDS = ["beta_tilde", "beta"];

/** @param {Figure} figure */
export function step(figure) {
  /** The steps of the first seed's run. @type {Record<Kind, Step[]>} */
  let runs = { beta: [], beta_tilde: [] };
  const tiles = [
    figure.tile("guess", STEP.guess),
    ...[STEP.present, STEP.noise, STEP.next].map((name) => figure.tile("ink", name)),
  ];
  const weights = tiles.map(() => el("div", { class: "weight" }));
  const names = [STEP.guess, STEP.present, STEP.noise, STEP.next];
  const columns = tiles.map(({ element }, i) =>
    el("div", null, weights[i], titled(element, names[i], i ? "" : "guess")),
  );
  const [a, b, c, d] = columns;
  const changed = () => {
    show();
    figure.changed();
  };
  const k = new Slider({ name: STEP.k, min: 1, max: STEPS, value: 8, ends: STEP.ends, say: STEP.at(STEPS) }, changed);
  const kind = new Choice(
    { name: STEP.kind, options: KINDS.map((one) => [one, STEP.kinds[one]]), value: KINDS[0] },
    changed,
  );
  const ends = KINDS.map((one) => SEEDS.map((_, i) => figure.tile("ink", STEP.ending(STEP.kinds[one], i + 1))));
  const rows = ends.map((row, i) =>
    el(
      "div",
      { class: "named" },
      el("div", { class: "title" }, STEP.kinds[KINDS[i]]),
      el("div", { class: "row" }, ...row.map(({ element }) => element)),
    ),
  );
  figure.body.append(
    el("div", { class: "terms" }, a, el("span", null, "+"), b, el("span", null, "+"), c, el("span", null, "="), d),
    k.element,
    kind.element,
    el("p", { class: "label" }, STEP.ended(STEPS)),
    ...rows,
  );

  function show() {
    const one = /** @type {Kind} */ (kind.value);
    for (const [i, row] of rows.entries()) row.classList.toggle("lit", KINDS[i] === one);
    const run = runs[one];
    const at = run[k.value - 1];
    if (!at) return;
    const { guess, present, noise } = termsOf(at.t, at.s, one);
    const before = k.value > 1 ? run[k.value - 2].x : noisy(picture.x, T, SEEDS[0]);
    for (const [i, x] of [at.x0, before, freshNoise(SEEDS[0], k.value), at.x].entries()) tiles[i].paint(x);
    for (const [i, weight] of [guess, present, noise].entries()) write(weights[i], `${weight.toFixed(2)} ×`);
  }

  function begin() {
    /** @type {typeof runs} */
    const mine = { beta: [], beta_tilde: [] };
    runs = mine;
    const asked = SEEDS.flatMap((seed, i) => KINDS.map((variance) => ({ seed, i, variance })));
    const each = asked.map(({ seed, variance }) => ({
      ...{ from: { x0: picture.x, t: T, seed }, steps: STEPS, sampler: "ddpm", variance },
    }));
    figure.ask("step", "runs", { runs: each }, ({ i: which, ...step }) => {
      const { i, variance } = asked[which];
      if (mine !== runs) return;
      if (!i) mine[variance].push(step);
      if (!i && mine[variance].length >= k.value) show();
      if (!step.s) ends[KINDS.indexOf(variance)][i].paint(step.x);
    });
  }
  return { controls: { k, kind }, update: begin };
}
