// Watch, Compare and Grid: lanes from one x_T, as ui/parts/sampling.py computes them.

import { compare, grid, watch } from "../../plans/sampling.js";
import { seedsOf } from "../../plans/settings.js";
import { cellSize } from "../../plans/touch.js";
import { keptSteps } from "../pictures/kept.js";
import { flat, toUint8 } from "../process/floats.js";
import { gaussian } from "../process/noise.js";
import { sideBySide } from "../process/runs.js";

/** @import { Picture } from "../../files/pictures.js" */
/** @import { Planner } from "../../plans/plan.js" */
/** @import { SamplingPlan } from "../../plans/sampling.js" */
/** @import { Arguments } from "../../plans/settings.js" */
/** @import { Touches } from "../../plans/touch.js" */
/** @import { Run } from "../jobs.js" */
/** @import { Loaded as Model } from "../checkpoints.js" */
/** @import { Word } from "../network/text.js" */
/** @import { Part } from "./index.js" */

const MOMENTS = 25; // of a run of latents, which are shown
const SEEN = 16; // grey levels of a pixel by which two pictures differ
/** @type {Record<string, Planner<SamplingPlan>>} */
const PLANNERS = { watch, compare, grid };

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
export function preview({ colours, size, channels }, z) {
  const [first, ...others] = (colours ?? []).toReversed();
  const n = size * size;
  const seen = Float32Array.from({ length: 3 * n }, (_, i) => {
    const colour = Math.floor(i / n);
    return others.reduce((sum, one, at) => sum + one[colour] * z[(channels - 1 - at) * n + (i % n)], first[colour]);
  });
  return picture(seen, 3, size);
}

/** @type {Part} */
export const sampling = {
  computation: (part) => ({
    planner: PLANNERS[part],
    record: ({ lanes }) => ({ frames: lanes.map(() => new Map()), x0: new Map() }),
    compute,
  }),
};

/** @param {SamplingPlan} plan @param {Model[]} models of its refs @param {Run} work */
async function compute(plan, models, work) {
  const { lanes, refs, images, shared, touches } = plan;
  /** @type {{ frames: Map<number, Picture[]>[], x0: Map<number, Float32Array> }} */
  const { frames, x0: finished } = work.recording;
  const loaded = lanes.map(({ checkpoint }) => models[refs.indexOf(checkpoint)]);
  const [first] = loaded;
  const { decode, pictureSize: size, pictureChannels: channels } = first;
  const kept = lanes.map(({ steps }) => keptSteps(steps, size, images, channels, decode ? MOMENTS : undefined));
  if (shared) for (const one of kept) one.add(shared - 1); // where it is touched, too
  const settings = lanes.map((_, i) => ({
    ...conditioned(loaded[i], plan.args[i]),
    ...(shared && i ? { touch: { shared, onStep: touching(touches, first) } } : {}),
  }));
  const odd = lanes.flatMap(({ prompt }, i) => loaded[i].words?.unknown(prompt) ?? []);
  /** @type {Word[]} */
  const words = lanes.length === 1 ? (first.words?.found(lanes[0].prompt) ?? []) : [];
  work.give({ kind: "plan", words: words.map(([word]) => word), unknown: [...new Set(odd)] });
  const seeds = seedsOf(lanes[0]).map(BigInt);
  const maps = plan.attention && words.length > 0;
  const before = maps ? seeds.map((seed) => gaussian(seed, 0, first.channels * first.size ** 2)) : [];
  let frame = noFrame();
  for await (const { lane, image, step } of sideBySide(seeds, settings)) {
    if (!image) frame = noFrame();
    const { index, t, s, x, x0, sigma } = step;
    if (!s) frame.ends.push(x);
    if (!s && image === seeds.length - 1) finished.set(lane, flat(frame.ends));
    const isKept = kept[lane].has(index);
    if (maps && isKept) frame.looks.push(seen(first, before[image], t, settings[0].label, words));
    if (maps) before[image] = x.slice();
    if (isKept) {
      frame.pictures.push(shown(loaded[lane], x));
      frame.guesses.push(s ? shown(loaded[lane], x0) : frame.pictures[image]);
      if (decode) frame.latents.push(preview(loaded[lane], x));
      if (decode) frame.previews.push(preview(loaded[lane], x0));
    }
    if (isKept && image === seeds.length - 1) {
      const { pictures, guesses, latents, previews, looks } = frame;
      frames[lane].set(index, pictures);
      const others = shared && lane ? frames[0].get(index) : null;
      work.give({
        ...{ kind: "frame", lane, k: index, sigma: typeof sigma === "number" ? sigma : mean(sigma) },
        ...{ x: pictures, x0: guesses },
        ...(decode ? { z: latents, z0: previews, decoded: true } : {}),
        ...(maps ? { attention: looks } : {}),
        ...(others ? { apart: pictures.map((one, i) => apart(others[i], one)) } : {}),
      });
    }
    const kind = plan.kindOf(lane, index);
    if (kind) await work.count(kind, 1 / seeds.length);
  }
}

/** Of a kept step, each image's; ends: its x_0. */
const noFrame = () => {
  /** @type {Record<"pictures" | "guesses" | "latents" | "previews" | "looks", Picture[]>} */
  const pictures = { pictures: [], guesses: [], latents: [], previews: [], looks: [] };
  return { ...pictures, ends: /** @type {Float32Array[]} */ ([]) };
};

/** @param {Float32Array} numbers */
const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

/**
 * What a touch makes of a step's x: `touch` of ui/runs/touch.py, in its float32.
 * @param {Touches} touches of the plan @param {Model} model @returns {import("../process/runs.js").Touch["onStep"]}
 */
function touching(touches, { size }) {
  const cell = cellSize(size);
  const f = Math.fround;
  return ({ s, x, x0 }, seed) => {
    const [signal, strokes] = touches.get(s) ?? [0, []];
    if (!strokes.length) return x;
    const [changed, z] = [x.slice(), gaussian(seed, 2 ** 32 + s, x.length)];
    for (const [what, strength, cells] of strokes)
      for (const [column, row] of cells)
        for (let i = 0; i < x.length; i++) {
          const [channel, place] = [Math.floor(i / size ** 2), i % size ** 2];
          if (Math.floor((place % size) / cell) !== column || Math.floor(place / size / cell) !== row) continue;
          const goal = what === "clean" ? f(f(signal) * x0[i]) : f(Number(what[channel]));
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

/** The settings of one lane's runs for its model. @param {Model} model @param {Omit<Arguments, "seeds">} given */
export function conditioned(model, { labels, prompts = "", negative = "", ...rest }) {
  const { words } = model;
  const condition = words ? { label: words(prompts), negative: words(negative) } : { label: labels };
  return { ...rest, ...condition, model };
}
