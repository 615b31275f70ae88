// Rows of pictures that chains end in: what Latents and Repair share, as ui/parts/picture_rows.py.

import { grid, uri } from "../../files/pictures.js";
import { settingsOf } from "../lab.js";
import { unpack } from "../pictures/uploads.js";
import { trajectory } from "../process/runs.js";
import { $ } from "../python.js";
import { picture } from "./sampling.js";

/** @import { Run } from "../jobs.js" */
/** @import { Lab, Loaded as Model } from "../lab.js" */
/** @import { Picture } from "../../files/pictures.js" */
/** @typedef {{ index: number, s: number, x: Float32Array, x0: Float32Array }} Step */

/** What Python's code takes to save rows; the files are promises. */
function natives() {
  const pngs = import("../../files/png.js");
  const animations = Promise.all([import("../../files/animations.js"), import("../../files/labels.js")]);
  $.native("numpy", { concatenate: (/** @type {Picture[][]} */ rows) => rows.flat() });
  $.native("ddpm_core.imaging", {
    grid,
    png: (/** @type {Picture} */ one, /** @type {any} */ { values }) => pngs.then(({ png }) => png(one, values.about)),
  });
  $.native("ui.export.files", {
    animation: (/** @type {Picture[]} */ film, /** @type {string} */ kind, /** @type {string} */ about) =>
      animations.then(([{ ANIMATED }, { enlarged }]) =>
        ANIMATED[kind](
          film.map((one) => enlarged(one)),
          film.length,
          about,
        ),
      ),
  });
}

/** Python's part with its computation. @param {Lab} lab @param {any} Part its class @param {any} computation */
export function withPictures(lab, Part, computation) {
  natives();
  Part.prototype.computation = computation;
  const before = (/** @type {any} */ { picture: own, picture_b: other }) => Promise.all([unpack(own), unpack(other)]);
  return Object.assign(new Part(lab), { before });
}

/** The settings of a chain, but its seed. @param {any} plan @param {Model} model @returns {any} */
export const chainOf = (plan, model) => ({ ...settingsOf(plan.options), model });

/** A translated class of rows, with how they are computed. @param {any} Base @returns {any} */
export const withRows = (Base) =>
  class extends Base {
    /** The pictures of a state. @param {Model} model @param {Float32Array} x @returns {Picture} */
    picture = ({ channels, size }, x) => picture(x, channels, size);

    /** @param {number} batch */
    kind = (batch) => new ($.module("ui.machine.step_times").StepKind)(this.refs[0], batch);

    /**
     * A picture of one's own, or the sample of a seed, which is shown every so many steps.
     * @param {any} plan @param {Model} model @param {number} i its number @param {string} own as text @param {number} seed @param {Run} work
     * @returns {Promise<Picture>}
     */
    async source(plan, model, i, own, seed, work, every = 0) {
      const give = (/** @type {Picture} */ one, final = true) => work.give({ kind: "source", i, x: uri([one]), final });
      const { from_text } = $.module("ui.pictures.as_text");
      /** @type {Picture} */
      let found = own && from_text(own, plan.model);
      if (own) give(found);
      else
        for await (const step of trajectory(model, { ...chainOf(plan, model), seed: BigInt(seed) })) {
          found = this.picture(model, step.x);
          if (step.s === 0) give(found);
          else if (step.index % every === 0) give(this.picture(model, step.x0), false);
          await work.count(this.kind(1));
        }
      return found;
    }

    /**
     * Take the n steps of a row, one chain a column; null among them is an evaluation that is not shown.
     * @param {Model} model @param {number} row @param {AsyncIterator<Step | null>[]} chains @param {number} n @param {number} rows
     * @param {Run} work @param {boolean} [repeats] an evaluation is a null, and steps follow
     * @returns {Promise<Float32Array[]>} the last states
     */
    async take(model, row, chains, n, rows, work, repeats = false) {
      const { kept_steps } = $.module("ui.pictures.uploads");
      const kept = kept_steps(n, model.size, this.images * rows, model.channels);
      const frames = $.dict([]);
      $.set(work.recording.frames, row, frames);
      /** @type {Step[]} */
      let steps = [];
      for (let last = -1; last < n - 1; ) {
        steps = [];
        for (const chain of chains) {
          let step;
          do {
            step = (await chain.next()).value;
            if (step !== undefined && !(step && repeats)) await work.count(this.kind(chains.length), 1 / chains.length);
          } while (step === null);
          steps.push(step);
        }
        const [{ index, s }] = steps;
        last = index;
        if (!$.has(kept, index)) continue;
        const x = steps.map((one) => this.picture(model, one.x));
        const guess = s ? steps.map((one) => this.picture(model, one.x0)) : x;
        $.set(frames, index, guess);
        const both = this.shows_x ? { x: uri(x), x0: uri(guess) } : { x0: uri(guess) };
        work.give({ kind: "step", row, k: index, s, ...both });
      }
      const done = steps.map((one) => this.picture(model, one.x));
      $.set(work.recording.rows, row, done);
      return steps.map((one) => one.x);
    }
  };

/** Of each number of pictures its variance among them. @param {Picture[]} pictures */
export function variances(pictures) {
  const n = pictures.length;
  return Float64Array.from(pictures[0].data, (_, i) => {
    const mean = pictures.reduce((sum, { data }) => sum + data[i], 0) / n;
    return pictures.reduce((sum, { data }) => sum + (data[i] - mean) ** 2, 0) / n;
  });
}

/** The standard deviation of pictures from their mean, in grey levels, over all pixels. @param {Picture[]} pictures */
export function spread(pictures) {
  const found = variances(pictures);
  return Math.sqrt(found.reduce((a, b) => a + b, 0) / found.length);
}
