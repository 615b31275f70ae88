// What noise destroys, as ui/parts/forward.py answers it: pictures, their noise, and t small steps beside one jump.
import { base64, bytes } from "../../shared/run/bytes.js";
import { uri } from "../pictures/pictures.js";
import { fromUint8, toUint8 } from "../process/floats.js";
import { compare } from "../process/forward.js";
import { gaussian } from "../process/noise.js";
import { schedule, tables } from "../process/schedule.js";
import { $, plain, python } from "../python.js";

/** @import { Lab } from "../lab.js" */

/** diffusers' names of the schedules. */
const NAMES = { linear: "linear", cosine: "squaredcos_cap_v2", quadratic: "scaled_linear" };

/** What the part's translated module takes from ddpm_core. */
function natives() {
  const made = Object.entries(NAMES).map(
    ([name, beta_schedule]) => /** @type {[string, any]} */ ([name, () => schedule({ beta_schedule })]),
  );
  $.native("ddpm_core.plane.forward", { SCHEDULES: $.dict(made) });
}

/** The same names with what is made of their values. @template A, B @param {Record<string, A>} values @param {(value: A) => B} make */
const each = (values, make) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, make(value)]));

/** @param {Lab} lab @returns {import("./index.js").Part} */
export function forward(lab) {
  natives();
  const { Forward, SIZE, EPSILON_UNIT, SCHEDULES } = $.module("ui.parts.forward");
  const column = (/** @type {Float64Array} */ values) => base64(new Uint8Array(Float32Array.from(values).buffer));
  const seedOf = (/** @type {unknown} */ seed) => BigInt(Forward.kinds().get("seed").check(seed));
  const questions = {
    tables: () => each(Object.fromEntries(SCHEDULES.items()), (one) => each(tables(one), column)),
    async picture(/** @type {any} */ { name }) {
      const known = Forward.kinds().get("picture").check(name);
      return (await lab.json("pictures.json"))[known];
    },
    noise(/** @type {any} */ { size, seed }) {
      const n = SIZE.check(size);
      const epsilon = gaussian(seedOf(seed), 0, 3 * n * n);
      const whole = Int16Array.from({ length: epsilon.length }, (_, i) => {
        const value = epsilon[(i % 3) * n * n + Math.floor(i / 3)];
        return Math.max(-32768, Math.min(32767, $.builtins.round(value / EPSILON_UNIT)));
      });
      return { epsilon: base64(new Uint8Array(whole.buffer)) };
    },
    compare(/** @type {any} */ { size, pixels, ...values }) {
      const { schedule, t, seed } = values;
      const asked = Forward.check(python({ schedule, t, seed }));
      const n = SIZE.check(size);
      const found = compare(
        SCHEDULES.get(asked.schedule),
        fromUint8(bytes(String(pixels)), 3),
        asked.t,
        BigInt(asked.seed),
      );
      const shown = (/** @type {Float32Array} */ x) => uri([{ width: n, height: n, channels: 3, data: toUint8(x, 3) }]);
      return plain({ ...found, walk: shown(found.walk), jump: shown(found.jump) });
    },
  };
  return { questions };
}
