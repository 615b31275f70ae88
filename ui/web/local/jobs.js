// A run in the worker: its messages, as ui/runs/log.py numbers them, and how it is stopped between two steps.
import { token } from "../shared/run/client.js";
import { isEnd, NEXT } from "../shared/run/stream.js";
import { $, plain } from "./python.js";

/** @import { Lab } from "./lab.js" */
/** @import { State } from "../shared/run/stream.js" */

const INTERVAL = 100; // ms between two messages with results
const BREATH = 12; // ms of computing after which the worker hears whether it is to stop

class Stopped extends Error {}

/** What went wrong, for the visitor. @param {unknown} error @returns {string} */
export function sentence(error) {
  const { name, message } = /** @type {Error} */ (error);
  const own = !["TypeError", "RangeError", "ReferenceError", "SyntaxError"].includes(name);
  if (own) return $.module("ui.forms.units").sentence(error);
  console.error(error);
  if (/memory|allocation/i.test(message))
    return "There is not enough memory for this: try fewer pictures or a smaller model";
  return `This failed unexpectedly (${name}): load the page again, or choose other settings`;
}

/** The end of this turn of the worker. */
const breath = () => new Promise((resolve) => setTimeout(resolve));

export class Run {
  id = token();
  #seq = 0;
  /** @type {State} */
  #state = "queued";
  #leave = new AbortController(); // of what is being fetched
  /** @type {any[]} */
  #results = [];
  #said = 0; // when, as performance.now()
  #heard = 0;
  #since = 0; // the step under way began
  /** Steps of each kind. @type {any} */
  #done;
  /** Python's. @type {any} */
  computation = null;
  /** @type {any} */
  plan = null;
  /** What the computation keeps for files. @type {any} */
  recording = null;

  /** @param {Lab} lab @param {string} part @param {(message: any) => void} send */
  constructor(lab, part, send) {
    this.lab = lab;
    this.part = part;
    this.send = send;
    this.#done = $.dict([]);
  }

  stop() {
    this.#leave.abort();
    this.#say("stopping");
  }

  /** @param {() => Promise<any>} make the computation, or throw a sentence */
  async run(make) {
    try {
      this.#say("queued");
      this.computation = await make();
      /** @type {string[]} */
      const refs = this.computation.refs;
      const specs = () => refs.map((ref) => this.lab.spec(ref));
      if (specs().every(Boolean)) this.plan = this.computation.checked_plan(specs());
      const models = [];
      for (const ref of refs) models.push(await this.#load(ref));
      this.plan ??= this.computation.checked_plan(specs());
      this.recording = new this.computation.recording(this.plan);
      this.#say("running", "Running: the first step");
      await breath();
      this.#heard = this.#since = performance.now();
      await this.computation.compute(this.plan, models, this);
      this.#say("finished", this.lab.files.notice);
      this.lab.files.notice = "";
    } catch (error) {
      if (error instanceof Stopped) return this.#say("stopped");
      this.#say("error", sentence(error));
    }
  }

  /** @param {string} ref */
  async #load(ref) {
    const { short_name } = $.module("ui.models.catalogue");
    const { download } = $.module("ui.forms.units");
    const began = performance.now();
    if (!this.lab.isLoaded(ref)) this.#say("loading", `Loading ${short_name(ref)}`);
    const progress = (/** @type {number} */ done, /** @type {number} */ total) => {
      const speed = done / Math.max(0.001, (performance.now() - began) / 1000);
      if (performance.now() - this.#said < INTERVAL) return;
      const text =
        done < total ? `Downloading ${short_name(ref)}: ${download(done, total, speed)}` : `Loading ${short_name(ref)}`;
      this.#say("loading", text, done / total, (total - done) / speed);
    };
    const model = await this.lab.model(ref, progress, this.#leave.signal).catch((error) => {
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

  /** @param {any} result */
  give(result) {
    this.#results.push(plain(result));
    if (performance.now() - this.#said > INTERVAL) this.#running();
  }

  /** So many steps of a kind have been done since the last call. @param {any} kind */
  async count(kind, steps = 1) {
    const now = performance.now();
    this.lab.note(kind.ref, (now - this.#since) / 1000, kind.batch * steps);
    this.#done.set(kind, this.#done.get(kind, 0) + steps);
    if (now - this.#heard > BREATH) {
      if (now - this.#said > INTERVAL) this.#running();
      await breath();
      this.#heard = performance.now();
    }
    this.#check();
    this.#since = performance.now();
  }

  #running() {
    const { evaluations } = $.module("ui.runs.plans");
    const progress = evaluations(this.#done) / Math.max(1, evaluations(this.plan.steps));
    this.#say("running", "", Math.min(1, progress), plain(this.plan.left(this.lab.step_times, this.#done)));
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
