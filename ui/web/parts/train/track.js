// What is known of a training: samples as it learns, errors and losses. It happens here, was recorded, or is followed.

import { grid } from "../../pictures/compose.js";

/** @import { Grid } from "../../learning/recipe.js" */
/** @import { TrainingNow } from "../../messages/protocol.d.ts" */
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

/** Samples of a row, alone and where two lanes stand side by side: of digits each row has whole classes. */
const COLUMNS = { digits: [10, 5], drawings: [8, 6], own: [8, 6] };

/** Pictures of these bytes, channels last. @param {Uint8Array} bytes @param {number} side @param {number} channels @returns {Picture[]} */
export function picturesOf(bytes, side, channels) {
  const size = side * side * channels;
  return Array.from({ length: bytes.length / size }, (_, i) => {
    return { width: side, height: side, channels, data: bytes.subarray(i * size, (i + 1) * size) };
  });
}

/** The mean of numbers; null of none. @param {number[]} values */
const mean = (values) => (values.length ? values.reduce((a, b) => a + b) / values.length : null);

export class Track {
  /** @type {Moment[]} */
  moments = [];
  /** @type {Losses[]} */
  losses = [];
  step = 0;
  images = 0;
  seconds = 0; // of learning
  rate = 0; // images a second; 0 where it is not known

  /** @param {string[]} titles of the lanes @param {number} total images @param {import("../../learning/pictures.js").Pictures["kind"]} kind of pictures */
  constructor(titles, total, kind = "digits") {
    this.titles = titles;
    this.total = total;
    this.kind = kind;
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
  /** What the moments are made of, to be kept. @type {Grid[]} */
  grids = [];

  /** @param {string[]} titles @param {number} total @param {{ kind: "digits" | "drawings" | "own", side: number, channels: number }} pictures */
  constructor(titles, total, pictures) {
    super(titles, total, pictures.kind);
    this.form = pictures;
  }

  /** @param {Grid} found */
  add(found) {
    const { side, channels } = this.form;
    const columns = COLUMNS[this.kind][found.lanes.length - 1];
    /** @param {Uint8Array | null} bytes @returns {Sprite | null} */
    const sheet = (bytes) => {
      const pictures = bytes ? picturesOf(bytes, side, channels) : [];
      const whole = pictures.length - (pictures.length % columns);
      return whole ? [grid(pictures.slice(0, whole), columns)] : null;
    };
    const lanes = found.lanes.map(({ averaged, latest, errors }) => {
      return { averaged: sheet(averaged), latest: sheet(latest), pixels: averaged, errors, error: mean(errors) };
    });
    this.grids.push(found);
    this.moments.push({ ...found, lanes });
  }

  /** @param {{ step: number, images: number, losses: number[], seconds: number, rate: number }} news */
  learn({ step, images, losses, seconds, rate }) {
    Object.assign(this, { step, images, seconds, rate });
    this.losses.push([images, losses]);
  }
}

/** The training of a folder of this computer, or a recorded one, as far as it has been told. */
export class ToldTrack extends Track {
  version = -1;
  #batch = 1;
  #points = 0;

  constructor() {
    super([""], 0);
  }

  /** What the page has already, so that it asks only for the rest. */
  get asked() {
    return { version: this.version, points: this.#points, grids: this.moments.length };
  }

  /** @param {TrainingNow} answer */
  take({ version = 0, from = [0, 0], points = [], grids = [], total = 0, batch = this.#batch, step = 0, left, title }) {
    if (version !== this.version) {
      Object.assign(this, { version, moments: [], losses: [] });
      this.#points = 0;
    }
    this.#batch = batch;
    if (title) this.titles = [title];
    // An answer to an older question repeats what is known by now.
    if (from[0] === this.#points) {
      this.#points += points.length;
      for (const [at, loss, rate] of points) {
        if (loss !== null) this.losses.push([at * batch, [loss]]);
        this.rate = rate ?? this.rate;
      }
    }
    if (from[1] === this.moments.length)
      for (const { step: at, seconds, error, ema, raw } of grids) {
        const lane = { averaged: ema, latest: raw, pixels: null, errors: [], error };
        this.moments.push({ step: at, images: at * batch, seconds, lanes: [lane] });
      }
    if (total) this.total = total * batch;
    Object.assign(this, { step, images: step * batch });
    if (left) this.rate = (this.total - this.images) / left;
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
