// Compute the lanes of Watch, Compare and Grid, which begin with the same x_T. ui/parts/sampling.py does the same on
// a server.

import { keptSteps } from "../plans/kept.js";
import { continued, kindOf } from "../plans/lanes.js";
import { cellSize } from "../plans/touch.js";
import { flat, toUint8 } from "../process/floats.js";
import { gaussian } from "../process/noise.js";
import { chain, inOrder, sideBySide } from "../process/runs.js";

/** @import { LaneFrame } from "../messages/protocol.d.ts" */
/** @import { Picture } from "../pictures/resize.js" */
/** @import { SamplingPlan } from "../plans/sampling.js" */
/** @import { Arguments } from "../plans/settings.js" */
/** @import { Touches } from "../plans/touch.js" */
/** @import { Step } from "../process/runs.js" */
/** @import { Word } from "../network/latent.js" */
/** @import { Chains, Computation, From, Loaded as Model, Seen, Work } from "./computation.d.ts" */

const MOMENTS = 25; // largest number of steps shown for a run in latent space
const SEEN = 16; // a pixel counts as different if two pictures differ there by more than this many grey levels
const STATES = 8e6; // largest size of a run's kept states, in bytes; if all states take more, none is kept, as in ui/parts/sampling.py

/** A kept step. frame: its pictures. x: the state of each image after the step, where another run can begin. @typedef {{ frame: LaneFrame, x: Float32Array[] }} KeptStep */
/** For each lane, the kept steps by their indices. @typedef {Map<number, KeptStep>[]} States */

/** Convert values in [−1, 1] into a picture. @param {Float32Array} x @param {number} channels @param {number} size @returns {Picture} */
export const picture = (x, channels, size) => {
  return { width: size, height: size, channels, data: toUint8(x, channels) };
};

/** Convert a state into the picture that the page shows. @param {Model} model @param {Float32Array} x @returns {Picture} */
export const shown = (model, x) =>
  model.decode
    ? picture(model.decode(x), model.pictureChannels, model.pictureSize)
    : picture(x, model.channels, model.size);

/** Return an approximation of a latent's decoded picture, with one pixel for each position of the latent. @param {Model} model @param {Float32Array} z @returns {Picture} */
function preview({ colours, size, channels }, z) {
  const [first, ...others] = (colours ?? []).toReversed();
  const n = size * size;
  const seen = Float32Array.from({ length: 3 * n }, (_, i) => {
    const colour = Math.floor(i / n);
    return others.reduce((sum, one, at) => sum + one[colour] * z[(channels - 1 - at) * n + (i % n)], first[colour]);
  });
  return picture(seen, 3, size);
}

/** Return the model of each lane. @param {SamplingPlan} plan @param {Model[]} models in the order of the plan's refs */
const modelsOf = ({ lanes, refs }, models) => lanes.map(({ checkpoint }) => models[refs.indexOf(checkpoint)]);

/** Return the words of a lane's prompt. @param {SamplingPlan} plan @param {Model} model @returns {Word[]} */
const wordsOf = ({ lanes }, { words }) => (lanes.length === 1 ? (words?.found(lanes[0].prompt) ?? []) : []);

/** Return for each lane the steps whose frames are shown. @param {SamplingPlan} plan @param {Model} model */
function shownSteps({ lanes, images, shared }, { decode, pictureSize: size, pictureChannels: channels }) {
  const kept = lanes.map(({ steps }) => keptSteps(steps, size, images, channels, decode ? MOMENTS : undefined));
  if (shared) for (const laneSteps of kept) laneSteps.add(shared - 1); // also show the last step that both lanes share: the visitor changes its state
  return kept;
}

/** Return whether a run keeps its states. Another run can then begin at one of them. @param {SamplingPlan} plan @param {Model} model @param {Set<number>[]} kept steps of each lane */
function keepsStates({ lanes, shared, opening, args }, { channels, size }, kept) {
  const images = args[0].seeds.length * kept.reduce((sum, steps) => sum + steps.size, 0);
  const isOne = lanes.length === 1 || shared > 0; // if lanes share steps, lane B is lane A with the visitor's change
  return isOne && !opening.untouchable && 4 * images * channels * size ** 2 <= STATES;
}

/**
 * Make the strands of a run. A strand computes one picture of one lane, or of both lanes if they share steps.
 * @param {SamplingPlan} plan @param {Model[]} models in the order of the plan's refs @param {number} _ phase @param
 * {Float32Array[][] | null} starts for each lane the first state of each image; null for x_T
 * @returns {Chains}
 */
function chains(plan, models, _, starts) {
  const { lanes, shared, begin, touches, args } = plan;
  const loaded = modelsOf(plan, models);
  const [first] = loaded;
  const kept = shownSteps(plan, first);
  const keeps = keepsStates(plan, first, kept);
  const settings = lanes.map((_, i) => ({
    ...conditioned(loaded[i], plan.args[i]),
    chain: chain(loaded[i], plan.args[i]), // all pictures of a lane share one chain
    ...(shared && i ? { touch: { shared, onStep: touching(touches, first) } } : {}),
  }));
  const words = plan.attention ? wordsOf(plan, first) : [];
  const seeds = args[0].seeds.map(BigInt);
  return (number) => {
    const inStrand = shared ? [...lanes.keys()] : [Math.floor(number / seeds.length)];
    return steps(inStrand, number % seeds.length);
  };

  /** Yield the steps of an image in the lanes of a strand. @param {number[]} inStrand lanes @param {number} image @returns {AsyncGenerator<Seen>} */
  async function* steps(inStrand, image) {
    const seed = seeds[image];
    let before = words.length ? gaussian(seed, 0, first.channels * first.size ** 2) : null;
    const running = inStrand.map((lane) => ({
      ...settings[lane],
      after: starts && { from: begin, x: [starts[lane][image]] },
    }));
    for await (const { lane: i, step } of sideBySide([seed], running)) {
      const lane = inStrand[i];
      const isKept = kept[lane].has(step.index);
      const attention = before && isKept ? seen(first, before, step.t, running[0].label, words) : undefined;
      if (before) before = step.x.slice();
      yield { ...seenOf(loaded[lane], step, isKept, keeps && isKept), attention };
    }
  }
}

/** Return the data of a step for the page: index, time, σ, and its pictures if `isKept`. @param {Model} model @param {Step} step @param {boolean} isKept @param {boolean} [withState] whether to add x as `state`; the last step always has it @returns {Seen} */
export function seenOf(model, { index, s, x, x0, sigma }, isKept, withState = false) {
  const state = !s || withState ? { state: x } : {};
  const seen = { index, s, sigma: typeof sigma === "number" ? sigma : mean(sigma), ...state };
  if (!isKept) return seen;
  const picture = shown(model, x);
  const latents = model.decode ? { z: preview(model, x), z0: preview(model, x0) } : {};
  return { ...seen, x: picture, x0: s ? shown(model, x0) : picture, ...latents };
}

/** Return the plan of the steps after a state of an earlier run, or null if the earlier run kept no states. @param {SamplingPlan} plan @param {From} from */
function after(plan, { s, states }) {
  const begin = plan.rows[0].findIndex((row) => row[1] === s) + 1;
  const isKept = /** @type {States | null} */ (states)?.every((lane) => lane.has(begin - 1));
  return begin && isKept ? continued(plan, begin) : null;
}

/** @param {SamplingPlan} plan @param {Model[]} models of its refs @param {Work} work */
async function compute(plan, models, work) {
  const { lanes, rows, shared, begin } = plan;
  /** @type {{ frames: Map<number, Picture[]>[], x0: Map<number, Float32Array> }} */
  const { frames, x0: finished } = work.recording;
  const loaded = modelsOf(plan, models);
  const kept = shownSteps(plan, loaded[0]);
  /** @type {States | null} */
  const states = keepsStates(plan, loaded[0], kept) ? lanes.map(() => new Map()) : null;
  work.states = states;
  /** @type {(frame: LaneFrame, x: Float32Array[]) => void} */
  const add = (frame, x) => {
    const { lane, k } = frame;
    const pictures = /** @type {Picture[]} */ (frame.x);
    const others = shared && lane ? frames[0].get(k) : null;
    if (others) frame = { ...frame, apart: pictures.map((one, i) => apart(others[i], one)) };
    frames[lane].set(k, pictures);
    states?.[lane].set(k, { frame, x });
    work.addResult(frame);
  };
  const odd = lanes.flatMap(({ prompt }, i) => loaded[i].words?.unknown(prompt) ?? []);
  const words = wordsOf(plan, loaded[0]).map(([word]) => word);
  work.addResult({ kind: "plan", words, unknown: [...new Set(odd)] });
  const earlier = begin ? lanes.map((_, lane) => work.from?.states[lane] ?? work.from?.states[0]) : null;
  for (const [lane, steps] of /** @type {States} */ (earlier ?? []).entries())
    for (const [k, { frame, x }] of steps) {
      const { attention: _, apart: __, ...own } = frame;
      if (k < begin && kept[lane].has(k)) add({ ...own, lane }, x);
    }
  const [{ count }] = lanes;
  const strands = work.share(0, earlier?.map((steps) => steps.get(begin - 1).x) ?? null);
  /** @type {Seen[]} of each image */
  let frame = [];
  const next = (/** @type {number} */ lane, /** @type {number} */ image) =>
    strands.next(shared ? image : lane * count + image);
  const times = rows.map((row) => row[begin][0]);
  for await (const { lane, image, step } of inOrder(times, count, next)) {
    if (!image) frame = [];
    frame.push(step);
    const { index, s } = step;
    if (image === count - 1) {
      const x = frame.flatMap(({ state }) => state ?? []);
      if (!s) finished.set(lane, flat(x));
      if (step.x) add(frameOf(lane, frame), x);
    }
    const kind = kindOf(plan, lane, index);
    if (kind) await work.count(kind, 1 / count, step.seconds);
  }
}

/** Return the frame of a step, for all images. @param {number} lane @param {Seen[]} steps of each image @returns {LaneFrame} */
function frameOf(lane, steps) {
  const { index: k, sigma } = steps[steps.length - 1];
  const latents = { z: picturesOf(steps, "z"), z0: picturesOf(steps, "z0") };
  const attention = picturesOf(steps, "attention");
  return {
    ...{ kind: "frame", lane, k, sigma, x: picturesOf(steps, "x"), x0: picturesOf(steps, "x0") },
    ...(latents.z.length ? { ...latents, decoded: true } : {}),
    ...(attention.length ? { attention } : {}),
  };
}

/** Return the pictures of one kind from all steps, or an empty list if the steps have no such pictures. @param {Seen[]} steps @param {"x" | "x0" | "z" | "z0" | "attention"} kind */
export const picturesOf = (steps, kind) => steps.flatMap((step) => step[kind] ?? []);

/** Return the mean. @param {Float32Array} numbers */
const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

/**
 * Return the function that applies the visitor's changes to a step's x, with the float32 arithmetic of `touch` in
 * ui/runs/touch.py.
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

/** Return the mean difference of two pictures, in grey levels, and the share of pixels that differ by more than SEEN. @param {Picture} a @param {Picture} b @returns {[number, number]} */
function apart({ data: a, channels }, { data: b }) {
  const gaps = Array.from(a, (value, i) => Math.abs(value - b[i]));
  const seen = gaps.map((_, i) => (i % channels ? 0 : Number(Math.max(...gaps.slice(i, i + channels)) > SEEN)));
  const sum = (/** @type {number[]} */ all) => all.reduce((one, other) => one + other, 0);
  return [sum(gaps) / a.length, (sum(seen) * channels) / a.length];
}

/**
 * Return the attention to each word as one grey picture: a map for each word, one below the other. The largest value of
 * a map is white.
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

/** Return the settings of a lane's runs, with its model and encoded prompts. @param {Model} model @param {Omit<Arguments, "seeds">} given */
export function conditioned(model, { labels, prompts = "", negative = "", ...rest }) {
  const { words } = model;
  const condition = words ? { label: words(prompts), negative: words(negative) } : { label: labels };
  return { ...rest, ...condition, model };
}

/** @type {Computation} */
export const lanes = {
  record: ({ lanes }) => ({ frames: lanes.map(() => new Map()), x0: new Map() }),
  ...{ chains, after, compute },
};
