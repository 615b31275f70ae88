// In the plane, as ui/parts/plane.py computes it with the exact ε. A network is trained by the installed lab only.

import { base64 } from "../../shared/run/bytes.js";
import { scheduled } from "../lab.js";
import { gaussian } from "../process/noise.js";
import { exactModel, shape } from "../process/plane.js";
import { trajectory } from "../process/runs.js";
import { schedule } from "../process/schedule.js";
import { $, plain, ValueError } from "../python.js";

/** @import { Run } from "../jobs.js" */

const EXACT = "plane-exact"; // its Kind in Python
const TIMED = 100; // points

/** Seconds that a step of so many points takes, so that the first visitor, too, is told how long a run takes. */
function timed() {
  const { network } = exactModel(shape("ring", 0.06), TIMED);
  const x = new Float32Array(2 * TIMED);
  network(x, 500, null); // the first one is slower
  const began = performance.now();
  network(x, 500, null);
  return (performance.now() - began) / 1000;
}

/** What Python's mixtures and models of the plane are for the translated module. */
function natives() {
  const spec = { schedule: scheduled(schedule({})), student: null, optimised: null, offset: 0, source: null };
  const mixture = (/** @type {{ centres: number[], width: any }} */ data) => ({
    ...data,
    centres: { flatten: () => ({ tolist: () => data.centres }) },
  });
  $.native("ddpm_core.plane", {
    exact_model: () => spec,
    shape: (/** @type {string} */ name, /** @type {any} */ width) => mixture({ ...shape(name, Number(width)), width }),
    drawing: (/** @type {any} */ points, /** @type {any} */ width) =>
      mixture({ centres: [...points].flatMap((point) => [...point]).map(Number), width }),
  });
}

/** @param {import("../lab.js").Lab} lab */
export function plane(lab) {
  natives();
  const { Clouds, CloudsRecording, Plane, T, UNIT, NEAR, FAR } = $.module("ui.parts.plane");
  const { Part } = $.module("ui.parts.part");

  const packed = (/** @type {Float32Array} */ x) => {
    const whole = Int16Array.from(x, (value) => Math.max(-32767, Math.min(32767, $.builtins.round(value / UNIT) || 0)));
    return base64(new Uint8Array(whole.buffer));
  };

  class Recording extends CloudsRecording {
    /** @returns {Promise<[string, string]>} */
    async save() {
      if (!this.clouds.keys().length) throw new Error("There is no finished cloud yet: press Run");
      /** @type {[number, Float32Array][]} */
      const clouds = this.clouds.items();
      const rows = clouds.flatMap(([lane, x]) =>
        Array.from({ length: x.length / 2 }, (_, i) => `${"AB"[lane]},${x[2 * i]},${x[2 * i + 1]}`),
      );
      const { shape, seed } = this.plan.request;
      return [`${shape}-seed-${seed}.csv`, ["lane,x1,x2", ...rows, ""].join("\n")];
    }
  }

  class Computed extends Clouds {
    /** @param {any} models */
    plan(models) {
      if (this.request.trains) throw new ValueError(this.lab.knowledge.answers.installed.trained);
      if (this.lab.seconds(EXACT) === null) this.lab.note(EXACT, timed(), TIMED);
      return super.plan(models);
    }

    recording = Recording;

    /** @param {any} plan @param {any} _ @param {Run} work */
    async compute(plan, _, work) {
      const { request, names, exact } = plan;
      const count = Number(request.cloud);
      const data = plain(plan.data);
      const lanes = [...request.lanes];
      const times = lanes.map((lane) => request.times(lane, exact));
      work.give({
        ...{ kind: "plan", T, count, data },
        lanes: lanes.map(({ denoiser }, i) => ({ name: names[i], denoiser, times: [...times[i]] })),
      });
      const model = exactModel(
        { centres: plan.mixture.centres.flatten().tolist(), width: Number(request.width) },
        count,
      );
      const seed = BigInt(request.seed);
      /** @param {number} lane @param {number} s @param {Float32Array} x */
      const frame = (lane, s, x) => {
        const alphaBar = model.alphaBar[s];
        const reach = Math.sqrt(alphaBar * NEAR ** 2 + (1 - alphaBar) * FAR ** 2);
        work.give({ kind: "frame", lane, s, alpha_bar: alphaBar, reach, x: packed(x), field: null });
      };
      for (const lane of lanes.keys()) frame(lane, T, gaussian(seed, 0, 2 * count));
      const settings = lanes.map((lane) => plain(request.options(lane, exact)));
      const runs = settings.map((one) => trajectory(model, { ...one, seed }));
      const next = [];
      for (const run of runs) next.push((await run.next()).value);
      while (next.some(Boolean)) {
        const lane = next.indexOf(next.reduce((a, b) => (!b || (a && a.t >= b.t) ? a : b)));
        const step = next[lane];
        if ($.has(times[lane], step.s)) frame(lane, step.s, step.x);
        if (step.s === 0) $.set(work.recording.clouds, lane, step.x);
        next[lane] = (await runs[lane].next()).value;
        await work.count(plan.kinds[lane]);
      }
    }
  }
  const request = (/** @type {string} */ _, /** @type {any} */ values) =>
    new /** @type {any} */ (Computed)(lab, Plane.check(values), null);
  return Object.assign(new Part(lab), { request });
}
