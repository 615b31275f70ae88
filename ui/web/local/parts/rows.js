// Rows of pictures that chains end in: what Latents and Repair share, as ui/parts/picture_rows.py.
import { settingsOf } from "../lab.js";
import { gif, grid, labelled, png, SLIDE, uri } from "../pictures.js";
import { $ } from "../python.js";
import { picture } from "./sampling.js";

/** @import { Run } from "../jobs.js" */
/** @import { Loaded as Model } from "../lab.js" */
/** @import { Picture } from "../pictures.js" */
/** @typedef {{ index: number, s: number, x: Float32Array, x0: Float32Array }} Step */

/** The settings of a chain, but its seed. @param {any} plan @param {Model} model @returns {any} */
export const chainOf = (plan, model) => ({ ...settingsOf(plan.options), model });

/** A translated class of rows, with what they show and save. @param {any} Base @returns {any} */
export function withRows(Base) {
  const Recording = recording();
  return class extends Base {
    recording = Recording;

    /** The pictures of a state. @param {Model} model @param {Float32Array} x @returns {Picture} */
    picture = ({ channels, size }, x) => picture(x, channels, size);

    /**
     * Take the n steps of a row, one chain a column; null among them is an evaluation that is not shown.
     * @param {Model} model @param {number} row @param {AsyncIterator<Step | null>[]} chains @param {number} n @param {number} rows
     * @param {Run} work @param {any} kind @param {boolean} [repeats] an evaluation is a null, and steps follow
     * @returns {Promise<Float32Array[]>} the last states
     */
    async take(model, row, chains, n, rows, work, kind, repeats = false) {
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
            if (step !== undefined && !(step && repeats)) await work.count(kind, 1 / chains.length);
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
}

/** What can be saved of them. @returns {any} */
function recording() {
  const { RowsRecording } = $.module("ui.parts.picture_rows");
  return class extends RowsRecording {
    /** @param {string} kind @returns {Promise<[string, BlobPart]>} */
    async save(kind) {
      /** @type {[number, Picture[]][]} */
      const rows = this.rows.items().sort(order);
      if (!rows.length) throw new Error("There is no finished row of pictures yet: press Run");
      const [name, about, columns] = [this.name(kind), this.settings(), this.plan.request.count];
      const all = rows.map(([, pictures]) => pictures);
      if (kind === "png") return [name, await png(grid(all.flat(), columns), about)];
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
        return grid((films.length ? films.map(at) : all).flat(), columns);
      });
      const large = (/** @type {Picture} */ shot) => labelled(shot, Math.ceil(SLIDE / shot.width), []);
      return [name, gif(shots.map(large), moments, about)];
    }
  };
}

/** @param {[number, unknown]} a @param {[number, unknown]} b */
const order = ([a], [b]) => a - b;

/** The standard deviation of pictures from their mean, in grey levels, over all pixels. @param {Picture[]} pictures */
export function spread(pictures) {
  const n = pictures.length;
  const [{ data }] = pictures;
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += variance(pictures, i);
  return Math.sqrt(sum / data.length);

  /** @param {Picture[]} all @param {number} i */
  function variance(all, i) {
    const mean = all.reduce((total, one) => total + one.data[i], 0) / n;
    return all.reduce((total, one) => total + (one.data[i] - mean) ** 2, 0) / n;
  }
}
