// What a noisy picture remembers, as ui/parts/latents.py computes it.
import { uri } from "../../files/pictures.js";
import { fromUint8 } from "../process/floats.js";
import { encode, mix } from "../process/forward.js";
import { trajectory } from "../process/runs.js";
import { $ } from "../python.js";
import { chainOf, spread, withPictures, withRows } from "./rows.js";

/** @import { Run } from "../jobs.js" */
/** @import { Lab, Loaded as Model } from "../lab.js" */

/** @param {Lab} lab */
export function latents(lab) {
  const { LatentsRun, LatentsPart, SAMPLES } = $.module("ui.parts.latents");
  const { chain_length } = $.module("ddpm_core.timesteps");
  class Computed extends withRows(LatentsRun) {
    /** @param {any} plan @param {Model[]} models @param {Run} work */
    async compute(plan, [model], work) {
      const { request, times, model: spec } = plan;
      const lengths = times.map((/** @type {number} */ t) => chain_length(spec, t, request.steps));
      const more = { mode: request.mode, times, T: model.T, size: model.size };
      work.give($.bitor(plan.shown(request.columns, lengths), more));
      /** @type {Float32Array[]} */
      const sources = [];
      for (const [i, [seed, own]] of request.sources.entries()) {
        const { data } = await this.source(plan, model, i, own, seed, work, SAMPLES);
        sources.push(fromUint8(data, model.channels));
      }
      const states = times.map((/** @type {number} */ t) =>
        sources.map((x0, i) => encode(model, x0, t, BigInt(request.sources[i][0]))),
      );
      for (const [row, x] of states.entries()) {
        const shown = x.map((/** @type {Float32Array} */ one) => uri([this.picture(model, one)]));
        work.give({ kind: "latent", row, x: shown });
      }
      for (const [row, t] of times.entries()) await this.#row(plan, model, row, t, states[row], lengths[row], work);
    }

    /** @param {any} plan @param {Model} model @param {number} row @param {number} t @param {Float32Array[]} x @param {number} n @param {Run} work */
    async #row(plan, model, row, t, x, n, work) {
      const { request } = this;
      const two = request.mode === "interpolate";
      const starts = request.weights.map((/** @type {any} */ weight) => (two ? mix(x[0], x[1], Number(weight)) : x[0]));
      if (n) {
        const chains = starts.map((/** @type {Float32Array} */ start, /** @type {number} */ column) => {
          const seed = BigInt([...request.seeds][two ? 0 : column]);
          return trajectory(model, { ...chainOf(plan, model), seed, steps: n, start: t, xT: start });
        });
        await this.take(model, row, chains, n, plan.times.length, work);
      } else {
        const pictures = starts.map((/** @type {Float32Array} */ start) => this.picture(model, start));
        $.set(work.recording.rows, row, pictures);
        work.give({ kind: "step", row, k: 0, s: 0, x0: uri(pictures) });
      }
      work.give({ kind: "row", row, spread: spread($.item(work.recording.rows, row)) });
    }
  }
  return withPictures(lab, LatentsPart, Computed);
}
