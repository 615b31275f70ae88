// Runs of many steps, runs of two steps, and a student that has learned to take two steps.

import { button, el } from "../../drawing/dom.js";
import { FEW } from "../../words/figures.js";
import { buttons, namedRow } from "../elements.js";
import { noiseOf } from "../process.js";

/** @import { Figure } from "../figure.js" */

const [MANY, TWO, GUIDANCE] = [50, 2, 1.5]; // number of steps of long runs, number of steps of short runs, guidance scale of the student's teacher
const STUDENT = "mnist-tiny-2-steps";
const LABELS = [0, 1, 2, 3, 4];

/** Fill a figure with the three rows of pictures. Return the controls and the function that draws the figure. @param {Figure} figure */
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

  /** Draw the noise of each column, then compute and draw all rows. @param {number} from the seed of the first column */
  function begin(from = first) {
    first = from;
    for (const { tiles } of rows) for (const [i, tile] of tiles.entries()) tile.paint(noiseOf(from + i));
    /** Return the runs of a row, one for each label. `more` has further settings of these runs. */
    const runs = (/** @type {object} */ more) =>
      LABELS.map((label, i) => ({ from: { seed: from + i }, label, sampler: "ddim", ...more }));
    /** Compute the runs of a row, and draw each step. `more` has further settings of the runs. */
    const compute = (/** @type {number} */ row, /** @type {object} */ more, /** @type {string} */ model) => {
      const { tiles } = rows[row];
      const take = (/** @type {any} */ { i, x }) => tiles[i].paint(x);
      return figure.ask(`few ${row}`, "runs", { runs: runs(more) }, take, { model });
    };
    compute(0, { steps: MANY, guidance: GUIDANCE }, "mnist-tiny");
    compute(1, { steps: TWO, guidance: GUIDANCE }, "mnist-tiny");
    compute(2, { steps: TWO }, STUDENT);
  }
  return { controls: {}, update: () => rows[0].tiles[0].x || begin() };
}
