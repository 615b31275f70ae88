// Pictures that change by themselves: as often as they may flash, or, where little motion is wanted, once a second.

export const SMOOTH = 30; // least ms between two pictures, because enlarging one without a graphics card takes time
/** ms between two pictures of noise. Six a second flash at most three times, which harms nobody (WCAG 2.3.1). */
export const NOISE = 1000 / 6;
const FRAME = 1000 / 60; // ms
const CALM = 1000; // ms between two pictures if the visitor prefers reduced motion

/** Whether the visitor prefers reduced motion. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Call turn(seconds since the last call) again and again, until it returns false or the function that is returned is called.
 * @param {(seconds: number) => boolean} turn
 * @param {number} [every] ms between two calls, at least
 * @returns {() => void} what ends it
 */
export function play(turn, every = SMOOTH) {
  let playing = true;
  let last = performance.now();
  const next = () => {
    const left = last + every - performance.now() - FRAME; // a callback in each frame has the browser make the frame
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

/** Wait until the current frame is on screen. */
export const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

/**
 * A function that calls draw soon, however often it is called; where little motion is wanted, once a second.
 * @param {() => void} draw @param {number} [every] ms until it does
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
