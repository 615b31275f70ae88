// Runs of many steps, runs of two steps, and a student that has learned to take two steps.

import { button, el } from "../../drawing/dom.js";
import { FEW } from "../../words/figures.js";
import { buttons, namedRow } from "../elements.js";

/** @import { Figure } from "../figure.js" */

const [MANY, TWO, GUIDANCE] = [50, 2, 1.5]; // numbers of steps; the guidance that the student learned from its teacher
const STUDENT = "mnist-tiny-2-steps";
const LABELS = [0, 1, 2, 3, 4];

/** Fill a figure with the three rows of pictures. Returns its controls and the function that draws it. @param {Figure} figure */
export function few(figure) {
  let first = 1; // the seed of the first column
  const rows = [FEW.many(MANY), FEW.two(TWO), FEW.student(TWO)].map((name) => ({
    name,
    tiles: LABELS.map((label) => figure.tile("ink", FEW.picture(label, name))),
  }));
  const lines = rows.map(({ name, tiles }) =>
    namedRow(
      name,
      tiles.map(({ element }) => element),
    ),
  );
  const asked = LABELS.map((label) => el("div", { class: "small" }, FEW.asked(label)));
  const other = button(null, () => begin(first + LABELS.length), FEW.other);
  figure.body.append(namedRow("", asked), ...lines, buttons(other));

  /** Compute and draw all rows. @param {number} from the seed of the first column */
  function begin(from = first) {
    first = from;
    /** Return the runs of a row, one for each label, with these further settings. */
    const runs = (/** @type {object} */ more) =>
      LABELS.map((label, i) => ({ from: { seed: from + i }, label, sampler: "ddim", ...more }));
    /** Compute a row with these further settings of its runs, and draw its last pictures. */
    const compute = (/** @type {number} */ row, /** @type {object} */ more, /** @type {string} */ model) => {
      const { tiles } = rows[row];
      const take = (/** @type {any} */ { i, s, x }) => s || tiles[i].paint(x);
      return figure.ask(`few ${row}`, "runs", { runs: runs(more) }, take, { model });
    };
    compute(0, { steps: MANY, guidance: GUIDANCE }, "mnist-tiny");
    compute(1, { steps: TWO, guidance: GUIDANCE }, "mnist-tiny");
    compute(2, { steps: TWO }, STUDENT);
  }
  return { controls: {}, update: () => rows[0].tiles[0].x || begin() };
}
