// From noise alone: one jump to the guess, or many steps.

import { JUMP } from "../../words/figures.js";
import { button, el, Slider, titled, write } from "../elements.js";
import { picture } from "../picture.js";
import { noisy, T } from "../process.js";

/** @import { Figure } from "../figure.js" */
/** @import { Step } from "../../process/runs.js" */

const LENGTHS = [1, 2, 3, 5, 10, 20, 50];
const SHOWN = 7; // steps of a run

/** The steps that are shown of a run, the first and the last among them. @param {number} length */
export function shown(length) {
  const count = Math.min(SHOWN, length);
  return Array.from({ length: count }, (_, i) => (count > 1 ? Math.round((i * (length - 1)) / (count - 1)) : 0));
}

/** @param {Figure} figure */
export function jump(figure) {
  let seed = 1;
  /** The steps of each run, by its length. @type {Map<number, Step[]>} */
  let runs = new Map();
  const [start, one, end] = [
    figure.tile("ink", JUMP.start),
    figure.tile("guess", JUMP.one),
    figure.tile("ink", JUMP.end),
  ];
  const path = Array.from({ length: SHOWN }, () => [figure.tile("ink", ""), figure.tile("guess", "")]);
  const numbers = path.map(() => el("div", { class: "small" }));
  const columns = path.map((pair, i) =>
    el("div", { class: "column" }, ...pair.map(({ element }) => element), numbers[i]),
  );
  const title = titled(end.element, "");
  const n = new Slider(
    {
      ...{ name: JUMP.n, min: 0, max: LENGTHS.length - 1, value: 5, ends: ["1", String(LENGTHS[LENGTHS.length - 1])] },
      say: (i) => JUMP.steps(LENGTHS[i]),
    },
    () => {
      show();
      figure.changed();
    },
  );
  const length = () => LENGTHS[n.value];
  figure.body.append(
    el(
      "div",
      { class: "row", style: "--count: 3" },
      titled(start.element, JUMP.start),
      titled(one.element, JUMP.one, "guess"),
      title,
    ),
    n.element,
    el("p", { class: "label" }, JUMP.path),
    el("div", { class: "row", style: `--count: ${SHOWN}`, role: "img", "aria-label": JUMP.pathName }, ...columns),
    el(
      "div",
      { class: "buttons" },
      button(JUMP.other, () => begin(seed + 1)),
    ),
  );

  function show() {
    const run = runs.get(length()) ?? [];
    const last = run[run.length - 1];
    write(/** @type {Element} */ (title.lastElementChild), JUMP.steps(length()));
    one.paint(runs.get(1)?.[0]?.x0 ?? null);
    end.paint(last?.x ?? null);
    const at = shown(length());
    for (const [i, [x, guess]] of path.entries()) {
      columns[i].style.visibility = i < at.length ? "visible" : "hidden";
      const step = run[at[i]];
      x.paint(step ? (at[i] ? run[at[i] - 1].x : start.x) : null);
      guess.paint(step?.x0 ?? null);
      write(numbers[i], i < at.length ? String(at[i] + 1) : "");
    }
  }

  /** Compute all lengths: first those in sight, then the others behind. @param {number} with_ seed of the noise */
  function begin(with_ = seed) {
    seed = with_;
    const mine = new Map();
    runs = mine;
    start.paint(noisy(picture.x, T, seed));
    const compute = (/** @type {string} */ slot, /** @type {number[]} */ lengths, behind = false) => {
      const asked = lengths.map((steps) => ({ from: { x0: picture.x, t: T, seed }, steps, sampler: "ddim" }));
      return figure.ask(
        slot,
        "runs",
        { runs: asked },
        ({ i, ...step }) => {
          const steps = lengths[i];
          mine.set(steps, [...(mine.get(steps) ?? []), step]);
          if (mine === runs && (steps === length() || steps === 1)) show();
        },
        { behind },
      );
    };
    show();
    const first = [1, ...(length() > 1 ? [length()] : [])];
    compute("jump", first);
    compute(
      "jump behind",
      LENGTHS.filter((each) => !first.includes(each)),
      true,
    );
  }
  return { controls: { n }, update: () => begin() };
}
