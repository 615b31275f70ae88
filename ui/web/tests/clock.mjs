// A clock that tests move by hand.

/** Lets what waits for promises go on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** The clock, and `wait(ms)`, which moves it. @param {number} pace ms between two looks at what is due */
export function clockByHand(pace) {
  let now = 0;
  const timers = new Map();
  const clock = {
    now: () => now,
    set(act, ms) {
      timers.set(act, now + ms);
      return act;
    },
    clear: (timer) => timers.delete(timer),
  };
  const wait = async (ms) => {
    for (const end = now + ms; now < end; ) {
      now += pace;
      for (const [act, at] of [...timers]) if (at <= now && timers.delete(act)) act();
      await settled();
    }
  };
  return { clock, wait };
}
