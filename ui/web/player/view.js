// The state of the player: which recording it shows, which tick (position of the slider), and how fast it plays.
import { Recording } from "./recording.js";

/** @import { Result } from "./recording.js" */

const FRAMES_A_SECOND = 10; // number of frames shown a second at the speed 1×
const SHORTEST = 5; // least seconds of a run's first playing
const LONGEST = 15; // most seconds of playing a run at the speed 1×

export class View {
  /** The recording on screen. The newest run replaces it when its first frame arrives. */
  shown = new Recording();
  /** The recording of the newest run. */
  coming = this.shown;
  /** Whether the newest run is waiting or computing. */
  active = false;
  tick = 0;
  live = false; // whether the view shows each new frame at once
  playing = false;
  fresh = false; // whether the run is playing for the first time
  speed = 1;
  chosen = 0; // index of the chosen picture in the batch
  /** The kind of picture to show where only one kind has room. @type {"x" | "x0"} */
  kind = "x";
  word = -1; // index of the word (of the prompt) whose attention is shown, -1 for none
  /** Whether latents are shown decoded or as numbers. @type {"decoded" | "latent"} */
  seenAs = "decoded";
  chosenGain = "0"; // factor by which the difference of two lanes is enlarged; 0 hides the difference
  /** The recording that has begun to play last. @type {Recording | null} */
  #begun = null;
  #due = 0; // fraction (0…1) of the way to the next frame; while a run plays for the first time, ticks since the last frame

  /** Index of the picture on screen: the chosen picture, or the last picture if the batch is smaller. */
  get image() {
    return Math.min(this.chosen, (this.shown.plan?.count ?? 1) - 1);
  }

  /** Factor by which the difference of two lanes is enlarged; 0 hides the difference. */
  get gain() {
    return this.shown.lanes.length > 1 ? Number(this.chosenGain) : 0;
  }

  /** Whether the panes show the numbers of latents. */
  get latent() {
    return this.seenAs === "latent" && Boolean(this.shown.plan?.latent);
  }

  /** Whether the picture changes by itself: the run plays, or the view shows each new frame. */
  get following() {
    return this.playing || (this.live && this.active && this.shown === this.coming);
  }

  /** For each lane, its frame on screen. */
  get frames() {
    return this.shown.framesAt(this.tick);
  }

  /** Prepare for a new run. */
  start() {
    this.coming = new Recording();
    this.live = false;
    if (!this.shown.count) this.shown = this.coming;
  }

  /**
   * Add a result to the newest run. Return whether the view has just changed to this run, and plays it.
   * @param {Result} result
   */
  add(result) {
    this.coming.add(result);
    const { coming } = this;
    // a run that continues a changed picture is shown from the change on, as its earlier steps are on screen already
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

  /** Show the newest pictures of a run without playing. @param {Recording} run */
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
   * Go some frames forward or back.
   * @param {number} by number of frames, negative for back
   */
  step(by) {
    const { held } = this.shown;
    this.go(held[Math.min(held.length - 1, Math.max(0, held.indexOf(this.tick) + by))]);
  }

  /** Show the newest frame, and from now on each new frame at once. */
  goLive() {
    this.playing = this.fresh = false;
    this.live = true;
    this.tick = this.shown.newest;
  }

  /** Pause if the picture changes by itself. Otherwise play on, or from the start if the last frame is shown. */
  toggle() {
    if (!this.shown.held.length) return;
    const moving = this.following;
    if (!moving && this.tick === this.shown.newest && !this.active) this.tick = this.shown.held[0];
    this.live = this.fresh = false;
    this.playing = !moving;
    this.#due = 0;
  }

  /**
   * Return the index (in `held`) of the frame to show after some seconds. The first playing lasts at least SHORTEST, so
   * that visitors see the steps.
   * @param {number} seconds
   */
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
   * Play for some seconds. At the newest frame of a computing run, the view becomes live.
   * @param {number} seconds since the last call
   */
  advance(seconds) {
    const { held } = this.shown;
    const index = this.#next(seconds);
    this.tick = held[Math.min(index, held.length - 1)];
    if (index < held.length - 1) return;
    if (this.active && this.shown === this.coming) {
      this.live = !this.fresh;
      this.playing = this.fresh; // the first playing waits for the next frame
      return;
    }
    this.playing = this.fresh = false;
  }
}
