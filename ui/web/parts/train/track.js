// The course of a training: samples, errors and losses. The data come from a training in this browser, from a
// recording, or from a server.

import { stepsOf } from "../../learning/recipe.js";
import { grid } from "../../pictures/compose.js";

/** @import { Pictures } from "../../learning/pictures.js" */
/** @import { Grid, Recipe } from "../../learning/recipe.js" */
/** @import { History } from "../../learning/training.js" */
/** @import { Followed } from "../../messages/protocol.d.ts" */
/** @import { Sprite } from "../../pictures/sprite.js" */
/** @import { Picture } from "../../pictures/resize.js" */

/**
 * The results of one lane (a network that learns) at a moment.
 * @typedef {object} Shown
 * @property {Sprite | null} averaged samples of the averaged weights
 * @property {Sprite | null} latest samples of the latest weights
 * @property {Uint8Array | null} pixels the bytes of the averaged samples; null unless the training runs in this browser
 * @property {number[]} errors of x̂_0 at each of TIMES, in grey levels; empty if only their mean is known
 * @property {number | null} error the mean of the errors
 */
/** A moment of a training at which samples were drawn. @typedef {{ step: number, images: number, seconds: number, lanes: Shown[] }} Moment */
/** The loss of each lane after a number of images. @typedef {[images: number, losses: (number | null)[]]} Losses */

/** Number of samples in each row, by the kind of pictures. Two rows of digits show all ten classes. */
const COLUMNS = { digits: 5, drawings: 6, own: 6 };

/** Split bytes into square pictures with channels last. @param {Uint8Array} bytes @param {number} side @param {number} channels @returns {Picture[]} */
export function picturesOf(bytes, side, channels) {
  const size = side * side * channels;
  return Array.from({ length: bytes.length / size }, (_, i) => {
    return { width: side, height: side, channels, data: bytes.subarray(i * size, (i + 1) * size) };
  });
}

/** Return the mean of numbers; null if there are none. @param {number[]} values */
const mean = (values) => (values.length ? values.reduce((a, b) => a + b) / values.length : null);

/** A training as the view draws it: the base class of all tracks. */
export class Track {
  step = 0;
  images = 0; // pictures that the first network has seen
  total = 0; // pictures that the first network will see in all
  seconds = 0; // duration of the training so far
  rate = 0; // images per second; 0 if unknown
  isOfSteps = false; // whether images, total and rate count steps instead, because the lanes have batches of different sizes

  /** @param {string[]} titles of the lanes @param {Pictures["kind"]} kind */
  constructor(titles, kind) {
    this.titles = titles;
    this.kind = kind;
  }

  /** The moments at which samples were drawn. @returns {Moment[]} */
  get moments() {
    return [];
  }

  /** The losses of all steps so far. @returns {Losses[]} */
  get losses() {
    return [];
  }

  /** Seconds until the end; null if unknown. */
  get left() {
    return this.rate ? (this.total - this.images) / this.rate : null;
  }

  /** Return the index of the last moment up to a number of images. @param {number} images */
  at(images) {
    return Math.max(
      0,
      this.moments.findLastIndex((moment) => moment.images <= images),
    );
  }
}

/** A training that runs in this browser. */
export class LiveTrack extends Track {
  /** The moment that was made from each grid of samples, so that each moment is made only once. @type {WeakMap<Grid, Moment>} */
  #made = new WeakMap();

  /** @param {string[]} titles @param {Recipe[]} recipes @param {Pictures} pictures @param {History} history the training appends its results to this history */
  constructor(titles, recipes, pictures, history) {
    super(titles, pictures.kind);
    const [first, second = first] = recipes;
    this.isOfSteps = first.batch !== second.batch;
    this.batch = first.batch;
    this.total = this.#position(stepsOf(first));
    this.pictures = pictures;
    this.history = history;
    this.learn({ step: history.losses[0].length, seconds: history.grids.at(-1)?.seconds ?? 0, rate: 0 });
  }

  /** Convert a step to a position on the charts' axis, which counts images or steps. @param {number} step */
  #position = (step) => (this.isOfSteps ? step : step * this.batch);

  /** The moments at which samples were drawn, each made once from its grid. */
  get moments() {
    return this.history.grids.map((one) => {
      const drawn = this.#made.get(one) ?? this.#momentOf(one);
      this.#made.set(one, drawn);
      return drawn;
    });
  }

  /** The loss of each lane at each step so far. */
  get losses() {
    const [first] = this.history.losses;
    return first.map(
      (_, i) => /** @type {Losses} */ ([this.#position(i + 1), this.history.losses.map((lane) => lane[i])]),
    );
  }

  /** Make the moment of a grid: join the samples of each lane to one picture. @param {Grid} found @returns {Moment} */
  #momentOf({ step, seconds, lanes }) {
    const { side, channels } = this.pictures;
    const columns = COLUMNS[this.kind];
    /** Join pictures to one picture of full rows; null without a full row. @param {Uint8Array | null} bytes @returns {Sprite | null} */
    const sheet = (bytes) => {
      const pictures = bytes ? picturesOf(bytes, side, channels) : [];
      const whole = pictures.length - (pictures.length % columns);
      return whole ? [grid(pictures.slice(0, whole), columns)] : null;
    };
    const shown = lanes.map(({ averaged, latest, errors }) => {
      return { averaged: sheet(averaged), latest: sheet(latest), pixels: averaged, errors, error: mean(errors) };
    });
    return { step, images: this.#position(step), seconds, lanes: shown };
  }

  /** Update the progress after a step. rate: in images per second. @param {{ step: number, seconds: number, rate: number }} news */
  learn({ step, seconds, rate }) {
    Object.assign(this, { step, images: this.#position(step), seconds });
    this.rate = this.isOfSteps ? rate / this.batch : rate;
  }
}

/** A training whose data arrive from a server or a recording. */
export class ReceivedTrack extends Track {
  version = -1;
  /** @type {Moment[]} */
  #moments = [];
  /** @type {Losses[]} */
  #losses = [];
  #points = 0;

  constructor() {
    super([""], "digits");
  }

  /** The moments that have arrived. */
  get moments() {
    return this.#moments;
  }

  /** The losses that have arrived. */
  get losses() {
    return this.#losses;
  }

  /** The version, the number of loss points and the number of grids that have arrived. The next request asks for the rest. */
  get asked() {
    return { version: Math.max(0, this.version), points: this.#points, grids: this.moments.length };
  }

  /** Add the data of an answer. If the run has a new version, remove the old data first. @param {Followed} answer */
  take({ version, from, points, grids, total, batch, step = 0, left, title }) {
    if (version !== this.version) {
      this.version = version;
      [this.#moments, this.#losses, this.#points] = [[], [], 0];
    }
    this.titles = [title];
    // The answer to an earlier request may repeat data that have arrived meanwhile.
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
 * Smooth a curve with an exponential moving average, corrected for its start at zero.
 * @param {[number, number][]} points @param {number} decay @returns {[number, number][]}
 */
export function smooth(points, decay = 0.9) {
  let sum = 0;
  let weight = 0;
  return points.map(([x, y]) => {
    sum = decay * sum + (1 - decay) * y;
    weight = decay * weight + (1 - decay);
    return [x, sum / weight];
  });
}
