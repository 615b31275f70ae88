// A run in the worker. Its messages are numbered as in ui/runs/log.py. A run can be stopped between two steps.

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
const BREATH = 12; // ms of computing after which the worker receives its messages, such as the order to stop

class Stopped extends Error {}
/** The error for a run that should begin at a state of an earlier run, if this state is not stored. */
class Gone extends Error {}

/** @returns {never} */
function throwGone() {
  throw new Gone();
}

/** Let the worker receive its waiting messages. This is quicker than a timer of 0 ms, which takes 4 ms. */
const receiveMessages = () =>
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
  #download = new AbortController();
  /** @type {WorkerResult[]} */
  #results = [];
  #sentAt = 0; // time of the last message, as performance.now()
  #breathedAt = 0;
  #countedAt = 0; // time of the last finished step, as performance.now()
  #stepBegan = 0; // time at which the current step began, as performance.now()
  /**
   * Sums over the last steps. alone: the seconds that one worker would have needed. taken: the measured seconds.
   * @type {{ alone: number, taken: number } | null}
   */
  #pace = null;
  /** Number of finished steps of each kind, by the kind's key (see `keyOf`). @type {Map<string, number>} */
  #done = new Map();
  #evaluations = 0; // number of finished evaluations of the network, each for one picture
  /** @type {Computation | null} */
  computation = null;
  /** The loaded models, one for each checkpoint of the run. @type {Loaded[]} */
  models = [];
  /** The data that the computation stores for the files of the run. @type {any} */
  recording = null;
  /** The states that the computation stores. A later run can begin at one of them. @type {any} */
  states = null;

  /**
   * @param {Pool} pool the workers @param {string} part @param {Plan} plan
   * @param {(message: RunMessage<WorkerResult>) => void} send @param {From | null} [from] the state at which the run
   * begins, null for x_T
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

  /** Stop after the current step. */
  stop() {
    this.#download.abort();
    this.#report("stopping");
  }

  /**
   * Compute the plan and send messages until the run ends. Report errors as messages, too.
   * @param {() => Promise<Computation>} find loads the part's computation
   */
  async run(find) {
    try {
      this.#report("queued");
      const computation = await find();
      this.computation = computation;
      if (this.from) this.plan = computation.after?.(this.plan, this.from) ?? throwGone();
      const { plan } = this;
      for (const ref of plan.refs) this.models.push(await this.#load(ref));
      this.recording = computation.record(plan);
      this.#report("running", { status: { kind: "first" } });
      await receiveMessages();
      this.#breathedAt = this.#stepBegan = performance.now();
      await computation.compute(plan, this.models, this);
      const { files } = this.checkpoints;
      this.#report("finished", { status: files.isFull ? { kind: "full" } : null });
      files.isFull = false;
    } catch (error) {
      if (error instanceof Stopped) return this.#report("stopped");
      if (error instanceof Gone) return this.#report("error", { status: { kind: "gone" } });
      this.#report("error", { text: failure(error) });
    } finally {
      this.models = []; // frees the models' memory; the run itself stays, because its recording may still be needed
      this.pool.end(this);
    }
  }

  /** Load a model, and send its progress. @param {string} ref */
  async #load(ref) {
    await this.checkpoints.learn(ref);
    const began = performance.now();
    if (!this.checkpoints.isLoaded(ref)) this.#report("loading", { status: { kind: "load", ref } });
    const progress = (/** @type {number} */ done, /** @type {number} */ total) => {
      const speed = done / Math.max(0.001, (performance.now() - began) / 1000);
      if (performance.now() - this.#sentAt < INTERVAL) return;
      /** @type {RunStatus} */
      const status = done < total ? { kind: "download", ref, done, total, speed } : { kind: "load", ref };
      this.#report("loading", { status, progress: done / total, left: (total - done) / speed });
    };
    const model = await this.checkpoints.model(ref, progress, this.#download.signal).catch((error) => {
      this.#throwIfStopped();
      throw error;
    });
    this.#throwIfStopped();
    return model;
  }

  #throwIfStopped() {
    if (this.#state === "stopping") throw new Stopped();
  }

  // --- The methods that the computation calls

  /** Add a result, to be sent with the next message. @param {WorkerResult} result */
  addResult(result) {
    this.#results.push(result);
    if (performance.now() - this.#sentAt > this.interval) this.#reportProgress();
  }

  /**
   * Divide the strands of a phase of the plan among workers: see pool.js.
   * @param {number} phase @param {any} [given] argument of `Computation.chains`
   */
  share = (phase, given) => this.pool.share(this, phase, given);

  /**
   * Count finished steps of a kind, and record their seconds. By default, these are the seconds since the last call.
   * @param {StepKind} kind
   */
  async count(kind, steps = 1, seconds = (performance.now() - this.#stepBegan) / 1000) {
    const done = this.#done.get(keyOf(kind)) ?? 0;
    const known = this.checkpoints.pace(kind);
    // the first step is slower, because the workers start with it; so its time is recorded only if no other time is
    // known
    if (done >= 1 || known === null) this.checkpoints.note(kind.ref, seconds, kind.batch * steps);
    if (done >= 1 && known !== null) this.#updatePace(known * steps);
    this.#countedAt = performance.now();
    this.#done.set(keyOf(kind), done + steps);
    this.#evaluations += kind.batch * steps;
    await this.breathe();
    this.#stepBegan = performance.now();
  }

  /**
   * Update `#pace` with the seconds that the new steps took.
   * @param {number} seconds that one worker alone would have needed for these steps
   */
  #updatePace(seconds) {
    const taken = (performance.now() - this.#countedAt) / 1000;
    const kept = recent(taken);
    const before = this.#pace ?? { alone: 1, taken: 1 / this.pool.gain(this) };
    this.#pace = { alone: kept * before.alone + seconds, taken: kept * before.taken + taken };
  }

  /** Receive messages and report the progress every few milliseconds. Throw `Stopped` if the run has to stop. */
  async breathe() {
    const now = performance.now();
    if (now - this.#breathedAt > BREATH) {
      if (now - this.#sentAt > this.interval) this.#reportProgress();
      await receiveMessages();
      this.#breathedAt = performance.now();
    }
    this.#throwIfStopped();
  }

  /** Send the progress (0…1) and the seconds that are left. */
  #reportProgress() {
    const { steps } = this.plan;
    const progress = this.#evaluations / Math.max(1, evaluations(steps));
    const seconds = left(steps, this.checkpoints.pace, this.#done);
    const share = this.#pace ? this.#pace.taken / this.#pace.alone : 1 / this.pool.gain(this);
    this.#report("running", { progress: Math.min(1, progress), left: seconds && seconds * share });
  }

  /** Send a message with all new results. @param {State} state @param {Partial<Pick<RunMessage<any>, "status" | "text" | "progress" | "left">>} more @returns {void} */
  #report(state, { status = null, text = "", progress = null, left = null } = {}) {
    if (isEnd(this.#state)) return;
    const follows = NEXT[this.#state].includes(state); // false if a stopping run reports progress; the run then keeps its state
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
