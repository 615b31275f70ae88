// A run in the worker: its messages, as ui/runs/log.py numbers them, and how it is stopped between two steps.

import { token } from "../messages/client.js";
import { evaluations, keyOf, left, recent } from "../plans/plan.js";
import { isEnd, NEXT } from "../run/stream.js";
import { failure } from "../words/units.js";

/** @import { Plan, StepKind } from "../plans/plan.js" */
/** @import { Cloud, Training } from "../parts/plane/plan.js" */
/** @import { Computation, From, Loaded, Opening } from "../computing/computation.d.ts" */
/** @import { Pool, StrandStep } from "./pool.js" */
/** @import { Result, RunMessage, RunStatus, State } from "../messages/protocol.d.ts" */
/** @typedef {Result | Opening | StrandStep | Training | Cloud} WorkerResult */

const INTERVAL = 100; // ms between two messages with results
const BREATH = 12; // ms of computing after which the worker hears whether it is to stop

class Stopped extends Error {}
/** The state with which a run was to begin is not kept any more. */
class Gone extends Error {}

/** @returns {never} */
function gone() {
  throw new Gone();
}

/** The end of this turn of the worker; a timer of 0 ms would take 4. */
const breath = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(null);
    };
    port2.postMessage(null);
  });

export class Run {
  id = token();
  #seq = 0;
  /** @type {State} */
  #state = "queued";
  #leave = new AbortController(); // ends the download of a model
  /** @type {WorkerResult[]} */
  #results = [];
  #sentAt = 0; // when, as performance.now()
  #breathedAt = 0;
  #countedAt = 0; // the last step was
  #stepBegan = 0; // the step under way began
  /** Seconds of the last steps: what they take one after another, and what they took. @type {{ alone: number, taken: number } | null} */
  #pace = null;
  /** Steps of each kind that were done, by `keyOf`. @type {Map<string, number>} */
  #done = new Map();
  #evaluations = 0; // done
  /** @type {Computation | null} */
  computation = null;
  /** The loaded models, one for each checkpoint of the run. @type {Loaded[]} */
  models = [];
  /** The numbers that the computation keeps for files. @type {any} */
  recording = null;
  /** What the computation keeps so that another run can begin at one of its states. @type {any} */
  states = null;

  /**
   * @param {Pool} pool @param {string} part @param {Plan} plan
   * @param {(message: RunMessage<WorkerResult>) => void} send @param {From | null} [from] null for a whole run
   * @param {number} [interval] ms between two messages with results
   */
  constructor(pool, part, plan, send, from = null, interval = INTERVAL) {
    this.pool = pool;
    this.checkpoints = pool.checkpoints;
    this.interval = interval;
    this.part = part;
    this.plan = plan;
    this.send = send;
    this.from = from;
  }

  stop() {
    this.#leave.abort();
    this.#say("stopping");
  }

  /** @param {() => Promise<Computation>} find how it is computed */
  async run(find) {
    try {
      this.#say("queued");
      const computation = await find();
      this.computation = computation;
      if (this.from) this.plan = computation.after?.(this.plan, this.from) ?? gone();
      const { plan } = this;
      for (const ref of plan.refs) this.models.push(await this.#load(ref));
      this.recording = computation.record(plan);
      this.#say("running", { status: { kind: "first" } });
      await breath();
      this.#breathedAt = this.#stepBegan = performance.now();
      await computation.compute(plan, this.models, this);
      const { files } = this.checkpoints;
      this.#say("finished", { status: files.isFull ? { kind: "full" } : null });
      files.isFull = false;
    } catch (error) {
      if (error instanceof Stopped) return this.#say("stopped");
      if (error instanceof Gone) return this.#say("error", { status: { kind: "gone" } });
      this.#say("error", { text: failure(error) });
    } finally {
      this.models = []; // the worker keeps a run after its end
      this.pool.end(this);
    }
  }

  /** @param {string} ref */
  async #load(ref) {
    await this.checkpoints.learn(ref);
    const began = performance.now();
    if (!this.checkpoints.isLoaded(ref)) this.#say("loading", { status: { kind: "load", ref } });
    const progress = (/** @type {number} */ done, /** @type {number} */ total) => {
      const speed = done / Math.max(0.001, (performance.now() - began) / 1000);
      if (performance.now() - this.#sentAt < INTERVAL) return;
      /** @type {RunStatus} */
      const status = done < total ? { kind: "download", ref, done, total, speed } : { kind: "load", ref };
      this.#say("loading", { status, progress: done / total, left: (total - done) / speed });
    };
    const model = await this.checkpoints.model(ref, progress, this.#leave.signal).catch((error) => {
      this.#check();
      throw error;
    });
    this.#check();
    return model;
  }

  #check() {
    if (this.#state === "stopping") throw new Stopped();
  }

  // --- What the computation calls

  /** @param {WorkerResult} result */
  give(result) {
    this.#results.push(result);
    if (performance.now() - this.#sentAt > this.interval) this.#running();
  }

  /** Share the strands of a phase of the plan among workers. @param {number} phase @param {any} [given] as `Computation.chains` takes it */
  share = (phase, given) => this.pool.share(this, phase, given);

  /** So many steps of a kind are done, which took the seconds since the last call, or others. @param {StepKind} kind */
  async count(kind, steps = 1, seconds = (performance.now() - this.#stepBegan) / 1000) {
    const done = this.#done.get(keyOf(kind)) ?? 0;
    const known = this.checkpoints.pace(kind);
    // The first step is slower, as workers begin with it.
    if (done >= 1 || known === null) this.checkpoints.note(kind.ref, seconds, kind.batch * steps);
    if (done >= 1 && known !== null) this.#took(known * steps);
    this.#countedAt = performance.now();
    this.#done.set(keyOf(kind), done + steps);
    this.#evaluations += kind.batch * steps;
    await this.breathe();
    this.#stepBegan = performance.now();
  }

  /** Steps that one worker does in so many seconds have been done since the last ones. @param {number} seconds */
  #took(seconds) {
    const taken = (performance.now() - this.#countedAt) / 1000;
    const kept = recent(taken);
    const before = this.#pace ?? { alone: 1, taken: 1 / this.pool.gain(this) };
    this.#pace = { alone: kept * before.alone + seconds, taken: kept * before.taken + taken };
  }

  /** Hear whether it is to stop, every few milliseconds. */
  async breathe() {
    const now = performance.now();
    if (now - this.#breathedAt > BREATH) {
      if (now - this.#sentAt > this.interval) this.#running();
      await breath();
      this.#breathedAt = performance.now();
    }
    this.#check();
  }

  #running() {
    const { steps } = this.plan;
    const progress = this.#evaluations / Math.max(1, evaluations(steps));
    const seconds = left(steps, this.checkpoints.pace, this.#done);
    const share = this.#pace ? this.#pace.taken / this.#pace.alone : 1 / this.pool.gain(this);
    this.#say("running", { progress: Math.min(1, progress), left: seconds && seconds * share });
  }

  /** @param {State} state @param {Partial<Pick<RunMessage<any>, "status" | "text" | "progress" | "left">>} more @returns {void} */
  #say(state, { status = null, text = "", progress = null, left = null } = {}) {
    if (isEnd(this.#state)) return;
    const follows = NEXT[this.#state].includes(state); // else it stops
    if (follows) this.#state = state;
    this.#seq += 1;
    this.#sentAt = performance.now();
    const results = this.#results;
    this.#results = [];
    const final = isEnd(this.#state);
    this.send({
      run: this.id,
      seq: this.#seq,
      state: this.#state,
      status: follows ? status : null,
      text: follows ? text : "",
      progress: final ? null : progress,
      left: final ? null : left,
      results,
    });
  }
}
