// What noise destroys, as ui/parts/forward.py answers it: pictures, their noise, and t small steps beside one jump.

import { bytes } from "../../messages/bytes.js";
import { check } from "../../plans/fields.js";
import { fromUint8, round, toUint8 } from "../../process/floats.js";
import { compare } from "../../process/forward.js";
import { gaussian } from "../../process/noise.js";
import { schedule, tables } from "../../process/schedule.js";

/** @import { FieldForm } from "../../form/form.js" */
/** @import { Picture } from "../../pictures/resize.js" */
/** @import { Checkpoints } from "../checkpoints.js" */
/** @import { Schedule } from "../../process/schedule.js" */
/** @import { Part } from "./index.js" */

/** @type {Record<string, Schedule>} */
const SCHEDULES = {
  linear: schedule({ beta_schedule: "linear" }),
  cosine: schedule({ beta_schedule: "squaredcos_cap_v2" }),
  quadratic: schedule({ beta_schedule: "scaled_linear" }),
};
const EPSILON_UNIT = 1 / 4096; // ε goes to the page as 16-bit whole numbers
/** Pixels a side of a picture; no control of the form. */
const SIZE = /** @type {FieldForm} */ ({
  name: "size",
  title: "The size",
  kind: "whole",
  low: 1,
  high: 128,
  default: 1,
});

/** The same names with what is made of their values. @template A, B @param {Record<string, A>} values @param {(value: A) => B} make */
const each = (values, make) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, make(value)]));

/** @param {Checkpoints} checkpoints @returns {Part} */
export function forward(checkpoints) {
  const checked = (/** @type {Record<string, unknown>} */ values) =>
    check([...checkpoints.forms.forward, SIZE], values);
  /** @returns {Promise<Record<"pictures" | "thumbs", Record<string, Picture[]>>>} */
  const drawn = () => checkpoints.read("pictures.bin");
  return {
    questions: {
      thumbs: async () => (await drawn()).thumbs,
      tables: () => each(SCHEDULES, (one) => each(tables(one), (column) => Float32Array.from(column))),
      async picture({ name }) {
        return { picture: (await drawn()).pictures[checked({ picture: name }).picture] };
      },
      noise({ size, seed }) {
        const asked = checked({ size, seed });
        const n = asked.size;
        const epsilon = gaussian(BigInt(asked.seed), 0, 3 * n * n);
        const whole = Int16Array.from({ length: epsilon.length }, (_, i) => {
          const value = epsilon[(i % 3) * n * n + Math.floor(i / 3)];
          return Math.max(-32768, Math.min(32767, round(value / EPSILON_UNIT)));
        });
        return { epsilon: whole };
      },
      compare({ size, pixels, schedule, t, seed }) {
        const asked = checked({ schedule, t, seed, size });
        const n = asked.size;
        const x0 = fromUint8(bytes(String(pixels)), 3);
        const found = compare(SCHEDULES[asked.schedule], x0, asked.t, BigInt(asked.seed));
        const sent = (/** @type {Float32Array} */ x) => [{ width: n, height: n, channels: 3, data: toUint8(x, 3) }];
        return { ...found, walk: sent(found.walk), jump: sent(found.jump) };
      },
    },
  };
}
