// What is known of a training: samples as it learns, errors and losses. It happens here, was recorded, or is followed.

import { stepsOf } from "../../learning/recipe.js";
import { grid } from "../../pictures/compose.js";

/** @import { Pictures } from "../../learning/pictures.js" */
/** @import { Grid, Recipe } from "../../learning/recipe.js" */
/** @import { History } from "../../learning/training.js" */
/** @import { Followed } from "../../messages/protocol.d.ts" */
/** @import { Sprite } from "../../pictures/sprite.js" */
/** @import { Picture } from "../../pictures/resize.js" */

/**
 * What a lane draws at a moment. pixels: the samples as bytes, of a training that happens here. errors: of x̂_0 in grey levels,
 * for each of TIMES; empty where only their mean is known.
 * @typedef {object} Shown
 * @property {Sprite | null} averaged
 * @property {Sprite | null} latest drawn with the latest weights
 * @property {Uint8Array | null} pixels
 * @property {number[]} errors
 * @property {number | null} error their mean
 */
/** @typedef {{ step: number, images: number, seconds: number, lanes: Shown[] }} Moment */
/** A loss for each lane, after so many images. @typedef {[images: number, losses: (number | null)[]]} Losses */

/** Samples of a row: of digits two rows have all classes. */
const COLUMNS = { digits: 5, drawings: 6, own: 6 };

/** Pictures of these bytes, channels last. @param {Uint8Array} bytes @param {number} side @param {number} channels @returns {Picture[]} */
export function picturesOf(bytes, side, channels) {
  const size = side * side * channels;
  return Array.from({ length: bytes.length / size }, (_, i) => {
    return { width: side, height: side, channels, data: bytes.subarray(i * size, (i + 1) * size) };
  });
}

/** The mean of numbers; null of none. @param {number[]} values */
const mean = (values) => (values.length ? values.reduce((a, b) => a + b) / values.length : null);

/** The base of all tracks. */
export class Track {
  step = 0;
  images = 0; // pictures that the first network has seen
  total = 0; // in all
  seconds = 0; // of learning
  rate = 0; // images a second; 0 where it is not known
  isOfSteps = false; // whether all these count steps: the lanes see pictures at another pace

  /** @param {string[]} titles of the lanes @param {Pictures["kind"]} kind */
  constructor(titles, kind) {
    this.titles = titles;
    this.kind = kind;
  }

  /** @returns {Moment[]} */
  get moments() {
    return [];
  }

  /** @returns {Losses[]} */
  get losses() {
    return [];
  }

  /** Seconds until the end; null where that is not known. */
  get left() {
    return this.rate ? (this.total - this.images) / this.rate : null;
  }

  /** The newest moment after at most so many images. @param {number} images */
  at(images) {
    return Math.max(
      0,
      this.moments.findLastIndex((moment) => moment.images <= images),
    );
  }
}

/** A training that happens here. */
export class LiveTrack extends Track {
  /** The moment that the player draws for each grid, made once. @type {WeakMap<Grid, Moment>} */
  #drawn = new WeakMap();

  /** @param {string[]} titles @param {Recipe[]} recipes @param {Pictures} pictures @param {History} history that the training goes on writing */
  constructor(titles, recipes, pictures, history) {
    super(titles, pictures.kind);
    const [first, second = first] = recipes;
    this.isOfSteps = first.batch !== second.batch;
    this.batch = first.batch;
    this.total = this.#seen(stepsOf(first));
    this.pictures = pictures;
    this.history = history;
    this.learn({ step: history.losses[0].length, seconds: history.grids.at(-1)?.seconds ?? 0, rate: 0 });
  }

  /** Where a step stands on the axis. @param {number} step */
  #seen = (step) => (this.isOfSteps ? step : step * this.batch);

  get moments() {
    return this.history.grids.map((one) => {
      const drawn = this.#drawn.get(one) ?? this.#draw(one);
      this.#drawn.set(one, drawn);
      return drawn;
    });
  }

  get losses() {
    const [first] = this.history.losses;
    return first.map((_, i) => /** @type {Losses} */ ([this.#seen(i + 1), this.history.losses.map((lane) => lane[i])]));
  }

  /** @param {Grid} found @returns {Moment} */
  #draw({ step, seconds, lanes }) {
    const { side, channels } = this.pictures;
    const columns = COLUMNS[this.kind];
    /** @param {Uint8Array | null} bytes @returns {Sprite | null} */
    const sheet = (bytes) => {
      const pictures = bytes ? picturesOf(bytes, side, channels) : [];
      const whole = pictures.length - (pictures.length % columns);
      return whole ? [grid(pictures.slice(0, whole), columns)] : null;
    };
    const shown = lanes.map(({ averaged, latest, errors }) => {
      return { averaged: sheet(averaged), latest: sheet(latest), pixels: averaged, errors, error: mean(errors) };
    });
    return { step, images: this.#seen(step), seconds, lanes: shown };
  }

  /** A step has been taken. @param {{ step: number, seconds: number, rate: number }} news */
  learn({ step, seconds, rate }) {
    Object.assign(this, { step, images: this.#seen(step), seconds });
    this.rate = this.isOfSteps ? rate / this.batch : rate;
  }
}

/** The training of a folder of this computer, or a recorded one, as far as it has been told. */
export class ToldTrack extends Track {
  version = -1;
  /** @type {Moment[]} */
  #moments = [];
  /** @type {Losses[]} */
  #losses = [];
  #points = 0;

  constructor() {
    super([""], "digits");
  }

  get moments() {
    return this.#moments;
  }

  get losses() {
    return this.#losses;
  }

  /** What the page has already, so that it asks only for the rest. */
  get asked() {
    return { version: Math.max(0, this.version), points: this.#points, grids: this.moments.length };
  }

  /** @param {Followed} answer */
  take({ version, from, points, grids, total, batch, step = 0, left, title }) {
    if (version !== this.version) {
      this.version = version;
      [this.#moments, this.#losses, this.#points] = [[], [], 0];
    }
    this.titles = [title];
    // An answer to an older question repeats what is known by now.
    if (from[0] === this.#points) {
      this.#points += points.length;
      for (const [at, loss] of points) if (loss !== null) this.#losses.push([at * batch, [loss]]);
    }
    if (from[1] === this.moments.length)
      for (const { step: at, seconds, error, ema, raw } of grids) {
        const lane = { averaged: ema, latest: raw, pixels: null, errors: [], error };
        this.#moments.push({ step: at, images: at * batch, seconds, lanes: [lane] });
      }
    Object.assign(this, { step, images: step * batch, total: total * batch });
    this.rate = left ? (this.total - this.images) / left : 0;
  }
}

/**
 * A curve smoothed with a moving average whose first values count fully.
 * @param {[number, number][]} points @param {number} decay @returns {[number, number][]}
 */
export function smoothed(points, decay = 0.9) {
  let sum = 0;
  let weight = 0;
  return points.map(([x, y]) => {
    sum = decay * sum + (1 - decay) * y;
    weight = decay * weight + (1 - decay);
    return [x, sum / weight];
  });
}
