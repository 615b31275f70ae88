// The player's chart: σ of every lane on a logarithmic axis, and ᾱ on an axis 0…1. A lane is one of the runs on screen.
// A tick is a position of the slider.
import { Chart, decades, halves, path, powers, scale } from "../drawing/chart.js";
import { el } from "../drawing/dom.js";
import { fraction, number } from "../words/numbers.js";
import { CHART } from "../words/player.js";

/** @import { Held, Recording } from "./recording.js" */

const alphaY = scale(0, 1);

export class RunChart extends Chart {
  #future = el("i", { class: "future" });
  #last = 1; // index of the last tick

  constructor() {
    super("", CHART.title);
  }

  /** @type {(value: number) => number} */
  #y = alphaY;

  /**
   * Draw a run. Return whether the chart has a curve of σ: whether any known σ is above 0.
   * @param {Recording} run
   */
  show({ lanes, tickOf, ticks }) {
    const known = lanes.flatMap(({ sigma }) => sigma.filter((value) => value !== null && value > 0));
    const [low, high] = decades(/** @type {number[]} */ (known));
    this.#y = scale(low, high, true);
    this.#last = Math.max(1, ticks.length - 1);
    /** @param {number} s */
    const x = (s) => (100 * (tickOf.get(s) ?? 0)) / this.#last;
    const [{ steps }] = lanes;
    const alpha = path(
      "alpha",
      steps.map(([, s, alphaBar]) => [x(s), alphaY(alphaBar)]),
    );
    const curves = lanes.map(({ steps, sigma }, i) =>
      path(
        `lane-${i}`,
        steps.map(([, s], k) => [x(s), this.#place(sigma[k])]),
      ),
    );
    const [t, s] = steps[(steps.length - 1) >> 1];
    /** @type {[number, string][]} */
    const middle = steps.length > 2 ? [[x(s), `t ${t}`]] : [];
    const lines = [...(known.length ? powers(low, high) : []), ...halves(1, "scale")];
    this.draw(lines, [alpha, ...curves], [[0, `t ${steps[0][0]}`], ...middle, [100, "t 0"]]);
    this.area.append(this.#future);
    return known.length > 0;
  }

  /** Return the height of σ on the axis, null if σ is 0 or not known yet. @param {number | null | undefined} sigma */
  #place(sigma) {
    return sigma ? this.#y(sigma) : null;
  }

  /**
   * Put the marker on a tick, and a dot for the frame of each lane. The area right of the tick `newest` is not computed
   * yet.
   * @param {number} tick @param {number} newest @param {(Held | undefined)[]} frames one of each lane
   */
  point(tick, newest, frames) {
    const x = (100 * tick) / this.#last;
    this.#future.style.left = `${(100 * newest) / this.#last}%`;
    const [first] = frames;
    const dots = frames.map(
      (frame, i) => /** @type {[string, number, number | null]} */ ([`lane-${i}`, x, this.#place(frame?.sigma)]),
    );
    const added = frames.map((frame) => number(frame?.sigma ?? 0));
    const said = first ? CHART.at(first.step[1], added, fraction(first.step[2])) : "";
    this.mark(x, [["alpha", x, first ? alphaY(first.step[2]) : null], ...dots], said);
  }
}
