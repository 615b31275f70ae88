// A run in the worker: its messages, as ui/runs/log.py numbers them, and how it is stopped between two steps.
import { evaluations, keyOf, left } from "../plans/plan.js";
import { token } from "../shared/run/client.js";
import { isEnd, NEXT } from "../shared/run/stream.js";
import { download, failure } from "../words/units.js";
import { planned } from "./requests.js";

/** @import { Plan, Request, StepKind } from "../plans/plan.js" */
/** @import { Checkpoints } from "./checkpoints.js" */
/** @import { Computation } from "./parts/index.js" */
/** @import { Message, Result } from "../shared/run/protocol.js" */
/** @import { State } from "../shared/run/stream.js" */
/** @typedef {{ kind: "plan" } & Record<string, unknown>} Plans the first result of a part, for its own module of the page */

const INTERVAL = 100; // ms between two messages with results
const BREATH = 12; // ms of computing after which the worker hears whether it is to stop

class Stopped extends Error {}

/** The end of this turn of the worker. */
const breath = () => new Promise((resolve) => setTimeout(resolve));

export class Run {
  id = token();
  #seq = 0;
  /** @type {State} */
  #state = "queued";
  #leave = new AbortController(); // of what is being fetched
  /** @type {(Result | Plans)[]} */
  #results = [];
  #said = 0; // when, as performance.now()
  #heard = 0;
  #since = 0; // the step under way began
  /** Steps of each kind that were done, by `keyOf`. @type {Map<string, number>} */
  #done = new Map();
  #evaluations = 0; // done
  /** The checkpoints that it needs. @type {string[]} */
  refs = [];
  /** @type {Plan | null} */
  plan = null;
  /** What the computation keeps for files. @type {any} */
  recording = null;

  /** @param {Checkpoints} checkpoints @param {string} part @param {Record<string, unknown>} values of its request @param {(message: Message<Result | Plans>) => void} send */
  constructor(checkpoints, part, values, send) {
    this.checkpoints = checkpoints;
    this.part = part;
    this.values = values;
    this.send = send;
  }

  stop() {
    this.#leave.abort();
    this.#say("stopping");
  }

  /** @param {() => Promise<{ computation: Computation, request: Request }>} make what to compute, or throw a sentence */
  async run(make) {
    try {
      this.#say("queued");
      const { computation, request } = await make();
      const { planner } = computation;
      this.refs = planner.refs(request);
      this.plan = planned(this.checkpoints, computation, request);
      const models = [];
      for (const ref of this.refs) models.push(await this.#load(ref));
      const plan = this.plan ?? planned(this.checkpoints, computation, request);
      this.plan = plan;
      this.recording = computation.record(plan);
      this.#say("running", "Running: the first step");
      await breath();
      this.#heard = this.#since = performance.now();
      await computation.compute(plan, models, this);
      this.#say("finished", this.checkpoints.files.notice);
      this.checkpoints.files.notice = "";
    } catch (error) {
      if (error instanceof Stopped) return this.#say("stopped");
      this.#say("error", failure(error));
    }
  }

  /** @param {string} ref */
  async #load(ref) {
    const name = this.checkpoints.catalogue.name(ref);
    const began = performance.now();
    if (!this.checkpoints.isLoaded(ref)) this.#say("loading", `Loading ${name}`);
    const progress = (/** @type {number} */ done, /** @type {number} */ total) => {
      const speed = done / Math.max(0.001, (performance.now() - began) / 1000);
      if (performance.now() - this.#said < INTERVAL) return;
      const text = done < total ? `Downloading ${name}: ${download(done, total, speed)}` : `Loading ${name}`;
      this.#say("loading", text, done / total, (total - done) / speed);
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

  /** @param {Result | Plans} result */
  give(result) {
    this.#results.push(result);
    if (performance.now() - this.#said > INTERVAL) this.#running();
  }

  /** So many steps of a kind have been done since the last call. @param {StepKind} kind */
  async count(kind, steps = 1) {
    const now = performance.now();
    this.checkpoints.note(kind.ref, (now - this.#since) / 1000, kind.batch * steps);
    this.#done.set(keyOf(kind), (this.#done.get(keyOf(kind)) ?? 0) + steps);
    this.#evaluations += kind.batch * steps;
    if (now - this.#heard > BREATH) {
      if (now - this.#said > INTERVAL) this.#running();
      await breath();
      this.#heard = performance.now();
    }
    this.#check();
    this.#since = performance.now();
  }

  #running() {
    const { steps } = /** @type {Plan} */ (this.plan);
    const progress = this.#evaluations / Math.max(1, evaluations(steps));
    this.#say("running", "", Math.min(1, progress), left(steps, this.checkpoints.pace, this.#done));
  }

  /** @param {State} state @param {string} text @param {number | null} progress @param {number | null} left @returns {void} */
  #say(state, text = "", progress = null, left = null) {
    if (isEnd(this.#state)) return;
    if (NEXT[this.#state].includes(state)) this.#state = state;
    else text = ""; // it stops
    this.#seq += 1;
    this.#said = performance.now();
    const results = this.#results;
    this.#results = [];
    const final = isEnd(this.#state);
    this.send({
      run: this.id,
      seq: this.#seq,
      state: this.#state,
      text,
      progress: final ? null : progress,
      left: final ? null : left,
      results,
    });
  }
}
