// The state of a run, computed from its numbered messages (see ui/runs/log.py). Repeated messages and messages of
// earlier runs are dropped.
import { STATES } from "../words/page.js";
import { said } from "../words/status.js";

/** @import { RunMessage, State } from "../messages/protocol.d.ts" */

/** For each state of a run, the states that may follow: the same table as in ui/runs/states.py. @type {Record<State, State[]>} */
export const NEXT = {
  queued: ["queued", "loading", "running", "stopping", "stopped", "error", "lost"],
  loading: ["queued", "loading", "running", "stopping", "stopped", "error", "lost"],
  running: ["running", "stopping", "finished", "stopped", "error", "lost"],
  stopping: ["stopping", "finished", "stopped", "error", "lost"],
  finished: [],
  stopped: [],
  error: [],
  lost: [],
};
/** Return whether a run in this state has ended. @param {State} state */
export const isEnd = (state) => NEXT[state].length === 0;
const SILENCE = 15000; // ms without a message after which a run counts as lost
const TICK = 1000; // ms between two updates of the time left

/** @template Result */
export class Stream {
  /** @type {string | null} */
  run = null;
  /** @type {State | "idle" | "starting"} */
  state = "idle";
  text = ""; // a sentence that replaces the usual words of the state
  /** @type {number | null} */
  progress = null;
  /** The seconds left at the time of the last message. @type {number | null} */
  #left = null;
  #leftAt = 0; // the time of the last message, in ms of the clock
  #seq = -1; // the number of the last message
  /** Ids of earlier runs, whose messages are dropped. @type {Set<string>} */
  #old = new Set();
  #timer = 0; // the timer that marks the run as lost after a long silence
  #ticks = 0; // the timer that updates the time left
  /**
   * Called at the first message. It stops a run whose id was unknown when Stop was pressed.
   * @type {(() => void) | null}
   */
  #stopping = null;
  #last = ""; // the state at the last call of `changed`

  /**
   * @param {(isNew: boolean) => void} changed called when something about the run has changed; isNew: whether its state changed
   * @param {(result: Result) => void} take gets one result of the newest run
   * @param {() => void} renew called when another run begins
   * @param {(ref: string) => string} name returns the display name of a checkpoint
   * @param {() => number} [clock] returns the time in ms
   */
  constructor(changed, take, renew, name, clock = () => performance.now()) {
    this.changed = changed;
    this.take = take;
    this.renew = renew;
    this.name = name;
    this.clock = clock;
  }

  /** Seconds left; null if they are not known, or if the run takes longer than estimated. */
  get left() {
    const left = (this.#left ?? 0) - (this.clock() - this.#leftAt) / 1000;
    return left > 0 ? left : null;
  }

  /** Set the seconds left, counted from now. */
  set left(left) {
    this.#left = left;
    this.#leftAt = this.clock();
  }

  /** Whether a run has begun and not ended. */
  get active() {
    return this.state === "starting" || (this.state !== "idle" && !isEnd(this.state));
  }

  /** The status line of the run. */
  get words() {
    return this.text || STATES[this.state];
  }

  /** Reset the state for a new run. */
  start() {
    if (this.run) this.#old.add(this.run);
    Object.assign(this, { run: null, state: "starting", text: "", progress: null, left: null });
    this.#seq = -1;
    this.#stopping = null;
    this.renew();
    this.#watch();
    this.#tell();
  }

  /** Stop the run. If its id is not known yet, `ask` is called at the first message. @param {() => void} ask asks the engine to stop the run */
  stop(ask) {
    if (this.run === null) this.#stopping = ask;
    else ask();
    Object.assign(this, { state: "stopping", text: "" });
    this.#tell();
  }

  /** Update the state from a message. @param {RunMessage<Result> | null | undefined} message */
  receive(message) {
    if (!message?.run || this.#old.has(message.run)) return;
    if (this.run !== null && this.run !== message.run) this.start(); // the engine has replaced the run by a newer run
    this.run = message.run;
    if (message.seq <= this.#seq) return;
    const { seq, state, progress, left, results } = message;
    this.#seq = seq;
    Object.assign(this, { progress, left });
    // A message that was sent before Stop was pressed must not change the state "stopping" back.
    if (this.state !== "stopping" || NEXT.stopping.includes(state))
      Object.assign(this, { state, text: said(message, this.name) });
    for (const result of results) this.take(result);
    this.#stopping?.();
    this.#stopping = null;
    this.#watch();
    this.#tell();
  }

  /** Tell the panel that something about the run has changed. */
  #tell() {
    const isNew = this.state !== this.#last;
    this.#last = this.state;
    this.changed(isNew);
  }

  /** Restart both timers: one updates the time left, the other marks a silent run as lost. */
  #watch() {
    clearTimeout(this.#timer);
    if (!this.active) return;
    this.#tick();
    this.#timer = setTimeout(() => this.lose(), SILENCE);
  }

  /** Report the time left each second. */
  #tick() {
    clearTimeout(this.#ticks);
    this.#ticks = setTimeout(() => {
      if (!this.active) return;
      this.#tell();
      this.#tick();
    }, TICK);
  }

  /** Return to the state without a run. */
  forget() {
    if (this.run) this.#old.add(this.run);
    Object.assign(this, { run: null, state: "idle", text: "", progress: null, left: null });
    clearTimeout(this.#timer);
    this.#last = "idle";
  }

  /** Mark the run as lost, or as failed if the engine refused it. @param {string} [why] why the engine refused it */
  lose(why = "") {
    if (!this.active && this.state !== "lost") return;
    Object.assign(this, { state: why ? "error" : "lost", text: why, left: null });
    this.#tell();
  }
}
