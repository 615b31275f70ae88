// What a noisy picture remembers, as ui/parts/latents.py computes it.
import { uri } from "../pictures.js";
import { fromUint8 } from "../process/floats.js";
import { encode, mix } from "../process/forward.js";
import { trajectory } from "../process/runs.js";
import { $ } from "../python.js";
import { chainOf, spread, withRows } from "./rows.js";

/** @import { Run } from "../jobs.js" */
/** @import { Loaded as Model } from "../lab.js" */

export function latents() {
  const { LatentsRun, SAMPLES } = $.module("ui.parts.latents");
  const { chain_length } = $.module("ddpm_core.timesteps");
  const { from_text } = $.module("ui.pictures.as_text");
  return class extends withRows(LatentsRun) {
    /** @param {any} plan @param {Model[]} models @param {Run} work */
    async compute(plan, [model], work) {
      const { request, times, model: spec } = plan;
      const lengths = times.map((/** @type {number} */ t) => chain_length(spec, t, request.steps));
      work.give(
        $.bitor(
          plan.shown(request.columns, lengths),
          $.dict([
            ["mode", request.mode],
            ["times", times],
            ["T", model.T],
            ["size", model.size],
          ]),
        ),
      );
      /** @type {Float32Array[]} */
      const sources = [];
      for (const i of request.sources.keys()) sources.push(await this.#source(plan, model, i, work));
      const states = times.map((/** @type {number} */ t) =>
        sources.map((x0, i) => encode(model, x0, t, BigInt(request.sources[i][0]))),
      );
      for (const [row, x] of states.entries())
        work.give({
          kind: "latent",
          row,
          x: x.map((/** @type {Float32Array} */ one) => uri([this.picture(model, one)])),
        });
      for (const [row, t] of times.entries()) await this.#row(plan, model, row, t, states[row], lengths[row], work);
    }

    /** The i-th picture as a state. @param {any} plan @param {Model} model @param {number} i @param {Run} work @returns {Promise<Float32Array>} */
    async #source(plan, model, i, work) {
      const [seed, text] = this.request.sources[i];
      if (text) {
        const own = from_text(text, plan.model);
        work.give({ kind: "source", i, x: uri([own]), final: true });
        return fromUint8(own.data, model.channels);
      }
      /** @type {Float32Array} */
      let x = new Float32Array();
      for await (const step of trajectory(model, { ...chainOf(plan, model), seed: BigInt(seed) })) {
        const final = step.s === 0;
        x = step.x;
        if (final || step.index % SAMPLES === 0)
          work.give({ kind: "source", i, x: uri([this.picture(model, final ? x : step.x0)]), final });
        await work.count(this.kind(1));
      }
      return fromUint8(this.picture(model, x).data, model.channels);
    }

    /** @param {number} batch */
    kind = (batch) => new ($.module("ui.machine.step_times").StepKind)(this.refs[0], batch);

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
        await this.take(model, row, chains, n, plan.times.length, work, this.kind(request.count));
      } else {
        const pictures = starts.map((/** @type {Float32Array} */ start) => this.picture(model, start));
        $.set(work.recording.rows, row, pictures);
        work.give({ kind: "step", row, k: 0, s: 0, x0: uri(pictures) });
      }
      work.give({ kind: "row", row, spread: spread($.item(work.recording.rows, row)) });
    }
  };
}
