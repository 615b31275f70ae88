// Surgery on a lane's network: record the outputs of blocks in each step, cut parts of the network, and
// replace a block's output by the output in another lane.

import { UserError } from "../process/errors.js";
import { chain } from "../process/runs.js";

/** @import { NetworkBlock } from "../messages/protocol.d.ts" */
/** @import { Probe, Tap } from "../process/predict.js" */
/** @import { Seed } from "../process/noise.js" */
/** @import { Process } from "../process/predict.js" */
/** @import { Settings, Touch } from "../process/runs.js" */
/** @import { Config } from "./unet.js" */
/** @typedef {Omit<NetworkBlock, "name">} Block */

/**
 * The records and changes in a lane's network: JSON, the same for every engine. Names are those of `Inside` in
 * ddpm_core/engines/blocks.py. taps: blocks to record ("down 1", …, "middle", "up 1", …). look: a place, from 0 to
 * below 1 of each side, whose self-attention is recorded. cut: blocks, skips ("skips 7"), "attention", "condition" or
 * "time" to switch off. graft: a block whose output comes from an earlier lane with the same times, at the same step
 * and time. steps: a change begins with step `from`, counted from 0, and ends before step `to`; by default, a change
 * applies in all steps. A change applies at each t above the end s of its last step and below the t of the step
 * before its first step, because samplers may evaluate between the times of steps. A block that is cut and grafted
 * becomes 0.
 * @typedef {{
 *   taps?: string[],
 *   look?: [down: number, right: number] | null,
 *   cut?: { name: string, steps?: [from: number, to: number] }[],
 *   graft?: { name: string, lane: number, steps?: [from: number, to: number] }[],
 * }} Surgery
 * @typedef {Omit<Settings, "seed"> & { model: Process, touch?: Touch | null, surgery?: Surgery | null }} Lane
 */

/**
 * List the blocks of a network by name, in the order in which x passes them, and the names of the skips, the coarsest
 * first: "skips 7" carries images of 7 × 7. `Inside` in ddpm_core/engines/blocks.py has the same names.
 * @param {Config} config checked @returns {{ blocks: Record<string, Block>, skips: string[] }}
 */
export function insideOf(config) {
  const { block_out_channels: widths, layers_per_block: count, _class_name: kind } = config;
  const deepest = widths.length - 1;
  const side = (/** @type {number} */ level) => config.sample_size / 2 ** level;
  /** Describe a block. @param {number} level 0 is the finest @param {number} resnets number of residual blocks @param {number} attentions number of attention layers @returns {Block} */
  function block(level, resnets, attentions) {
    const counts = Object.entries({ resnet: resnets, attention: attentions }).filter(([, n]) => n);
    const parts = counts.map(([layer, n]) => `${n} ${layer}${n > 1 ? "s" : ""}`);
    return { shape: [widths[level], side(level), side(level)], parts: parts.join(", "), attentions };
  }
  const attends = (/** @type {string} */ type) => Number(type.includes("Attn"));
  /** @type {Record<string, Block>} */
  const blocks = {};
  for (const [i, type] of config.down_block_types.entries())
    blocks[`down ${i + 1}`] = block(i, count, count * attends(type));
  const middle = config.mid_block_type;
  if (middle) blocks.middle = block(deepest, 2, Number(kind === "UNet2DConditionModel" || config.add_attention));
  for (const [i, type] of config.up_block_types.entries())
    blocks[`up ${i + 1}`] = block(deepest - i, count + 1, (count + 1) * attends(type));
  const skips = widths.map((/** @type {number} */ _, /** @type {number} */ i) => `skips ${side(deepest - i)}`);
  return { blocks, skips };
}

/**
 * Prepare the surgery of lanes, and return the lanes for `sideBySide` and functions that read their newest records.
 * taps(lane, seed): the blocks' outputs by name, in the evaluation with the condition; with guidance, also in that
 * without. looks(lane, seed): the attention of the place `look`, with the condition. time(lane, seed): the t of these
 * records. Throws a UserError for a surgery that does not fit its lane. If a step evaluates more than once, as with
 * corrections, its last evaluation is recorded, and a graft takes the last evaluation at its time. With guidance, the
 * evaluations with and without the condition each take their graft from the other lane's evaluation of the same kind,
 * or from its only one.
 * @template {Lane} L @param {L[]} lanes
 */
export function openLanes(lanes) {
  for (const [number, { surgery }] of lanes.entries()) if (surgery) checkSurgery(lanes, number, surgery);
  /**
   * The probes of each lane's newest step, by seed and by the time of the evaluation. last: the newest of these times.
   * @type {Map<Seed, { index: number, last: number, at: Map<number, Probe[]> }>[]}
   */
  const newest = lanes.map(() => new Map());
  /** Return the probes of the newest evaluation. @param {number} lane @param {Seed} seed @returns {Probe[]} */
  const shownOf = (lane, seed) => {
    const seen = newest[lane].get(seed);
    return seen?.at.get(seen.last) ?? [];
  };
  const operated = lanes.map((lane, number) => {
    const { taps = [], look = null, cut = [], graft = [] } = lane.surgery ?? {};
    const given = lanes.flatMap(({ surgery }) => surgery?.graft ?? []).filter((one) => one.lane === number);
    const shown = [...taps, ...given.map(({ name }) => name)];
    if (!look && ![...shown, ...cut, ...graft].length) return lane;
    const { pairs } = chain(lane.model, lane);
    const probes = (/** @type {number} */ index, /** @type {Seed} */ seed, /** @type {number} */ t) => {
      /** Return whether a change applies at t. @type {(one: { steps?: [number, number] }) => boolean} */
      const isOn = ({ steps: [from, to] = [0, pairs.length] }) =>
        t > pairs[to - 1][1] && t < (pairs[from - 1]?.[0] ?? Number.POSITIVE_INFINITY);
      const given = (/** @type {number} */ lane) => newest[lane].get(seed)?.at.get(t) ?? shownOf(lane, seed);
      const found = [0, 1].map((which) => ({
        taps: new Map(shown.map((name) => [name, /** @type {Tap | null} */ (null)])),
        cut: new Set(cut.filter(isOn).map(({ name }) => name)),
        graft: new Map(graft.filter(isOn).map(({ name, lane }) => [name, blockOf(given(lane), which, name)])),
        ...(look ? { look: { place: look, maps: [] } } : {}),
      }));
      const before = newest[number].get(seed);
      const at = before?.index === index ? before.at : new Map();
      newest[number].set(seed, { index, last: t, at: at.set(t, found) });
      return found;
    };
    return { ...lane, probes };
  });
  return {
    lanes: operated,
    /** Return a map for each evaluation: the outputs of the blocks, by the blocks' names. @param {number} lane @param {Seed} seed @returns {Map<string, Tap>[]} */
    taps(lane, seed) {
      const found = shownOf(lane, seed).map(({ taps }) => /** @type {Map<string, Tap>} */ (taps));
      return found.filter((taps) => taps.size && [...taps.values()].every(Boolean));
    },
    /** Return the attention maps of the place `look`. @param {number} lane @param {Seed} seed */
    looks: (lane, seed) => shownOf(lane, seed)[0]?.look?.maps ?? [],
    /** Return the time of the newest evaluation. @param {number} lane @param {Seed} seed */
    time: (lane, seed) => newest[lane].get(seed)?.last ?? 0,
  };
}

/** Return the recorded output of a block in a step: in evaluation `which`, or in the only evaluation. @param {Probe[] | undefined} probes @param {number} which @param {string} name */
function blockOf(probes, which, name) {
  const tap = probes?.[which].taps?.get(name) ?? probes?.[0].taps?.get(name);
  return /** @type {Tap} */ (tap).data;
}

/** Throw a UserError if a surgery is impossible in its lane. @param {Lane[]} lanes @param {number} number of the lane @param {Surgery} surgery */
function checkSurgery(lanes, number, { taps = [], look = null, cut = [], graft = [] }) {
  const { model, touch } = lanes[number];
  const at = (/** @type {number} */ lane) => {
    const { config } = lanes[lane].model;
    if (config) return insideOf(config);
    throw new UserError("the network of this model can't be opened");
  };
  const { blocks, skips } = at(number);
  if (touch) throw new UserError("a run that is touched can't be opened: leave out one of both");
  if (look && !Object.values(blocks).some(({ attentions }) => attentions))
    throw new UserError("this network has no self-attention: choose another model, or leave out the place");
  const all = [...Object.keys(blocks), ...skips, "attention", "condition", "time"];
  const names = [...taps, ...graft.map(({ name }) => name)];
  for (const [known, asked] of /** @type {const} */ ([
    [Object.keys(blocks), names],
    [all, cut.map(({ name }) => name)],
  ])) {
    const unknown = asked.find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw new UserError(`there is no '${unknown}' in this network: choose from ${known.join(", ")}`);
  }
  if (model.nullLabel === null && !model.words && cut.some(({ name }) => name === "condition"))
    throw new UserError("this model has no condition that could be changed");
  const times = (/** @type {number} */ lane) => chain(lanes[lane].model, lanes[lane]).pairs;
  const n = times(number).length;
  for (const { name, steps = [0, n] } of [...cut, ...graft]) {
    const [from, to] = steps;
    if (steps.length === 2 && steps.every(Number.isInteger) && from >= 0 && from < to && to <= n) continue;
    throw new UserError(`steps of '${name}' must be two whole numbers, the first below the second, from 0 to ${n}`);
  }
  for (const { name, lane } of graft) {
    if (!Number.isInteger(lane) || lane < 0 || lane >= number)
      throw new UserError(`'${name}' can come only from a lane before this one`);
    if (`${times(lane)}` !== `${times(number)}` || lanes[lane].touch)
      throw new UserError(`'${name}' can come only from a lane that visits the same times`);
    if (`${at(lane).blocks[name]?.shape}` !== `${blocks[name].shape}`)
      throw new UserError(`'${name}' can come only from a network that has this block with the same shape`);
  }
}
