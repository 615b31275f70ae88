// What was erased, as ui/parts/repair.py computes it: by replacement, RePaint and DDNM.
import { uri } from "../pictures.js";
import { fromUint8 } from "../process/floats.js";
import { restore } from "../process/restore.js";
import { trajectory } from "../process/runs.js";
import { $ } from "../python.js";
import { chainOf, spread, withRows } from "./rows.js";

/** @import { Run } from "../jobs.js" */
/** @import { Loaded as Model } from "../lab.js" */
/** @import { Picture } from "../pictures.js" */
/** @import { Measurement } from "../process/restore.js" */

export function repair() {
  const { RepairRun, METHODS } = $.module("ui.parts.repair");
  const { from_text } = $.module("ui.pictures.as_text");
  const { StepKind } = $.module("ui.machine.step_times");
  return class extends withRows(RepairRun) {
    /** @param {any} plan @param {Model[]} models @param {Run} work */
    async compute(plan, [model], work) {
      const { request } = this;
      const titles = request.methods.map((/** @type {string} */ method) => METHODS.get(method));
      const columns = [...request.seeds].map((seed) => `seed ${seed}`);
      const shown = plan.shown(
        columns,
        titles.map(() => request.steps),
      );
      const more = { titles, sources: ["The picture", "What is left, y"], what: "completions" };
      work.give($.bitor(shown, $.dict(Object.entries(more))));
      const own = request.picture ? from_text(request.picture, plan.model) : await this.#sample(plan, model, work);
      work.give({ kind: "source", i: 0, x: uri([own]), final: true });
      const measurement = request.measurement(plan.model)(model.size);
      const y = measurement.forward(fromUint8(own.data, model.channels));
      work.give({ kind: "source", i: 1, x: uri([this.picture(model, measurement.pseudoinverse(y))]), final: true });
      for (const [row, method] of request.methods.entries())
        await this.#row(plan, model, row, method, y, measurement, work);
    }

    /** @param {any} plan @param {Model} model @param {Run} work @returns {Promise<Picture>} */
    async #sample(plan, model, work) {
      /** @type {Float32Array} */
      let x = new Float32Array();
      for await (const step of trajectory(model, { ...chainOf(plan, model), seed: BigInt(this.request.seed) })) {
        x = step.x;
        await work.count(new StepKind(this.refs[0], 1));
      }
      return this.picture(model, x);
    }

    /** @param {any} plan @param {Model} model @param {number} row @param {string} method @param {Float32Array} y @param {Measurement} measurement @param {Run} work */
    async #row(plan, model, row, method, y, measurement, work) {
      const { request } = this;
      const chains = [...request.seeds].map((seed) =>
        restore(model, y, measurement, method, { ...chainOf(plan, model), seed: BigInt(seed) }),
      );
      const kind = new StepKind(this.refs[0], request.count);
      const last = await this.take(
        model,
        row,
        chains,
        request.steps,
        request.methods.length,
        work,
        kind,
        method !== "ddnm",
      );
      const pictures = $.item(work.recording.rows, row);
      work.give({ kind: "map", row, x: [uri([differing(pictures)])] });
      const gaps = last.flatMap((/** @type {Float32Array} */ x) =>
        Array.from(measurement.forward(x), (value, i) => (value - y[i]) ** 2),
      );
      const gap =
        127.5 * Math.sqrt(gaps.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0) / gaps.length);
      work.give({ kind: "row", row, spread: spread(pictures), gap });
    }
  };
}

/** Where pictures differ, brighter for more. @param {Picture[]} pictures @returns {Picture} */
function differing(pictures) {
  const [{ width, height, channels }] = pictures;
  const n = pictures.length;
  const data = Uint8Array.from({ length: width * height }, (_, pixel) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) {
      const values = pictures.map((one) => one.data[pixel * channels + c]);
      const mean = values.reduce((a, b) => a + b, 0) / n;
      sum += Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / n);
    }
    return Math.min(255, (2 * sum) / channels);
  });
  return { width, height, channels: 1, data };
}
