// t small steps take seconds, so they have a worker of their own: the page still answers meanwhile.

import { fromUint8, toUint8 } from "../../process/floats.js";
import { compare, SCHEDULES } from "../../process/forward.js";

addEventListener("message", ({ data: { size, pixels, schedule, t, seed } }) => {
  const found = compare(SCHEDULES[schedule](), fromUint8(pixels, 3), t, BigInt(seed));
  const picture = (/** @type {Float32Array} */ x) => [{ width: size, height: size, channels: 3, data: toUint8(x, 3) }];
  postMessage({ ...found, walk: picture(found.walk), jump: picture(found.jump) });
});
