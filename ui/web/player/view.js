// What is being looked at: which run, where in it, and how the view moves.
import { Run, Runs } from "./run.js";

/** @import { Message } from "./messages.js" */

const FRAMES_A_SECOND = 10; // at 1×
const LONGEST = 15; // seconds that playing a run takes at 1×

export class View {
  runs = new Runs();
  /** The run whose pictures are on screen: the newest one from its first frame on. */
  shown = new Run(null, "idle");
  tick = 0;
  live = true; // it follows the newest frame
  playing = false;
  image = 0; // which picture of the batch
  /** @type {"x" | "x0"} where there is room for one of them only */
  kind = "x";
  chosenGain = 0; // of the difference of two lanes; 0: not shown
  /** @type {unknown[] | null} what the controls say now */
  values = null;
  #due = 0; // frames, while playing

  get run() {
    return this.runs.newest;
  }

  get gain() {
    return this.shown.lanes.length > 1 ? this.chosenGain : 0;
  }

  /** Whether the picture moves by itself. */
  get following() {
    return this.playing || (this.live && this.run.active && this.shown === this.run);
  }

  /** Whether the pictures are of older settings than the run that is under way. */
  get outdated() {
    return this.run.active && this.shown !== this.run && this.shown.count > 0;
  }

  get frames() {
    return this.shown.framesAt(this.tick);
  }

  /** Whether the controls say something else than what the pictures are of; unknown while a run has no plan yet. */
  get changed() {
    const plan = this.run.plan ?? (this.run.active ? null : this.shown.plan);
    return Boolean(plan?.settings && this.values && String(plan.settings) !== String(this.values));
  }

  /**
   * Run was pressed, with these values of the controls.
   * @param {unknown[]} [values]
   */
  start(values) {
    this.runs.start();
    this.values = values ?? this.values;
    this.live = true;
    this.playing = false;
  }

  /**
   * Take a message in. Returns null for one that came too late, else whether the run's state is another one now and
   * whether its pictures are to be shown from now on.
   * @param {Message} message
   */
  receive(message) {
    const received = this.runs.receive(message);
    if (!received) return null;
    const { run, news } = received;
    const first = run.count > 0 && this.shown !== run;
    if (first) {
      this.shown = run;
      this.live = true;
      this.playing = false;
      this.tick = run.newest;
      this.image = Math.min(this.image, (run.plan?.count ?? 1) - 1);
    }
    return { news, first };
  }

  /**
   * Go to the frame that is nearest to a tick.
   * @param {number} tick
   */
  go(tick) {
    this.playing = false;
    const { held } = this.shown;
    if (!held.length) return;
    this.live = false;
    this.tick = held.reduce((best, at) => (Math.abs(at - tick) < Math.abs(best - tick) ? at : best));
  }

  /**
   * Go so many frames on, or back.
   * @param {number} by
   */
  step(by) {
    const { held } = this.shown;
    this.go(held[Math.min(held.length - 1, Math.max(0, held.indexOf(this.tick) + by))]);
  }

  goLive() {
    this.playing = false;
    this.live = true;
    this.tick = this.shown.newest;
  }

  /** Play from here, from the start where this is the end, or pause. */
  toggle() {
    if (!this.shown.held.length) return;
    const moving = this.following;
    if (!moving && this.tick === this.shown.newest && !this.run.active) this.tick = this.shown.held[0];
    this.live = false;
    this.playing = !moving;
    this.#due = 0;
  }

  /**
   * Play for a while. A run that is still sampling goes live when caught up.
   * @param {number} seconds since the last time
   * @param {number} speed
   */
  advance(seconds, speed) {
    const { held } = this.shown;
    this.#due += seconds * Math.max(FRAMES_A_SECOND, held.length / LONGEST) * speed;
    const index = held.indexOf(this.tick) + Math.floor(this.#due);
    this.#due %= 1;
    this.tick = held[Math.min(index, held.length - 1)];
    if (index < held.length - 1) return;
    this.playing = false;
    this.live = this.run.active && this.run === this.shown;
  }
}
