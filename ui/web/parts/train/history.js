// What the page knows of a run, and of the runs before it.

/** @import { TrainingGrid, TrainingNow } from "../../messages/protocol.d.ts" */

const EARLIER = 4; // runs kept for comparison

/** One run, as far as it has been told. */
export class Run {
  version = -1;
  /** @type {NonNullable<TrainingNow["points"]>} */
  points = [];
  /** @type {TrainingGrid[]} */
  grids = [];
  title = "";
  recipe = "";
  total = 0; // steps
  batch = 1;
  classes = 0;

  /** @param {number} number */
  constructor(number) {
    this.number = number;
  }

  /** Images seen after a step. @param {number} step */
  images(step) {
    return step * this.batch;
  }

  /** @param {TrainingNow} answer */
  take(answer) {
    const { version = 0, from = [0, 0], points = [], grids = [] } = answer;
    if (version !== this.version) {
      this.version = version;
      this.points = [];
      this.grids = [];
    }
    // An answer to an older question repeats what is known by now.
    if (from[0] === this.points.length) this.points.push(...points);
    if (from[1] === this.grids.length) this.grids.push(...grids);
    this.title = answer.title ?? this.title;
    this.recipe = answer.recipe ?? this.recipe;
    this.total = answer.total ?? this.total;
    this.batch = answer.batch ?? this.batch;
    this.classes = answer.classes ?? this.classes;
  }

  /** The newest samples after at most so many images. @param {number} images */
  gridAt(images) {
    return this.grids.findLast(({ step }) => this.images(step) <= images);
  }
}

/** The run on screen and those before it, of this visit. */
export class History {
  /** @type {TrainingNow} */
  answer = { state: "idle", number: 0 };
  run = new Run(0);
  /** @type {Run | null} a recorded run */
  example = null;
  /** @type {Run[]} */
  earlier = [];

  /** The run to show: the recorded one until there are samples of the visitor's first. */
  get shown() {
    const own = this.run.grids.length || this.earlier.length;
    return own || !this.example ? this.run : this.example;
  }

  /** What the page has already, so that it asks only for the rest. */
  get asked() {
    const { number, version, points, grids } = this.run;
    return { number, version, points: points.length, grids: grids.length };
  }

  /** @param {TrainingNow} answer */
  take(answer) {
    if (answer.number !== this.run.number) {
      if (this.run.grids.length > 1) this.earlier = [...this.earlier, this.run].slice(-EARLIER);
      this.run = new Run(answer.number);
    }
    this.answer = answer;
    if (answer.version !== undefined) this.run.take(answer);
  }
}

/**
 * A curve smoothed with a moving average whose first values count fully: [x, y] each.
 * @param {[number, number][]} points
 * @param {number} decay
 * @returns {[number, number][]}
 */
export function smoothed(points, decay = 0.8) {
  let sum = 0;
  let weight = 0;
  return points.map(([x, y]) => {
    sum = decay * sum + (1 - decay) * y;
    weight = decay * weight + (1 - decay);
    return [x, sum / weight];
  });
}
