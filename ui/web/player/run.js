// A run as the page has it: what its messages said, and its frames.
import { ACTIVE, STATES } from "./messages.js";

/** @import { Frame, Message, Plan, State, Step } from "./messages.js" */
/** @typedef {{ k: number, step: Step, x: string, x0: string, sigma: number | null }} Held a frame with its step */
/** @typedef {{ name: string, steps: Step[], sigma: (number | null)[], frames: Held[] }} RunLane */

/**
 * The scrubber goes over ticks, the values of s of all lanes from noisy to clean; with one lane, tick = k.
 */
export class Run {
  seq = -1;
  /** @type {string | null} */
  text = null;
  /** @type {number | null} */
  progress = null;
  /** @type {number | null} */
  left = null;
  lost = false; // no message for too long
  /** @type {Plan | null} */
  plan = null;
  /** @type {RunLane[]} */
  lanes = [];
  /** @type {number[]} */
  ticks = [];
  /** @type {Map<number, number>} s -> tick */
  tickOf = new Map();
  /** @type {number[]} the ticks that have a frame, ascending */
  held = [];
  count = 0; // frames
  /** @type {Frame[]} that came before the plan: gradio may drop a message, and Python may send the plan again */
  #early = [];

  /**
   * @param {string | null} id
   * @param {State | "idle" | "starting"} state
   */
  constructor(id, state) {
    this.id = id;
    this.state = state;
  }

  /** Whether it computes, or is going to. */
  get active() {
    return ACTIVE.has(this.state) && !this.lost;
  }

  get newest() {
    return this.held.at(-1) ?? 0;
  }

  /** How it stands, in words. */
  get words() {
    if (!this.lost) return this.text || STATES[this.state];
    return `Connection lost: ${this.count ? "these frames are kept; Run repeats the run exactly" : "Run starts it again"}`;
  }

  /**
   * Take over a message. Returns whether the state is another one now.
   * @param {Message} message newer than those before
   */
  take(message) {
    const same = message.state === this.state;
    const news = !same || this.lost;
    Object.assign(this, { seq: message.seq, state: message.state, lost: false });
    // A heartbeat leaves the words as they are; a new state does not keep those of the old one.
    if ("text" in message || !same) this.text = message.text ?? null;
    if ("progress" in message || !same) this.progress = message.progress ?? null;
    if ("left" in message || !same) this.left = message.left ?? null;
    if (message.plan && !this.plan) this.#takePlan(message.plan);
    this.#early.push(...(message.frames ?? []));
    if (this.plan) for (const frame of this.#early.splice(0)) this.#takeFrame(frame);
    return news;
  }

  /** @param {Plan} plan */
  #takePlan(plan) {
    this.plan = plan;
    this.lanes = plan.lanes.map(({ name, steps }) => {
      return { name, steps, sigma: steps.map((step) => step[3]), frames: [] };
    });
    const times = this.lanes.flatMap(({ steps }) => steps.map(([, s]) => s));
    this.ticks = [...new Set(times)].sort((a, b) => b - a);
    this.tickOf = new Map(this.ticks.map((s, tick) => [s, tick]));
  }

  /** @param {Frame} frame */
  #takeFrame({ lane: index, k, x, x0, sigma }) {
    const lane = this.lanes[index];
    const step = lane?.steps[k];
    if (!step || ![x, x0].every((uri) => uri?.startsWith("data:image/"))) return;
    if (lane.frames.some((frame) => frame.k === k)) return;
    if (sigma !== null && sigma !== undefined) lane.sigma[k] = sigma;
    lane.frames.push({ k, step, x, x0, sigma: lane.sigma[k] });
    lane.frames.sort((a, b) => a.k - b.k);
    const tick = this.tickOf.get(step[1]) ?? 0;
    if (!this.held.includes(tick)) this.held.push(tick);
    this.held.sort((a, b) => a - b);
    this.count += 1;
  }

  /**
   * The frame of each lane at a tick. A lane without one there shows its last one before; before its first one, nothing.
   * @param {number} tick
   */
  framesAt(tick) {
    return this.lanes.map(({ frames }) => frames.findLast((frame) => frame.step[1] >= this.ticks[tick]));
  }
}

/** The runs of a page: the newest one, and which others have been. */
export class Runs {
  newest = new Run(null, "idle");
  /** @type {Set<string>} all but the newest are stale */
  #seen = new Set();

  /** Run was pressed: what comes of older runs from now on is dropped. */
  start() {
    if (this.newest.id) this.#seen.add(this.newest.id);
    this.newest = new Run(null, "starting");
  }

  /**
   * Take a message in. Returns its run and whether that stands differently now, or null for one that came too late.
   * @param {Message} message
   */
  receive(message) {
    if (this.newest.id !== message.run) {
      if (this.#seen.has(message.run)) return null;
      this.#seen.add(message.run);
      if (this.newest.state === "starting" && this.newest.id === null) this.newest.id = message.run;
      else this.newest = new Run(message.run, "queued");
    }
    const run = this.newest;
    if (!(message.seq > run.seq)) return null;
    return { run, news: run.take(message) };
  }
}
