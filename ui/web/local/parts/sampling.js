// Watch, Compare and Grid: lanes from one x_T, as ui/parts/sampling.py computes them.
import { settingsOf } from "../lab.js";
import { gif, grid, labelled, png, uri } from "../pictures.js";
import { toUint8 } from "../process/floats.js";
import { sideBySide } from "../process/runs.js";
import { $ } from "../python.js";

/** @import { Model } from "../network/model.js" */
/** @import { Picture } from "../pictures.js" */

/** @param {Float32Array} x of [−1, 1] @param {number} channels @param {number} size @returns {Picture} */
export const picture = (x, channels, size) => {
  return { width: size, height: size, channels, data: toUint8(x, channels) };
};

/** What a model shows of a state. @param {Model} model @param {Float32Array} x @returns {Picture} */
const shown = (model, x) =>
  model.decode
    ? picture(model.decode(x), model.pictureChannels, model.pictureSize)
    : picture(x, model.channels, model.size);

/** Python's Sampling, computed here. */
export function sampling() {
  const { Sampling, MOMENTS } = $.module("ui.parts.sampling");
  const { kept_steps } = $.module("ui.pictures.uploads");
  return class extends Sampling {
    /** @param {Model[]} models @param {import("../jobs.js").Run} work */
    async compute(models, work) {
      const { refs, lanes, images } = this;
      const loaded = lanes.map(
        (/** @type {any} */ lane) => models[refs.findIndex((/** @type {string} */ ref) => ref === lane.checkpoint)],
      );
      const { decode, pictureSize: size, pictureChannels: channels } = loaded[0];
      const most = decode ? MOMENTS : 1e6;
      const kept = lanes.map((/** @type {any} */ { steps }) => kept_steps(steps, size, images, channels, most));
      const settings = lanes.map((/** @type {any} */ _, /** @type {number} */ i) =>
        told(loaded[i], this._arguments[i]),
      );
      if (loaded[0].words && lanes.length === 1) this.words = [];
      work.give(this);
      const seeds = Array.from(this.request.seeds, BigInt);
      /** @type {Picture[][]} */
      let both = [];
      for (const { lane, image, step } of sideBySide(seeds, settings)) {
        if (!image) both = [[], []];
        const { index, s, x, x0, sigma } = step;
        if ($.has(kept[lane], index)) {
          both[0].push(shown(loaded[lane], x));
          both[1].push(s ? shown(loaded[lane], x0) : both[0][image]);
        }
        if (image < seeds.length - 1) {
          await work.count(this._kinds[lane], 1 / seeds.length);
          continue;
        }
        if (both[0].length) {
          $.set(this.frames[lane], index, both[0]);
          const deviation = typeof sigma === "number" ? sigma : sigma.reduce((a, b) => a + b, 0) / sigma.length;
          work.give({ kind: "frame", lane, k: index, sigma: deviation, x: uri(both[0]), x0: uri(both[1]) });
        }
        await work.count(this._kinds[lane], 1 / seeds.length);
      }
    }

    /** @param {any} result */
    shown(result) {
      return result === this ? this._plan() : result;
    }

    /** The name and the content of a file. @param {string} kind @param {any[]} about @returns {Promise<[string, BlobPart]>} */
    async save(kind, about) {
      const { settings, _stem, _csv, _moments } = $.module("ui.export.files");
      const frames = [...this.frames];
      const shots = frames.filter((lane) => lane.map.size);
      if (!shots.length) throw new Error("There is no picture yet: press Run");
      const text = settings(this, frames, about);
      const name = `${_stem(this, frames)}${SUFFIX[kind]}`;
      const count = this.request.count;
      if (kind === "csv") return [name, _csv(this, frames, text).decode()];
      if (kind === "png") {
        const last = shots.map((lane) => lane.get(Math.max(...lane.keys())));
        const cells = new Set(this.lanes.map((/** @type {any} */ { steps }) => steps)).size * count;
        const columns = this.lanes.length > 2 ? cells : last.length > 1 ? count : Math.ceil(Math.sqrt(count));
        return [name, /** @type {any} */ (await png(grid(last.flat(), columns), text))];
      }
      const moments = _moments(this, frames).map(([t, pictures]) => ({ t, lanes: pictures.items() }));
      if (kind === "strip") return [name, /** @type {any} */ (await png(this.#strip(moments), text))];
      return [name, /** @type {any} */ (gif(this.#film(moments), moments.length, text))];
    }

    #strip(moments) {
      const { thin } = $.module("ddpm_core.imaging");
      const few = thin(moments, 10);
      const rows = this.request.seeds.flatMap((_, n) => few[0].lanes.map(([lane]) => [n, lane]));
      const tiles = rows.flatMap(([n, lane]) => few.map(({ lanes }) => lanes.find(([one]) => one === lane)[1][n]));
      const scale = Math.ceil(1000 / (few.length * tiles[0].width));
      const names = this.lanes.length === 2 ? rows.map(([, lane]) => "AB"[lane]) : [];
      return labelled(
        grid(tiles, few.length, 0),
        scale,
        few.map(({ t }) => `t = ${t}`),
        names,
      );
    }

    *#film(moments) {
      const { names } = $.module("ui.runs.captions");
      const letters = this.lanes.length === 2 ? ["A: ", "B: "] : [""];
      const titles = names(this.lanes).map(
        (/** @type {string} */ name, /** @type {number} */ i) => `${letters[i] ?? ""}${name}`,
      );
      for (const { t, lanes } of moments) {
        const grids = lanes.map(([, pictures]) => grid(pictures, Math.ceil(Math.sqrt(pictures.length))));
        const whole = grid(grids, grids.length, 4);
        yield labelled(
          whole,
          Math.ceil(1000 / whole.width),
          lanes.map(([lane]) => `${titles[lane]}   t = ${t}`),
        );
      }
    }
  };
}

const SUFFIX = { png: ".png", gif: ".gif", strip: "-strip.png", csv: ".csv" };

/** The settings of one lane's runs for its model. @param {Model} model @param {any} given arguments of ddpm_core.trajectory */
export function told(model, given) {
  const { seeds, prompts, negative, ...rest } = settingsOf(given);
  const words = model.words ? { label: model.words(prompts ?? ""), negative: model.words(negative ?? "") } : {};
  return { ...rest, ...words, model };
}
