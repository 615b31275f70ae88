// The worker that compares t small steps of noise with one jump to t. The small steps take seconds; in a worker they
// don't block the page. The worker sends its progress, then its result.

import { fromUint8, toUint8 } from "../../process/floats.js";
import { compare, SCHEDULES } from "../../process/forward.js";

const EVERY = 200; // shortest time between two progress messages, in ms

addEventListener("message", ({ data: { size, pixels, schedule, t, seed } }) => {
  const began = performance.now();
  let last = began;
  const found = compare(SCHEDULES[schedule](), fromUint8(pixels, 3), t, BigInt(seed), (steps) => {
    const now = performance.now();
    if (now < last + EVERY) return;
    last = now;
    postMessage({ progress: steps / t, left: ((now - began) / 1000) * (t / steps - 1) });
  });
  const picture = (/** @type {Float32Array} */ x) => [{ width: size, height: size, channels: 3, data: toUint8(x, 3) }];
  postMessage({ ...found, walk: picture(found.walk), jump: picture(found.jump) });
});
