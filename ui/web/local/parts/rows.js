// Rows of pictures that chains end in: what Latents and Repair share, as ui/parts/picture_rows.py.

import { settingsOf } from "../lab.js";
import { grid, uri } from "../pictures/pictures.js";
import { unpack } from "../pictures/uploads.js";
import { trajectory } from "../process/runs.js";
import { $ } from "../python.js";
import { picture } from "./sampling.js";

/** @import { Run } from "../jobs.js" */
/** @import { Lab, Loaded as Model } from "../lab.js" */
/** @import { Picture } from "../pictures/pictures.js" */
/** @typedef {{ index: number, s: number, x: Float32Array, x0: Float32Array }} Step */

/** Python's part with its computation. @param {Lab} lab @param {any} Part its class @param {any} computation */
export function withPictures(lab, Part, computation) {
  Part.prototype.computation = computation;
  const before = (/** @type {any} */ { picture: own, picture_b: other }) => Promise.all([unpack(own), unpack(other)]);
  return Object.assign(new Part(lab), { before });
}

/** A translated class of rows, with what they show and save. @param {any} Base @returns {any} */
export const withRows = (Base) =>
  class extends Base {
    /** The pictures of a state. @param {Model} model @param {Float32Array} x @returns {Picture} */
    picture = ({ channels, size }, x) => picture(x, channels, size);

    /** @param {Model} model @returns {any} the settings of a chain, but its seed */
    settings_of = (model) => ({ ...settingsOf(this.options), model });

    /** @param {number} batch */
    kind = (batch) => new ($.module("ui.machine.step_times").StepKind)(this.refs[0], batch);

    /**
     * A picture of one's own, or the sample of a seed, which is shown every so many steps.
     * @param {Model} model @param {number} i its number @param {string} own as text @param {number} seed @param {Run} work
     * @returns {Promise<Picture>}
     */
    async source(model, i, own, seed, work, every = 0) {
      const give = (/** @type {Picture} */ one, final = true) => work.give({ kind: "source", i, x: uri([one]), final });
      const { from_text } = $.module("ui.pictures.as_text");
      /** @type {Picture} */
      let found = own && from_text(own, this.model);
      if (own) give(found);
      else
        for (const step of trajectory(model, { ...this.settings_of(model), seed: BigInt(seed) })) {
          found = this.picture(model, step.x);
          if (step.s === 0) give(found);
          else if (step.index % every === 0) give(this.picture(model, step.x0), false);
          await work.count(this.kind(1));
        }
      return found;
    }

    /**
     * Take the n steps of a row, one chain a column; null among them is an evaluation that is not shown.
     * @param {Model} model @param {number} row @param {Iterator<Step | null>[]} chains @param {number} n @param {number} rows
     * @param {Run} work
     * @returns {Promise<Float32Array[]>} the last states
     */
    async take(model, row, chains, n, rows, work) {
      const { kept_steps } = $.module("ui.pictures.uploads");
      const kept = kept_steps(n, model.size, this.images * rows, model.channels);
      $.set(this.frames, row, $.dict([]));
      /** @type {Step[]} */
      let steps = [];
      for (let last = -1; last < n - 1; ) {
        steps = [];
        for (const chain of chains) {
          let step;
          do {
            step = chain.next().value;
            if (step !== undefined && !(step && this.repeats))
              await work.count(this.kind(chains.length), 1 / chains.length);
          } while (step === null);
          steps.push(step);
        }
        const [{ index, s }] = steps;
        last = index;
        if (!$.has(kept, index)) continue;
        const x = steps.map((one) => this.picture(model, one.x));
        const guess = s ? steps.map((one) => this.picture(model, one.x0)) : x;
        $.set($.item(this.frames, row), index, guess);
        const both = this.shows_x ? { x: uri(x), x0: uri(guess) } : { x0: uri(guess) };
        work.give({ kind: "step", row, k: index, s, ...both });
      }
      const done = steps.map((one) => this.picture(model, one.x));
      $.set(this.rows, row, done);
      return steps.map((one) => one.x);
    }

    /** @param {string} kind @returns {Promise<[string, BlobPart]>} */
    async save(kind) {
      const { short_name } = $.module("ui.models.catalogue");
      /** @type {[number, Picture[]][]} */
      const rows = this.rows.items().sort(order);
      if (!rows.length) throw new Error("There is no finished row of pictures yet: press Run");
      const { checkpoint, seed } = this.request;
      const name = `${short_name(checkpoint)}-${this.what}-seed-${seed}.${kind}`.replaceAll(" ", "-");
      const about = this.settings();
      const all = rows.map(([, pictures]) => pictures);
      const { ANIMATED, enlarged, png } = await import("../pictures/files.js");
      if (kind === "png") return [name, await png(grid(all.flat(), this.images), about)];
      /** @type {[number, any][]} */
      const frames = this.frames.items().sort(order);
      /** @type {Picture[][][]} */
      const films = frames
        .filter(([row]) => this.rows.has(row))
        .map(([, shown]) =>
          shown
            .items()
            .sort(order)
            .map((/** @type {[number, Picture[]]} */ [, pictures]) => pictures),
        );
      const moments = Math.max(1, ...films.map(({ length }) => length));
      const shots = Array.from({ length: moments }, (_, i) => {
        const at = (/** @type {Picture[][]} */ one) =>
          one[Math.round((i * (one.length - 1)) / Math.max(moments - 1, 1))];
        return grid((films.length ? films.map(at) : all).flat(), this.images);
      });
      return [
        name,
        await ANIMATED[kind](
          shots.map((shot) => enlarged(shot)),
          moments,
          about,
        ),
      ];
    }
  };

/** @param {[number, unknown]} a @param {[number, unknown]} b */
const order = ([a], [b]) => a - b;

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
