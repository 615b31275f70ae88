// The workers of a run. A strand is what one of them computes without the others: the chain of a picture. Another worker
// gets the plan of the run with the numbers of its strands. This one computes all other strands, and puts the steps together
// in the order in which the run asks for them.

import { gain, shares } from "../plans/strands.js";
import { isEnd } from "../run/stream.js";

/** @import { Outline, Plan } from "../plans/plan.js" */
/** @import { Computation, Loaded, Seen } from "../computing/computation.d.ts" */
/** @import { Checkpoints } from "./checkpoints.js" */
/** @import { Run } from "./jobs.js" */

/** The share of a computation that another worker takes. given: the argument of `Computation.chains`. @typedef {{ phase: number, given: any, numbers: number[] }} Share */
/** A step of it. @typedef {{ kind: "seen", number: number, index: number, seen: Seen }} StrandStep */
/** What the page knows of the computer. memory: in GB, and whether it is a phone; undefined where a browser does not say. @typedef {{ cores?: number, memory?: number, mobile?: boolean }} Machine */

const PATIENCE = 10_000; // ms without a step after which a worker is given up,
const STEPS = 3; // unless so many steps take longer
const GLANCE = 100; // ms after which a run that waits looks whether it is to stop
/** Bytes of a worker without a model; what a model takes, in bytes of its files. Measured: see docs/performance.md. */
const [WORKER, LOADED] = [10e6, 3];
const [LITTLE, MUCH] = [130e6, 1000e6]; // bytes that all workers may take; the second where a browser says that there is much
const PLENTY = 8; // GB

class Strand {
  /** Steps that were not asked for yet. @type {Seen[]} */
  #ready = [];
  #known = 0; // steps that were asked for or are ready
  #made = 0; // steps that this worker has computed
  /** @type {AsyncIterator<Seen> | null} */
  #steps = null;
  #chains; // that have not ended
  at = Number.POSITIVE_INFINITY; // s of the newest step,
  seconds = 0; // and what it took
  /** Who computes it, null for this worker. @type {Helper | null} */
  helper = null;

  /** @param {Outline} outline @param {() => AsyncIterator<Seen>} begin */
  constructor({ cost, turn, chains = 1 }, begin) {
    this.begin = begin;
    this.turn = turn;
    this.#chains = cost ? chains : 0;
  }

  get isDone() {
    return this.#chains === 0;
  }

  /** Whether this worker computes the next step. It goes on until a helper that joined late has caught up. */
  get isHere() {
    return !this.helper || (this.#made > 0 && this.#made === this.#known);
  }

  /** Compute a step. */
  async make() {
    this.#steps ??= this.begin();
    const began = performance.now();
    const { value } = await this.#steps.next();
    this.take(this.#made++, { ...value, seconds: (performance.now() - began) / 1000 });
  }

  /** A step was computed; a second time where a helper has come or gone. @param {number} index @param {Seen} seen */
  take(index, seen) {
    if (index !== this.#known) return;
    this.#known += 1;
    this.#ready.push(seen);
    this.at = seen.s ?? this.at;
    this.seconds = seen.seconds ?? this.seconds;
    if (seen.s === 0) this.#chains -= 1;
  }

  /** The next step, if it is here. */
  next = () => this.#ready.shift();
}

/** The strand whose step is computed next, null when all are done. @param {Strand[]} strands */
function nextStrand(strands) {
  /** @type {Strand | null} */
  let found = null;
  for (const one of strands.filter(({ isDone }) => !isDone))
    if (!found || one.turn < found.turn || (one.turn === found.turn && one.at > found.at)) found = one;
  return found;
}

/** Another worker, which is asked as the page asks the first one. */
class Helper {
  /** What hears the answers of each question. @type {Map<number, (answer: any) => void>} */
  #takes = new Map();
  #asked = 0;
  #refs = ""; // that it has loaded, or is loading
  /** @type {Promise<unknown>} */
  #loaded = Promise.resolve();
  heard = 0; // when, as performance.now()

  /** @param {Worker} worker @param {() => void} lost */
  constructor(worker, lost) {
    this.worker = worker;
    this.lost = lost;
    worker.addEventListener("message", ({ data: { id, answer } }) => {
      this.heard = performance.now();
      const take = this.#takes.get(id);
      if (!answer.state || isEnd(answer.state)) this.#takes.delete(id); // a run gives many
      take?.(answer);
    });
    for (const wrong of ["error", "messageerror"]) worker.addEventListener(wrong, lost);
  }

  /** @param {Record<string, unknown>} question @param {(answer: any) => void} [take] */
  ask(question, take = () => {}) {
    const id = ++this.#asked;
    this.#takes.set(id, take);
    this.worker.postMessage({ ...question, id });
  }

  /** Load checkpoints, and forget all others. @param {Record<string, unknown>} known what is known of each */
  load(known) {
    const refs = Object.keys(known).join("\n");
    if (refs !== this.#refs) {
      /** @type {Promise<unknown>} */
      const loaded = new Promise((resolve) => {
        const question = { verb: "ask", part: "engine", what: "load", values: { known } };
        const isNeeded = () => loaded === this.#loaded; // it may be told to forget what it loads
        this.ask(question, (answer) => (answer.error && isNeeded() ? this.lost() : resolve(null)));
      });
      this.#loaded = loaded;
    }
    this.#refs = refs;
    return this.#loaded;
  }
}

/** The strands of a phase of a run. */
class Shared {
  #wake = () => {};
  helpers = 0; // that compute some of them

  /** @param {Run} work @param {Strand[]} strands @param {(helper: Helper) => void} lose */
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
      if (error || (isEnd(state) && state !== "finished")) this.leave(helper); // an error of the run comes here, too
      this.#wake();
    });
  }

  /** From now on this worker computes what a helper did. @param {Helper} helper */
  leave(helper) {
    const left = this.strands.filter((one) => one.helper === helper);
    if (left.length) this.helpers -= 1;
    for (const one of left) one.helper = null;
    this.#wake();
  }

  /** The next step of a strand. @param {number} number @returns {Promise<Seen>} */
  async next(number) {
    const strand = this.strands[number];
    let waits = 0; // since when, as performance.now()
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

  /** How long a helper may be silent, in ms. */
  get #patience() {
    return Math.max(PATIENCE, 1000 * STEPS * Math.max(...this.strands.map(({ seconds }) => seconds)));
  }

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
  #isClosed = false; // one could not begin, has failed, or can't load a model: there are no new ones
  /** What they compute now. @type {Shared | null} */
  #now = null;

  /**
   * @param {Checkpoints} checkpoints @param {Machine} [machine]
   * @param {(() => Worker) | null} [start] another worker, which has been told what this one was at its beginning
   */
  constructor(checkpoints, machine = {}, start = null) {
    this.checkpoints = checkpoints;
    this.machine = machine;
    this.start = start;
  }

  /** Whether the browser says that there is much memory. */
  get isLarge() {
    const { memory = 0, mobile = true } = this.machine;
    return memory >= PLENTY && !mobile;
  }

  /** How many workers a run of some checkpoints may have. @param {string[]} refs */
  limit(refs) {
    if (!this.start || refs.some((ref) => this.checkpoints.onGpu.has(ref))) return 1;
    const { cores = 1 } = this.machine;
    const each = refs.reduce((sum, ref) => sum + LOADED * this.checkpoints.bytes(ref), WORKER);
    const fit = Math.floor((this.isLarge ? MUCH : LITTLE) / each);
    return Math.max(1, Math.min(cores, fit, this.#isClosed ? 1 + this.#helpers.length : cores));
  }

  /** How many times as quick a run is as with one worker, now. @param {Run} work */
  gain(work) {
    const helpers = this.#now?.work === work ? this.#now.helpers : 0;
    return gain(work.plan, 1 + helpers);
  }

  /** Begin the strands of a phase of a run, with as many workers as there are strands in its largest phase. @param {Run} work @param {number} phase @param {any} given */
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

  /** No helper computes any more. @param {Run} [work] only for this run */
  end(work) {
    if (!this.#now || (work && this.#now.work !== work)) return;
    for (const helper of this.#helpers) {
      this.#now.leave(helper);
      helper.ask({ verb: "ask", part: "engine", what: "rest", values: {} });
    }
    this.#now = null;
  }

  /** The helper of a number, which may have to begin. @param {number} i @returns {Helper | null} */
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

  /** @param {Helper} helper */
  #lose(helper) {
    this.#helpers = this.#helpers.filter((one) => one !== helper);
    helper.worker.terminate();
    this.#now?.leave(helper);
  }
}

/** What a run is in a helper: the steps of its share. @param {Computation} computation @param {Share} share @returns {Computation} */
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
      work.give({ kind: "seen", number: numbers[i], index: made[i]++, seen: /** @type {Seen} */ (strand.next()) });
      await work.breathe();
    }
  }
  return { ...computation, compute };
}
