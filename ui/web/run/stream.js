// The messages of a run as ui/runs/log.py numbers them: old ones, and those of a run that was left, are dropped.
import { STATES } from "../words/page.js";

/** @import { RunMessage, State } from "../messages/protocol.d.ts" */

/** The life of a run, as in ui/runs/states.py: which state follows which. @type {Record<State, State[]>} */
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
/** @param {State} state */
export const isEnd = (state) => NEXT[state].length === 0;
const SILENCE = 15000; // ms without a message after which a run counts as lost
const TICK = 1000; // ms after which the time left is another one

/** @template Result */
export class Stream {
  /** @type {string | null} */
  run = null;
  /** @type {State | "idle" | "starting"} */
  state = "idle";
  text = "";
  /** @type {number | null} */
  progress = null;
  /** Seconds, when they were said. @type {number | null} */
  #left = null;
  #said = 0; // when, in ms
  #seq = -1;
  /** @type {Set<string>} */
  #old = new Set();
  #timer = 0;
  #ticks = 0;
  /** @type {(() => void) | null} */
  #stopping = null;
  #last = ""; // the state that was told last

  /**
   * @param {(isNew: boolean) => void} changed how the run stands; isNew: it has come to another state
   * @param {(result: Result) => void} take one result of the current run
   * @param {() => void} renew another run begins, and its results are going to come
   * @param {() => number} [clock] ms
   */
  constructor(changed, take, renew, clock = () => performance.now()) {
    this.changed = changed;
    this.take = take;
    this.renew = renew;
    this.clock = clock;
  }

  /** Seconds left by now; null where that is not known, or where the run takes longer than was said. */
  get left() {
    const left = (this.#left ?? 0) - (this.clock() - this.#said) / 1000;
    return left > 0 ? left : null;
  }

  set left(left) {
    this.#left = left;
    this.#said = this.clock();
  }

  get active() {
    return this.state === "starting" || (this.state !== "idle" && !isEnd(this.state));
  }

  get words() {
    return this.text || STATES[this.state];
  }

  /** Run was pressed. */
  start() {
    if (this.run) this.#old.add(this.run);
    Object.assign(this, { run: null, state: "starting", text: "", progress: null, left: null });
    this.#seq = -1;
    this.#stopping = null;
    this.renew();
    this.#watch();
    this.#tell();
  }

  /**
   * Stop was pressed. The server knows a run from its first message on: before that it could not be stopped.
   * @param {() => void} ask the server to stop the page's run
   */
  stop(ask) {
    if (this.run === null) this.#stopping = ask;
    else ask();
    Object.assign(this, { state: "stopping", text: "" });
    this.#tell();
  }

  /** @param {RunMessage<Result> | null | undefined} message */
  receive(message) {
    if (!message?.run || this.#old.has(message.run)) return;
    if (this.run !== null && this.run !== message.run) this.start(); // a newer one, which has replaced it
    this.run = message.run;
    if (message.seq <= this.#seq) return;
    const { seq, state, text, progress, left, results } = message;
    this.#seq = seq;
    Object.assign(this, { progress, left });
    // What was on its way when Stop was pressed does not undo that.
    if (this.state !== "stopping" || NEXT.stopping.includes(state)) Object.assign(this, { state, text });
    for (const result of results) this.take(result);
    this.#stopping?.();
    this.#stopping = null;
    this.#watch();
    this.#tell();
  }

  #tell() {
    const isNew = this.state !== this.#last;
    this.#last = this.state;
    this.changed(isNew);
  }

  #watch() {
    clearTimeout(this.#timer);
    if (!this.active) return;
    this.#tick();
    this.#timer = setTimeout(() => this.lose(), SILENCE);
  }

  /** The time left is another one each second. */
  #tick() {
    clearTimeout(this.#ticks);
    this.#ticks = setTimeout(() => {
      if (!this.active) return;
      this.#tell();
      this.#tick();
    }, TICK);
  }

  /** No run is shown any more. */
  forget() {
    if (this.run) this.#old.add(this.run);
    Object.assign(this, { run: null, state: "idle", text: "", progress: null, left: null });
    clearTimeout(this.#timer);
    this.#last = "idle";
  }

  /** The connection is gone, or there was none. @param {string} [why] what the server said */
  lose(why = "") {
    if (!this.active && this.state !== "lost") return;
    Object.assign(this, { state: why ? "error" : "lost", text: why, left: null });
    this.#tell();
  }
}
