// Watch, Compare and Grid: lanes from one x_T, as ui/parts/sampling.py computes them.

import { grid, uri } from "../../files/pictures.js";
import { noise } from "../../player/pixels.js";
import { settingsOf } from "../lab.js";
import { toUint8 } from "../process/floats.js";
import { gaussian } from "../process/noise.js";
import { sideBySide } from "../process/runs.js";
import { $, Dict } from "../python.js";

/** @import { Loaded as Model } from "../lab.js" */
/** @import { Picture } from "../../files/pictures.js" */

/** @param {Float32Array} x of [−1, 1] @param {number} channels @param {number} size @returns {Picture} */
export const picture = (x, channels, size) => {
  return { width: size, height: size, channels, data: toUint8(x, channels) };
};

/** What a model shows of a state. @param {Model} model @param {Float32Array} x @returns {Picture} */
export const shown = (model, x) =>
  model.decode
    ? picture(model.decode(x), model.pictureChannels, model.pictureSize)
    : picture(x, model.channels, model.size);

/** What a model's decoder makes of a latent, about: a pixel for each number a side. @param {Model} model @param {Float32Array} z @returns {Picture} */
function preview({ colours, size, channels }, z) {
  const [first, ...others] = (colours ?? []).toReversed();
  const n = size * size;
  const seen = Float32Array.from({ length: 3 * n }, (_, i) => {
    const colour = Math.floor(i / n);
    return others.reduce((sum, one, at) => sum + one[colour] * z[(channels - 1 - at) * n + (i % n)], first[colour]);
  });
  return picture(seen, 3, size);
}

const SEEN = 16; // as in ui/parts/sampling.py

/** @param {import("../lab.js").Lab} lab */
export function sampling(lab) {
  const { Sampling, SamplingPart, MOMENTS } = $.module("ui.parts.sampling");
  const { kept_steps } = $.module("ui.pictures.uploads");
  const Recording = recording(lab);
  SamplingPart.prototype.computation = class extends Sampling {
    recording = Recording;

    /** @param {any} plan @param {Model[]} models @param {import("../jobs.js").Run} work */
    async compute(plan, models, work) {
      const { refs, images } = this;
      const { lanes } = plan;
      const loaded = lanes.map((/** @type {any} */ lane) => models[refs.indexOf(lane.checkpoint)]);
      const { decode, pictureSize: size, pictureChannels: channels } = loaded[0];
      const most = decode ? MOMENTS : 1e6;
      const kept = lanes.map((/** @type {any} */ { steps }) => kept_steps(steps, size, images, channels, most));
      const settings = lanes.map((/** @type {any} */ _, /** @type {number} */ i) => told(loaded[i], plan.arguments[i]));
      const { unknown } = $.module("ui.runs.captions");
      const odd = lanes.flatMap((/** @type {any} */ { prompt }, /** @type {number} */ i) =>
        loaded[i].words ? loaded[i].words.unknown(prompt) : [],
      );
      /** @type {import("../network/text.js").Word[]} */
      const words = lanes.length === 1 ? (loaded[0].words?.found(lanes[0].prompt) ?? []) : [];
      if (plan.shared) {
        for (const one of kept) one.set(plan.shared - 1, plan.shared - 1);
        settings[1].touch = { shared: plan.shared, onStep: touching(plan.touches, loaded[0]) };
      }
      work.give(
        plan.shown(
          words.map(([word]) => word),
          unknown([...new Set(odd)]),
        ),
      );
      const seeds = Array.from(this.request.seeds, BigInt);
      const maps = plan.attention && words.length > 0;
      const before = maps ? seeds.map((seed) => gaussian(seed, 0, loaded[0].channels * loaded[0].size ** 2)) : [];
      /** @type {Picture[][]} */
      let both = [];
      for await (const { lane, image, step } of sideBySide(seeds, settings)) {
        if (!image) both = [[], [], [], [], []];
        const { index, t, s, x, x0, sigma } = step;
        if (!s) $.set(work.recording.x_0, lane, [...work.recording.x_0.get(lane, []), x]);
        if (maps && $.has(kept[lane], index)) both[4].push(seen(loaded[0], before[image], t, settings[0].label, words));
        if (maps) before[image] = x.slice();
        if ($.has(kept[lane], index)) {
          both[0].push(shown(loaded[lane], x));
          both[1].push(s ? shown(loaded[lane], x0) : both[0][image]);
          if (decode) both[2].push(preview(loaded[lane], x));
          if (decode) both[3].push(preview(loaded[lane], x0));
        }
        const kind = plan.kind_of(lane, index);
        if (image < seeds.length - 1) {
          if (kind) await work.count(kind, 1 / seeds.length);
          continue;
        }
        if (both[0].length) {
          $.set(work.recording.frames[lane], index, both[0]);
          const deviation = typeof sigma === "number" ? sigma : sigma.reduce((a, b) => a + b, 0) / sigma.length;
          const [pictures, guesses, latents, previews, looks] = both;
          const more = decode ? { z: uri(latents), z0: uri(previews), decoded: true } : {};
          if (maps) Object.assign(more, { attention: uri(looks) });
          const other = plan.shared && lane ? work.recording.frames[0].get(index) : null;
          if (other) Object.assign(more, { apart: pictures.map((one, i) => apart(other[i], one)) });
          work.give({ kind: "frame", lane, k: index, sigma: deviation, x: uri(pictures), x0: uri(guesses), ...more });
        }
        if (kind) await work.count(kind, 1 / seeds.length);
      }
    }
  };
  return new SamplingPart(lab);
}

/**
 * What a touch makes of a step's x: `touch` of ui/runs/touch.py, in its float32.
 * @param {any} touches of the plan @param {Model} model @returns {import("../process/runs.js").Touch["onStep"]}
 */
function touching(touches, { size }) {
  const { cell_size } = $.module("ui.runs.touch");
  const cell = cell_size({ image_size: size });
  const f = Math.fround;
  return ({ s, x, x0 }, seed) => {
    if (!touches.has(s)) return x;
    const [signal, strokes] = touches.get(s);
    const [changed, z] = [x.slice(), gaussian(seed, 2 ** 32 + s, x.length)];
    for (const [what, strength, cells] of strokes)
      for (const [column, row] of cells)
        for (let i = 0; i < x.length; i++) {
          const [channel, place] = [Math.floor(i / size ** 2), i % size ** 2];
          if (Math.floor((place % size) / cell) !== column || Math.floor(place / size / cell) !== row) continue;
          const goal = what === "clean" ? f(f(signal) * x0[i]) : f(what[channel]);
          const by = what === "noise" ? z[i] : f(goal - changed[i]);
          changed[i] += f(f(strength) * by);
        }
    return changed;
  };
}

/** `_apart` of ui/parts/sampling.py. @param {Picture} a @param {Picture} b @returns {[number, number]} */
function apart({ data: a, channels }, { data: b }) {
  const gaps = Array.from(a, (value, i) => Math.abs(value - b[i]));
  const seen = gaps.map((_, i) => (i % channels ? 0 : Number(Math.max(...gaps.slice(i, i + channels)) > SEEN)));
  const sum = (/** @type {number[]} */ all) => all.reduce((one, other) => one + other, 0);
  return [sum(gaps) / a.length, (sum(seen) * channels) / a.length];
}

/** What can be saved of it. @param {import("../lab.js").Lab} lab @returns {any} */
function recording(lab) {
  const { SamplingRecording } = $.module("ui.parts.sampling");
  return class extends SamplingRecording {
    /** The name and the content of a file. @param {string} kind @param {any[]} about @returns {Promise<[string, BlobPart]>} */
    async save(kind, about) {
      await lab.more();
      const { settings, _stem, _table, _titles, _moments } = $.module("ui.export.files");
      const { ANIMATED } = await import("../../files/animations.js");
      const { film, strip } = await import("../../files/labels.js");
      const { png } = await import("../../files/png.js");
      const { thin } = await import("../../files/record.js");
      const { zip } = await import("../../files/zip.js");
      const { lanes, request, rows } = this.plan;
      /** @type {import("../python.js").Dict[]} */
      const frames = [...this.frames];
      /** @type {Picture[][]} */
      const last = frames.filter(({ map }) => map.size).map((lane) => lane.get(Math.max(...lane.keys())));
      if (!last.length) throw new Error("There is no picture yet: press Run");
      const text = settings(this, frames, about);
      const name = `${_stem(this, frames)}${SUFFIX[kind]}`;
      const { count } = request;
      if (kind === "csv") return [name, _table(this, measured(rows, frames))];
      if (kind === "png") {
        const cells = new Set(lanes.map((/** @type {any} */ { steps }) => steps)).size * count;
        const columns = lanes.length > 2 ? cells : last.length > 1 ? count : Math.ceil(Math.sqrt(count));
        return [name, await png(grid(last.flat(), columns), text)];
      }
      if (kind === "zip") return [name, zip(await this.#everything(text, _table(this, measured(rows, frames))))];
      /** @type {[number, any][]} */
      const found = _moments(this, frames);
      const all = found.map(([t, pictures]) => ({
        t,
        lanes: /** @type {Map<number, Picture[]>} */ (new Map(pictures.items())),
      }));
      const moments = thin(all, MOST);
      const titles = _titles(this);
      if (kind === "strip") return [name, await png(strip(thin(moments, 10), lanes.length === 2 ? titles : []), text)];
      return [name, await ANIMATED[kind](film(moments, titles), moments.length, text)];
    }

    /** The files of a ZIP. @param {string} about @param {string} table @returns {Promise<[string, Uint8Array][]>} */
    async #everything(about, table) {
      const { utf8 } = await import("../../files/bytes.js");
      const { png } = await import("../../files/png.js");
      const { npy } = await import("../../files/zip.js");
      const { lanes, rows, models, request } = this.plan;
      const shape = [models[0].channels, models[0].image_size, models[0].image_size];
      const seeds = [...request.seeds];
      const n = shape[0] * shape[1] * shape[2];
      const noise = seeds.map((seed) => gaussian(BigInt(seed), 0, n));
      /** @type {[string, Uint8Array][]} */
      const files = [
        ["settings.json", utf8(about)],
        ["steps.csv", utf8(table)],
        ["x_T.npy", npy(noise, shape)],
      ];
      const { copied, python } = $.module("ui.export.scripts");
      if (lanes.length < 3) files.push(["run.py", utf8(copied(python, lanes, models))]);
      for (const lane of lanes.keys()) {
        const cell = `cell-${String(lane).padStart(2, "0")}/`;
        const folder = lanes.length === 1 ? "" : lanes.length === 2 ? `lane-${"ab"[lane]}/` : cell;
        if (this.x_0.get(lane)?.length === seeds.length)
          files.push([`${folder}x_0.npy`, npy(this.x_0.get(lane), shape)]); // a run that was stopped has none
        for (const [k, pictures] of this.frames[lane].items())
          for (const [i, picture] of pictures.entries())
            files.push([
              `${folder}seed-${seeds[i]}/x_${String(rows[lane][k][1]).padStart(4, "0")}.png`,
              await png(picture),
            ]);
      }
      return files;
    }
  };
}

/** @param {number[]} numbers */
const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

/**
 * The grain and the distance of each lane by step, as `_results` of ui/export/files.py has them.
 * @param {[number, number][][]} rows t and s of each step @param {Dict[]} frames
 */
function measured(rows, frames) {
  const first = new Map(frames[0].items().map(([k, pictures]) => [rows[0][k][1], pictures]));
  return frames.map((lane, number) => {
    const found = lane.items().map(([k, kept]) => {
      /** @type {Picture[]} */
      const pictures = kept;
      const grain = mean(pictures.map(({ data, width, channels }) => noise(data, width, channels)));
      /** @type {Picture[] | undefined} */
      const others = number ? first.get(rows[number][k][1]) : undefined;
      const apart = others?.flatMap(({ data }, n) => Array.from(data, (one, i) => (one - pictures[n].data[i]) ** 2));
      return /** @type {[number, any]} */ ([k, [grain, apart ? Math.sqrt(mean(apart)) : null]]);
    });
    return new Dict(found);
  });
}

/**
 * Where each word is looked at, one map below the other, each as bright as it gets.
 * @param {Model} model @param {Float32Array} x x_t @param {number} t @param {any} states @param {[string, number[]][]} words
 * @returns {Picture}
 */
function seen(model, x, t, states, words) {
  const { size, attention } = model;
  const n = size * size;
  const maps = attention?.(x, t - 1, states) ?? new Float32Array();
  const data = words.flatMap(([, tokens]) => {
    const map = Array.from({ length: n }, (_, i) => tokens.reduce((sum, token) => sum + maps[token * n + i], 0));
    const most = Math.max(...map);
    return map.map((value) => Math.round((255 * value) / most));
  });
  return { width: size, height: size * words.length, channels: 1, data: Uint8Array.from(data) };
}

/** @type {Record<string, string>} */
const SUFFIX = { png: ".png", gif: ".gif", webp: ".webp", strip: "-strip.png", csv: ".csv", zip: ".zip" };
const MOST = 200; // pictures of an animation

/** The settings of one lane's runs for its model. @param {Model} model @param {any} given arguments of ddpm_core.trajectory */
export function told(model, given) {
  const { seeds, prompts, negative, ...rest } = settingsOf(given);
  const words = model.words ? { label: model.words(prompts ?? ""), negative: model.words(negative ?? "") } : {};
  return { ...rest, ...words, model };
}
