// Two ways from pure noise to a picture: the network's first guess in one step, or many steps.

import { button, el, write } from "../../drawing/dom.js";
import { JUMP } from "../../words/figures.js";
import { buttons, label, row, Slider, titled } from "../elements.js";
import { picture } from "../picture.js";
import { noisy, T } from "../process.js";

/** @import { Figure } from "../figure.js" */
/** @import { Step } from "../../process/runs.js" */

const LENGTHS = [1, 2, 3, 5, 10, 20, 50];
const SHOWN = 7; // largest number of steps that the figure shows of one run

/** Return the indices of at most SHOWN evenly spaced steps, with the first and the last step. @param {number} length */
export function shown(length) {
  const count = Math.min(SHOWN, length);
  return Array.from({ length: count }, (_, i) => (count > 1 ? Math.round((i * (length - 1)) / (count - 1)) : 0));
}

/** Some steps of a run: each picture, and below it the guess. */
class Path {
  /** @param {Figure} figure */
  constructor(figure) {
    this.columns = Array.from({ length: SHOWN }, () => {
      const [x, guess] = [figure.tile("ink", ""), figure.tile("guess", "")];
      const number = el("div", { class: "small" });
      return { x, guess, number, element: el("div", { class: "column" }, x.element, guess.element, number) };
    });
    const elements = this.columns.map(({ element }) => element);
    this.element = row(elements, JUMP.pathName, SHOWN);
  }

  /** Show a run. @param {ArrayLike<number> | null} start x_T @param {Step[]} run the steps computed so far @param {number} length number of steps of the whole run */
  show(start, run, length) {
    const steps = shown(length);
    for (const [i, { x, guess, number, element }] of this.columns.entries()) {
      const at = steps[i];
      element.style.visibility = at === undefined ? "hidden" : "visible";
      x.paint(run[at] ? (at ? run[at - 1].x : start) : null);
      guess.paint(run[at]?.x0 ?? null);
      write(number, at === undefined ? "" : String(at + 1));
    }
  }
}

/** Make the slider for the length of the run. @param {() => void} changed */
function lengthSlider(changed) {
  const ends = /** @type {[string, string]} */ (["1", String(LENGTHS[LENGTHS.length - 1])]);
  const say = (/** @type {number} */ i) => JUMP.steps(LENGTHS[i]);
  return new Slider({ name: JUMP.n, min: 0, max: LENGTHS.length - 1, value: 5, ends, say }, changed);
}

/** Fill a figure with both ways, and a slider for the number of steps. Return the controls and the function that draws the figure. @param {Figure} figure */
export function jump(figure) {
  let seed = 1;
  /** The steps of each run, by its length. @type {Map<number, Step[]>} */
  let runs = new Map();
  const start = figure.tile("ink", JUMP.start);
  const one = figure.tile("guess", JUMP.one);
  const end = figure.tile("ink", JUMP.end);
  const path = new Path(figure);
  const title = titled(end.element, "");
  const n = lengthSlider(() => {
    show();
    figure.changed();
  });
  const length = () => LENGTHS[n.value];
  figure.body.append(
    row([titled(start.element, JUMP.start), titled(one.element, JUMP.one, "guess"), title], "", 3),
    n.element,
    label(JUMP.path),
    path.element,
    buttons(button(null, () => begin(seed + 1), JUMP.other)),
  );

  /** Show the run of the chosen length. */
  function show() {
    const run = runs.get(length()) ?? [];
    write(/** @type {Element} */ (title.lastElementChild), JUMP.steps(length()));
    one.paint(runs.get(1)?.[0]?.x0 ?? null);
    end.paint(run.at(-1)?.x ?? null);
    path.show(start.x, run, length());
  }

  /** Compute runs of these lengths. @param {string} slot @param {number[]} lengths @param {boolean} behind whether these runs wait for all other questions */
  function compute(slot, lengths, behind) {
    const from = { x0: picture.x, t: T, seed };
    const asked = lengths.map((steps) => ({ from, steps, sampler: "ddim" }));
    const take = (/** @type {any} */ { i, ...step }) => {
      const steps = lengths[i];
      runs.set(steps, [...(runs.get(steps) ?? []), step]);
      if (steps === length() || steps === 1) show();
    };
    figure.ask(slot, "runs", { runs: asked }, take, { behind });
  }

  /** Compute the runs of all lengths, the visible ones first. @param {number} with_ the seed of the noise */
  function begin(with_ = seed) {
    seed = with_;
    runs = new Map();
    start.paint(noisy(picture.x, T, seed));
    show();
    const first = [...new Set([1, length()])];
    const others = LENGTHS.filter((each) => !first.includes(each));
    compute("jump", first, false);
    compute("jump behind", others, true);
  }
  return { controls: { n }, update: () => begin() };
}
