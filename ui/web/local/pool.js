// The workers of a run. A strand is a part of the run that one worker can compute alone, such as the chain of a
// picture. A helper is another worker: it gets the plan of the run and the numbers of its strands. The main worker
// computes the other strands and passes on all steps in the order in which the run takes them. A run may have several
// phases; the strands of a phase begin when the previous phase has ended.

import { gain, shares } from "../plans/strands.js";
import { isEnd } from "../run/stream.js";

/** @import { Outline, Plan } from "../plans/plan.js" */
/** @import { Computation, Loaded, Seen } from "../computing/computation.d.ts" */
/** @import { Checkpoints } from "./checkpoints.js" */
/** @import { Run } from "./jobs.js" */

/**
 * The strands of a phase that a helper computes. given: the argument of `Computation.chains`. numbers: the indices of
 * the strands.
 * @typedef {{ phase: number, given: any, numbers: number[] }} Share
 */
/** A helper's result: step `index` of strand `number`. @typedef {{ kind: "seen", number: number, index: number, seen: Seen }} StrandStep */
/**
 * The visitor's computer. memory: in GB. mobile: whether it is a phone. A value is undefined if the browser does not
 * report it.
 * @typedef {{ cores?: number, memory?: number, mobile?: boolean }} Machine
 */

const PATIENCE = 10_000; // ms without a step from a helper before it is ended; helpers with long steps have more time (see STEPS)
const STEPS = 3; // a helper always has at least the time of this many steps
const GLANCE = 100; // ms after which a waiting run checks whether it has to stop
/**
 * WORKER: bytes of a worker without a model. LOADED: bytes of memory for each byte of a model's files (measured in
 * docs/performance.md).
 */
const [WORKER, LOADED] = [10e6, 3];
const [LITTLE, MUCH] = [130e6, 1000e6]; // bytes of memory for all workers: MUCH on a computer with at least PLENTY of memory, LITTLE otherwise
const PLENTY = 8; // GB of memory

/** A part of a run that one worker can compute alone, with its computed steps. */
class Strand {
  /** Computed steps that the run has not taken yet. @type {Seen[]} */
  #ready = [];
  #known = 0; // number of steps that any worker has computed
  #made = 0; // number of steps that this worker has computed itself
  /** @type {AsyncIterator<Seen> | null} */
  #steps = null;
  #chains; // number of chains of this strand that have not ended
  at = Number.POSITIVE_INFINITY; // time s of the newest step
  seconds = 0; // duration of the newest step, in seconds
  /** The helper that computes the strand, null for this worker. @type {Helper | null} */
  helper = null;

  /** @param {Outline} outline @param {() => AsyncIterator<Seen>} begin */
  constructor({ cost, turn, chains = 1 }, begin) {
    this.begin = begin;
    this.turn = turn;
    this.#chains = cost ? chains : 0;
  }

  /** Whether all chains of the strand have ended. */
  get isDone() {
    return this.#chains === 0;
  }

  /**
   * Whether this worker computes the next step. If a helper takes over a strand that this worker has begun, this worker
   * goes on until the helper has caught up.
   */
  get isHere() {
    return !this.helper || (this.#made > 0 && this.#made === this.#known);
  }

  /** Compute the next step in this worker. */
  async make() {
    this.#steps ??= this.begin();
    const began = performance.now();
    const { value } = await this.#steps.next();
    this.take(this.#made++, { ...value, seconds: (performance.now() - began) / 1000 });
  }

  /**
   * Add a computed step, unless the strand has it already: when a helper joins or leaves, two workers may compute the
   * same step.
   * @param {number} index @param {Seen} seen
   */
  take(index, seen) {
    if (index !== this.#known) return;
    this.#known += 1;
    this.#ready.push(seen);
    this.at = seen.s ?? this.at;
    this.seconds = seen.seconds ?? this.seconds;
    if (seen.s === 0) this.#chains -= 1;
  }

  /** Return the next computed step, undefined if there is none yet. */
  next = () => this.#ready.shift();
}

/**
 * Return the strand whose step the run takes next, null if all strands are done: among the strands with the lowest `turn`
 * (see Outline), the strand with the largest time s.
 * @param {Strand[]} strands
 */
function nextStrand(strands) {
  /** @type {Strand | null} */
  let found = null;
  for (const one of strands.filter(({ isDone }) => !isDone))
    if (!found || one.turn < found.turn || (one.turn === found.turn && one.at > found.at)) found = one;
  return found;
}

/**
 * A helper: another worker, which computes some strands. This worker sends it questions in the format of the page's
 * client.
 */
class Helper {
  /**
   * The functions that take the answers to the questions, by the question's number.
   * @type {Map<number, (answer: any) => void>}
   */
  #takes = new Map();
  #asked = 0;
  #refs = ""; // names of the models that the helper has loaded or is loading
  /** @type {Promise<unknown>} */
  #loaded = Promise.resolve();
  heard = 0; // time of the last message from this helper, as performance.now()

  /** @param {Worker} worker @param {() => void} lost called when the worker fails */
  constructor(worker, lost) {
    this.worker = worker;
    this.lost = lost;
    worker.addEventListener("message", ({ data: { id, answer } }) => {
      this.heard = performance.now();
      const take = this.#takes.get(id);
      if (!answer.state || isEnd(answer.state)) this.#takes.delete(id); // a run sends several answers, every other question has one answer
      take?.(answer);
    });
    for (const wrong of ["error", "messageerror"]) worker.addEventListener(wrong, lost);
  }

  /** Send the helper a question. @param {Record<string, unknown>} question @param {(answer: any) => void} [take] called with each answer */
  ask(question, take = () => {}) {
    const id = ++this.#asked;
    this.#takes.set(id, take);
    this.worker.postMessage({ ...question, id });
  }

  /**
   * Let the helper load these checkpoints and forget all others.
   * @param {Record<string, unknown>} known facts of each checkpoint @returns a promise that resolves when the
   * checkpoints are loaded
   */
  load(known) {
    const refs = Object.keys(known).join("\n");
    if (refs !== this.#refs) {
      /** @type {Promise<unknown>} */
      const loaded = new Promise((resolve) => {
        const question = { verb: "ask", part: "engine", what: "load", values: { known } };
        const isNeeded = () => loaded === this.#loaded; // false if a later call needs other models
        this.ask(question, (answer) => (answer.error && isNeeded() ? this.lost() : resolve(null)));
      });
      this.#loaded = loaded;
    }
    this.#refs = refs;
    return this.#loaded;
  }
}

/** The strands of a phase of a run, which this worker and its helpers compute. */
class Shared {
  #wake = () => {}; // ends the waiting for a helper's message
  helpers = 0; // number of helpers that compute some strands

  /** @param {Run} work @param {Strand[]} strands @param {(helper: Helper) => void} lose ends a helper that is silent too long */
  constructor(work, strands, lose) {
    this.work = work;
    this.strands = strands;
    this.lose = lose;
  }

  /** Let a helper compute some strands. @param {Helper} helper @param {Share} share */
  join(helper, share) {
    const { part, plan } = this.work;
    for (const number of share.numbers) this.strands[number].helper = helper;
    this.helpers += 1;
    helper.ask({ verb: "run", part, plan, share }, ({ error, state, results = [] }) => {
      for (const { number, index, seen } of /** @type {StrandStep[]} */ (results))
        this.strands[number].take(index, seen);
      if (error || (isEnd(state) && state !== "finished")) this.leave(helper); // this worker takes over, and reports the error if the run itself causes it
      this.#wake();
    });
  }

  /** Give a helper's strands back to this worker. @param {Helper} helper */
  leave(helper) {
    const left = this.strands.filter((one) => one.helper === helper);
    if (left.length) this.helpers -= 1;
    for (const one of left) one.helper = null;
    this.#wake();
  }

  /** Return the next step of a strand, after computing other strands or waiting for a helper. @param {number} number @returns {Promise<Seen>} */
  async next(number) {
    const strand = this.strands[number];
    let waits = 0; // time at which the waiting began, as performance.now()
    for (;;) {
      const seen = strand.next();
      if (seen) return seen;
      const { helper } = strand;
      const own = strand.isHere ? strand : nextStrand(this.strands.filter(({ helper }) => !helper));
      if (own) await own.make();
      else if (helper && waits && performance.now() - Math.max(waits, helper.heard) > this.#patience) this.lose(helper);
      else {
        waits ||= performance.now();
        await this.#news();
      }
      if (own !== strand) await this.work.breathe();
    }
  }

  /** For how many ms a helper may send no step before it is ended. */
  get #patience() {
    return Math.max(PATIENCE, 1000 * STEPS * Math.max(...this.strands.map(({ seconds }) => seconds)));
  }

  /** Wait until a helper sends a message or leaves, but at most GLANCE ms. */
  #news() {
    return new Promise((resolve) => {
      this.#wake = () => resolve(null);
      setTimeout(resolve, GLANCE);
    });
  }
}

export class Pool {
  /** @type {Helper[]} */
  #helpers = [];
  #isClosed = false; // true once a helper could not start, has failed or could not load a model; then no new helper starts
  /** The phase that this worker and the helpers compute, null between phases. @type {Shared | null} */
  #now = null;

  /**
   * @param {Checkpoints} checkpoints @param {Machine} [machine]
   * @param {(() => Worker) | null} [start] starts a worker with the settings of this worker; null in a helper, because
   * helpers start no workers
   */
  constructor(checkpoints, machine = {}, start = null) {
    this.checkpoints = checkpoints;
    this.machine = machine;
    this.start = start;
  }

  /** Whether the browser reports at least PLENTY of memory, and that the device is no phone. */
  get isLarge() {
    const { memory = 0, mobile = true } = this.machine;
    return memory >= PLENTY && !mobile;
  }

  /**
   * Return how many workers a run of these checkpoints may have. Processor cores and memory limit this number.
   * @param {string[]} refs
   */
  limit(refs) {
    if (!this.start || refs.some((ref) => this.checkpoints.onGpu.has(ref))) return 1;
    const { cores = 1 } = this.machine;
    const each = refs.reduce((sum, ref) => sum + LOADED * this.checkpoints.bytes(ref), WORKER);
    const fit = Math.floor((this.isLarge ? MUCH : LITTLE) / each);
    return Math.max(1, Math.min(cores, fit, this.#isClosed ? 1 + this.#helpers.length : cores));
  }

  /** Return the speed of a run with its present helpers, relative to one worker. @param {Run} work */
  gain(work) {
    const helpers = this.#now?.work === work ? this.#now.helpers : 0;
    return gain(work.plan, 1 + helpers);
  }

  /**
   * Start a phase of a run: divide its strands among this worker and its helpers, and return these strands. There are
   * at most as many workers as strands in the largest phase.
   * @param {Run} work @param {number} phase @param {any} given argument of `Computation.chains`
   */
  share(work, phase, given) {
    const { computation, plan, models } = work;
    const { refs, strands: phases = [] } = plan;
    const { chains } = /** @type {Required<Computation>} */ (computation);
    const workers = Math.min(this.limit(refs), Math.max(...phases.map(({ length }) => length)));
    const begin = chains(plan, models, phase, given);
    const all = phases[phase].map((outline, number) => new Strand(outline, () => begin(number)));
    this.end();
    const shared = new Shared(work, all, (helper) => this.#lose(helper));
    this.#now = shared;
    const { owners } = shares(phases[phase], workers);
    const known = Object.fromEntries(refs.map((ref) => [ref, this.checkpoints.known(ref)]));
    for (let i = 1; i < workers && this.#helper(i - 1); i++) {
      const helper = this.#helpers[i - 1];
      helper.load(known).then(() => {
        const numbers = [...all.keys()].filter((number) => owners[number] === i && !all[number].isDone);
        if (this.#now === shared && numbers.length) shared.join(helper, { phase, given, numbers });
      });
    }
    return shared;
  }

  /** Stop the work of all helpers. @param {Run} [work] if given, stop them only if they compute this run */
  end(work) {
    if (!this.#now || (work && this.#now.work !== work)) return;
    for (const helper of this.#helpers) {
      this.#now.leave(helper);
      helper.ask({ verb: "ask", part: "engine", what: "rest", values: {} });
    }
    this.#now = null;
  }

  /**
   * Return helper `i`, after starting it if necessary, or null if it can't start.
   * @param {number} i @returns {Helper | null}
   */
  #helper(i) {
    if (this.#helpers[i] || this.#isClosed || !this.start) return this.#helpers[i] ?? null;
    try {
      const helper = new Helper(this.start(), () => {
        this.#isClosed = true;
        this.#lose(helper);
      });
      this.#helpers.push(helper);
      return helper;
    } catch (error) {
      console.warn("One worker less computes.", error);
      this.#isClosed = true;
      return null;
    }
  }

  /** End a helper. This worker then computes its strands. @param {Helper} helper */
  #lose(helper) {
    this.#helpers = this.#helpers.filter((one) => one !== helper);
    helper.worker.terminate();
    this.#now?.leave(helper);
  }
}

/**
 * Return the computation for a helper: it computes only the strands of the share.
 * @param {Computation} computation @param {Share} share @returns {Computation}
 */
export function helperRun(computation, { phase, given, numbers }) {
  /** @param {Plan} plan @param {Loaded[]} models @param {Run} work */
  async function compute(plan, models, work) {
    const { chains } = /** @type {Required<Computation>} */ (computation);
    const begin = chains(plan, models, phase, given);
    const outlines = plan.strands?.[phase] ?? [];
    const own = numbers.map((number) => new Strand(outlines[number], () => begin(number)));
    const made = numbers.map(() => 0);
    for (let strand = nextStrand(own); strand; strand = nextStrand(own)) {
      await strand.make();
      const i = own.indexOf(strand);
      work.addResult({ kind: "seen", number: numbers[i], index: made[i]++, seen: /** @type {Seen} */ (strand.next()) });
      await work.breathe();
    }
  }
  return { ...computation, compute };
}
