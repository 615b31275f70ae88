// Pictures that change by themselves: with every frame of the screen, or, where little motion is wanted, once a second.

const FRAME = 30; // ms, at least: a picture that is enlarged without a graphics card takes some
const CALM = 1000; // ms between two pictures where little motion is wanted

/** Whether little motion is wanted. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Call turn(seconds since the last call) again and again, until it returns false or the function that is returned is called.
 * @param {(seconds: number) => boolean} turn
 * @returns {() => void} what ends it
 */
export function play(turn) {
  let playing = true;
  let last = performance.now();
  const next = () => (calm() ? setTimeout(step, CALM) : requestAnimationFrame(step));
  function step() {
    if (!playing) return;
    const now = performance.now();
    if (now - last >= FRAME) {
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

/** A function that calls draw soon, however often it is called; where little motion is wanted, once a second. @param {() => void} draw */
export function soon(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    const run = () => {
      waiting = false;
      draw();
    };
    setTimeout(run, calm() ? CALM : 0);
  };
}
