// What was erased, as ui/parts/repair.py computes it: by replacement, RePaint and DDNM.
import { uri } from "../../files/pictures.js";
import { fromUint8 } from "../process/floats.js";
import { blur, downsample, grey, mask, restore } from "../process/restore.js";
import { $, ValueError } from "../python.js";
import { chainOf, spread, variances, withPictures, withRows } from "./rows.js";

/** @import { Run } from "../jobs.js" */
/** @import { Lab, Loaded as Model } from "../lab.js" */
/** @import { Picture } from "../../files/pictures.js" */
/** @import { Measurement } from "../process/restore.js" */

/** What the translated module takes from ddpm_core. @param {Lab} lab */
function natives(lab) {
  const method = (/** @type {number} */ rounds, changes = true) => {
    return { rounds, check: (/** @type {any} */ { steps }) => changes && steps.check_no_memory() };
  };
  const absent = {
    check() {
      throw new ValueError(lab.knowledge.answers.installed.gradients);
    },
  };
  const METHODS = { ddnm: method(1, false), replacement: method(1), repaint: method(10), pigdm: absent, dps: absent };
  $.native("ddpm_core.restore", {
    Task: class {
      constructor(/** @type {unknown} */ _measurement, /** @type {unknown} */ _y, /** @type {any} */ steps) {
        this.steps = steps;
      }
    },
    METHODS: $.dict(Object.entries(METHODS)),
    mask: (/** @type {any} */ known) => () => mask(known.data),
    grey: (/** @type {any} */ named) => () => grey(named.values.channels),
    downsample: (/** @type {number} */ factor) => (/** @type {number} */ size) => downsample(factor, size),
    gaussian_kernel: (/** @type {number} */ deviation) => deviation,
    blur: (/** @type {number} */ deviation) => (/** @type {number} */ size) => blur(deviation, size),
  });
}

/** @param {Lab} lab */
export function repair(lab) {
  natives(lab);
  const { RepairRun, RepairPart, METHODS } = $.module("ui.parts.repair");
  class Computed extends withRows(RepairRun) {
    /** @param {any} plan @param {Model[]} models @param {Run} work */
    async compute(plan, [model], work) {
      const { request } = this;
      const titles = request.methods.map((/** @type {string} */ method) => METHODS.get(method));
      const columns = [...request.seeds].map((seed) => `seed ${seed}`);
      const lengths = titles.map(() => request.steps);
      const more = { titles, sources: ["The picture", "What is left, y"], what: "completions" };
      work.give($.bitor(plan.shown(columns, lengths), more));
      const { data } = await this.source(plan, model, 0, request.picture, request.seed, work);
      const measurement = request.measurement(plan.model)(model.size);
      const y = measurement.forward(fromUint8(data, model.channels));
      work.give({ kind: "source", i: 1, x: uri([this.picture(model, measurement.pseudoinverse(y))]), final: true });
      for (const [row, method] of request.methods.entries())
        await this.#row(plan, model, row, method, y, measurement, work);
    }

    /** @param {any} plan @param {Model} model @param {number} row @param {string} method @param {Float32Array} y @param {Measurement} measurement @param {Run} work */
    async #row(plan, model, row, method, y, measurement, work) {
      const { request } = this;
      const chains = [...request.seeds].map((seed) =>
        restore(model, y, measurement, method, { ...chainOf(plan, model), seed: BigInt(seed) }),
      );
      const [n, repeats] = [request.methods.length, method !== "ddnm"];
      const last = await this.take(model, row, chains, request.steps, n, work, repeats);
      const pictures = $.item(work.recording.rows, row);
      work.give({ kind: "map", row, x: [uri([differing(pictures)])] });
      let gaps = 0;
      for (const x of last) for (const [i, value] of measurement.forward(x).entries()) gaps += (value - y[i]) ** 2;
      const gap = 127.5 * Math.sqrt(gaps / (last.length * y.length));
      work.give({ kind: "row", row, spread: spread(pictures), gap });
    }
  }
  return withPictures(lab, RepairPart, Computed);
}

/** Where pictures differ, brighter for more. @param {Picture[]} pictures @returns {Picture} */
function differing(pictures) {
  const [{ width, height, channels }] = pictures;
  const found = variances(pictures);
  const data = Uint8Array.from({ length: width * height }, (_, pixel) => {
    const own = found.subarray(pixel * channels, (pixel + 1) * channels);
    return Math.min(255, (2 * own.reduce((sum, one) => sum + Math.sqrt(one), 0)) / channels);
  });
  return { width, height, channels: 1, data };
}
