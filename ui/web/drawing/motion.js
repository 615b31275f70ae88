// Timers for pictures that change by themselves. If the visitor prefers reduced motion, the pictures change once a
// second.

export const SMOOTH = 30; // shortest time between two pictures, in ms: without a graphics card, a browser needs this time to enlarge a picture
/** ms between two pictures of noise. Six pictures a second make at most three flashes, which WCAG 2.3.1 allows. */
export const NOISE = 1000 / 6;
const FRAME = 1000 / 60; // duration of one frame at 60 frames a second, in ms
const CALM = 1000; // ms between two pictures if the visitor prefers reduced motion

/** Return whether the visitor prefers reduced motion. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Call `turn` repeatedly, until it returns false or the returned function is called.
 * @param {(seconds: number) => boolean} turn seconds: the time since the last call
 * @param {number} [every] shortest time between two calls, in ms
 * @returns {() => void} a function that ends the calls
 */
export function play(turn, every = SMOOTH) {
  let playing = true;
  let last = performance.now();
  const next = () => {
    const left = last + every - performance.now() - FRAME; // wait with a timer, not in each frame, because a callback in a frame makes the browser draw the frame
    if (calm()) setTimeout(step, CALM);
    else if (left > FRAME) setTimeout(() => requestAnimationFrame(step), left);
    else requestAnimationFrame(step);
  };
  function step() {
    if (!playing) return;
    const now = performance.now();
    if (now - last >= every) {
      playing = turn((now - last) / 1000);
      last = now;
    }
    if (playing) next();
  }
  next();
  return () => {
    playing = false;
  };
}

/** Return a promise that resolves when the current frame is on screen. */
export const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

/**
 * Return a function that calls `draw` after a short time, and only once for several calls. If the visitor prefers
 * reduced motion, it waits a second.
 * @param {() => void} draw @param {number} [every] ms until it calls `draw`
 */
export function soon(draw, every = 0) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    const run = () => {
      waiting = false;
      draw();
    };
    setTimeout(run, calm() ? CALM : every);
  };
}
