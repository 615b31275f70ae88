// What is being looked at: which recording, where in it, and how the view moves.
import { Recording } from "./recording.js";

/** @import { Result } from "./recording.js" */

const FRAMES_A_SECOND = 10; // at 1×
const SHORTEST = 5; // seconds that the first showing of a run takes, however soon it is computed
const LONGEST = 15; // seconds that playing a run takes at 1×

export class View {
  /** The recording whose pictures are on screen. The newest run is shown once its first frame is here. */
  shown = new Recording();
  /** The recording of the newest run. */
  coming = this.shown;
  /** Whether the newest run goes on, or waits for its turn. */
  active = false;
  tick = 0;
  live = false; // it follows the newest frame
  playing = false;
  fresh = false; // the first showing of a run is under way
  speed = 1;
  chosen = 0; // which picture of the batch
  /** @type {"x" | "x0"} where there is room for one of them only */
  kind = "x";
  word = -1; // the word of the prompt whose attention lies over the pictures; -1 for none
  /** How a latent is shown. @type {"decoded" | "latent"} */
  seenAs = "decoded";
  chosenGain = "0"; // how much the difference of two lanes is enlarged; "0": it is not shown
  /** The newest recording whose first frame was shown. @type {Recording | null} */
  #begun = null;
  #due = 0; // the part of a tick (at the first showing) or of a frame that has been played since the last one

  /** The picture that is shown: the chosen one, where there are so many. */
  get image() {
    return Math.min(this.chosen, (this.shown.plan?.count ?? 1) - 1);
  }

  get gain() {
    return this.shown.lanes.length > 1 ? Number(this.chosenGain) : 0;
  }

  get latent() {
    return this.seenAs === "latent" && Boolean(this.shown.plan?.latent);
  }

  /** Whether the picture moves by itself. */
  get following() {
    return this.playing || (this.live && this.active && this.shown === this.coming);
  }

  get frames() {
    return this.shown.framesAt(this.tick);
  }

  /** Another run begins. */
  start() {
    this.coming = new Recording();
    this.live = false;
    if (!this.shown.count) this.shown = this.coming;
  }

  /**
   * Add a result to the newest run. Return whether its pictures are shown from now on: then they are to be played.
   * @param {Result} result
   */
  add(result) {
    this.coming.add(result);
    const { coming } = this;
    // A touched run is shown from the touched step on. Before that step it is the run that is on screen already.
    const here = this.shown === coming || (result.kind === "frame" && result.k >= (coming.plan?.split ?? 0));
    const first = result.kind === "frame" && coming !== this.#begun && here;
    if (first) {
      this.#begun = coming;
      this.shown = this.coming;
      this.fresh = true;
      this.playing = true;
      this.live = false;
      this.tick = this.shown.newest;
      this.#due = 0;
      this.chosen = this.image;
    }
    return first;
  }

  /** Show the newest pictures of a run, still. @param {Recording} run */
  show(run) {
    this.shown = run;
    this.goLive();
    this.live = false;
  }

  /**
   * Go to the frame that is nearest to a tick.
   * @param {number} tick
   */
  go(tick) {
    const { held } = this.shown;
    this.playing = this.fresh = false;
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
    this.playing = this.fresh = false;
    this.live = true;
    this.tick = this.shown.newest;
  }

  /** Play from here, from the start where this is the end, or pause. */
  toggle() {
    if (!this.shown.held.length) return;
    const moving = this.following;
    if (!moving && this.tick === this.shown.newest && !this.active) this.tick = this.shown.held[0];
    this.live = this.fresh = false;
    this.playing = !moving;
    this.#due = 0;
  }

  /** The index of the frame to show after some time. The first showing of a run lasts SHORTEST, so that it is seen. @param {number} seconds */
  #next(seconds) {
    const { ticks, held } = this.shown;
    if (this.fresh && this.speed === 1) {
      const at = this.tick + this.#due + (seconds * ticks.length) / SHORTEST;
      const index = held.findLastIndex((tick) => tick <= at);
      this.#due = index < held.length - 1 ? at - held[index] : 0;
      return index;
    }
    this.#due += seconds * Math.max(FRAMES_A_SECOND, held.length / LONGEST) * this.speed;
    const index = held.indexOf(this.tick) + Math.floor(this.#due);
    this.#due %= 1;
    return index;
  }

  /**
   * Play for a while. A run that is still computing is live when caught up.
   * @param {number} seconds since the last time
   */
  advance(seconds) {
    const { held } = this.shown;
    const index = this.#next(seconds);
    this.tick = held[Math.min(index, held.length - 1)];
    if (index < held.length - 1) return;
    if (this.active && this.shown === this.coming) {
      this.live = !this.fresh;
      this.playing = this.fresh; // the first showing waits for the next frame
      return;
    }
    this.playing = this.fresh = false;
  }
}
