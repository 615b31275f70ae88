// One step of a run of twenty as a sum, and the last pictures of runs with much and with little fresh noise.

import { el, write } from "../../drawing/dom.js";
import { STEP } from "../../words/figures.js";
import { label, namedRow, Slider, titled } from "../elements.js";
import { picture } from "../picture.js";
import { freshNoise, noisy, T, termsOf } from "../process.js";

/** @import { Control } from "../elements.js" */
/** @import { Figure } from "../figure.js" */
/** @import { Step } from "../../process/runs.js" */
/** @typedef {"beta" | "beta_tilde"} Kind */

const STEPS = 20;
const SEEDS = [1, 2, 3, 4, 5]; // seeds of the runs, taken without looking at the results
/** @type {Kind[]} */
const KINDS = ["beta_tilde", "beta"];

/**
 * A group of radio buttons. All groups have the same name, so a figure may have only one.
 * @implements {Control}
 */
class Choice {
  /** @param {{ name: string, options: [value: string, label: string][], value: string }} of @param {() => void} changed */
  constructor({ name, options, value }, changed) {
    this.value = value;
    this.changed = changed;
    this.inputs = options.map(([key]) => el("input", { type: "radio", name: "choice", value: key }));
    for (const input of this.inputs) input.checked = input.value === value;
    const labels = options.map(([, text], i) => el("label", null, this.inputs[i], el("span", null, text)));
    this.element = el("fieldset", { class: "choice" }, el("legend", null, name), ...labels);
    this.element.addEventListener("change", () => this.set(this.inputs.find(({ checked }) => checked)?.value ?? value));
  }

  /** Choose an option. @param {string | number} value unknown values are ignored */
  set(value) {
    const input = this.inputs.find((one) => one.value === String(value));
    if (!input) return;
    input.checked = true;
    this.value = input.value;
    this.changed();
  }
}

/** Fill a figure with the terms of a step, a slider for the step, and the choice of the noise. Return the controls and the function that draws the figure. @param {Figure} figure */
export function step(figure) {
  /** The steps of the first seed's runs. @type {Record<Kind, Step[]>} */
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
    namedRow(
      STEP.kinds[KINDS[i]],
      row.map(({ element }) => element),
    ),
  );
  figure.body.append(
    el("div", { class: "terms" }, a, el("span", null, "+"), b, el("span", null, "+"), c, el("span", null, "="), d),
    k.element,
    kind.element,
    label(STEP.ended(STEPS)),
    ...rows,
  );

  /** Show the terms of the chosen step. */
  function show() {
    const one = /** @type {Kind} */ (kind.value);
    for (const [i, row] of rows.entries()) row.classList.toggle("lit", KINDS[i] === one);
    const run = runs[one].slice(0, k.value); // until step k is computed, its last step is the newest one
    const at = run.at(-1);
    if (!at) return;
    const { guess, present, noise } = termsOf(at.t, at.s, one);
    const before = run.at(-2)?.x ?? noisy(picture.x, T, SEEDS[0]);
    for (const [i, x] of [at.x0, before, freshNoise(SEEDS[0], run.length), at.x].entries()) tiles[i].paint(x);
    for (const [i, weight] of [guess, present, noise].entries()) write(weights[i], `${weight.toFixed(2)} ×`);
  }

  /** Compute the runs of all seeds, with both kinds of noise. */
  function begin() {
    runs = { beta: [], beta_tilde: [] };
    const asked = SEEDS.flatMap((seed, i) => KINDS.map((variance) => ({ seed, i, variance })));
    const each = asked.map(({ seed, variance }) => ({
      ...{ from: { x0: picture.x, t: T, seed }, steps: STEPS, sampler: "ddpm", variance },
    }));
    figure.ask("step", "runs", { runs: each }, ({ i: which, ...step }) => {
      const { i, variance } = asked[which];
      if (!i) runs[variance].push(step);
      if (!i && variance === kind.value) show();
      if (!step.s) ends[KINDS.indexOf(variance)][i].paint(step.x);
    });
  }
  return { controls: { k, kind }, update: begin };
}
