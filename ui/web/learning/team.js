// The page's side of the workers that train a network: sends them requests and joins their answers.

import { UserError } from "../process/errors.js";

/** @import { Learned } from "./learner.js" */
/** @import { Lane } from "./recipe.js" */

const GLANCE = 30_000; // ms between two checks of a worker; after GLANCES checks without a message from the worker, the page ends it
const GLANCES = 4;

const ENDED = "the browser ended a part of this training, perhaps because there was not enough memory: start it again";
const SILENT = "a part of this training does not answer any more: start it again";
const DIVERGED = "the loss is no number any more: choose a lower learning rate";

/** A training worker and its pending requests. */
export class Hand {
  /** @type {Map<number, { resolve: (answer: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();
  #asked = 0;
  #glances = 0; // number of checks since the worker's last message; checks happen only while a request is pending
  /** The error that stopped the worker. @type {Error | null} */
  #lost = null;

  /** @param {Worker} worker */
  constructor(worker) {
    this.worker = worker;
    worker.addEventListener("message", ({ data: { id, answer } }) => this.#hear(id, answer));
    for (const wrong of ["error", "messageerror"]) worker.addEventListener(wrong, () => this.#lose(ENDED));
    this.watch = setInterval(() => {
      this.#glances = this.#waiting.size ? this.#glances + 1 : 0;
      if (this.#glances > GLANCES) this.#lose(SILENT);
    }, GLANCE);
  }

  /** Settle the promise of a request with the worker's answer. @param {number} id of the request @param {any} answer */
  #hear(id, answer) {
    const { resolve, reject } = this.#waiting.get(id) ?? {};
    this.#waiting.delete(id);
    this.#glances = 0;
    if (answer.error) reject?.(new UserError(answer.error));
    else resolve?.(answer);
  }

  /** Treat the worker as failed: reject all pending and all later requests. @param {string} why the error message */
  #lose(why) {
    this.#lost = new UserError(why);
    for (const { reject } of this.#waiting.values()) reject(this.#lost);
    this.#waiting.clear();
  }

  /** Send the worker a request, and return the worker's answer. @param {number} lane @param {string} what method of the learner @param {object} values its argument @returns {Promise<any>} */
  ask(lane, what, values) {
    return new Promise((resolve, reject) => {
      if (this.#lost) return reject(this.#lost);
      const id = ++this.#asked;
      this.#waiting.set(id, { resolve, reject });
      this.worker.postMessage({ verb: "learn", id, lane, what, values });
    });
  }

  /** End the worker, and drop its pending requests. */
  end() {
    clearInterval(this.watch);
    this.#lose(ENDED);
    this.worker.terminate();
  }
}

/** The workers of a lane. */
export class Team {
  /** @param {number} lane @param {Hand[]} hands @param {boolean} isAveraged */
  constructor(lane, hands, isAveraged) {
    this.lane = lane;
    this.hands = hands;
    this.isAveraged = isAveraged;
  }

  /** Send all workers a request, and return their answers. @param {string} what method of the learner @param {(i: number) => object} values argument for worker i */
  ask(what, values = () => ({})) {
    return Promise.all(this.hands.map((hand, i) => hand.ask(this.lane, what, values(i))));
  }

  /** Return a copy of a list with null at index i, because worker i already has this entry. @template T @param {T[]} all @param {number} i */
  #others = (all, i) => all.map((one, j) => (j === i ? null : one));

  /** Train one step with all workers, and return its loss. @param {number} step */
  async step(step) {
    const gradients = await this.ask("gradient", () => ({ step }));
    const parts = (/** @type {number} */ i) => gradients.flatMap(({ parts }, j) => (j === i ? [] : [parts[i]]));
    const sums = await this.ask("sum", (i) => ({ parts: parts(i) }));
    const norm = Math.sqrt(sums.reduce((sum, { squares }) => sum + squares, 0));
    const loss = gradients.reduce((sum, { loss }) => sum + loss, 0);
    if (!Number.isFinite(loss + norm)) throw new UserError(DIVERGED);
    const made = await this.ask("step", () => ({ step, norm }));
    const ranges = made.map(({ weights }) => weights);
    if (ranges.length > 1) await this.ask("put", (i) => ({ ranges: this.#others(ranges, i) }));
    return loss;
  }

  /** Let the workers draw samples and measure the errors of x̂_0. @returns {Promise<Omit<Lane, "loss">>} */
  async look() {
    const shares = this.isAveraged ? await this.ask("averages") : [];
    const averages = this.isAveraged ? shares.map(({ range }) => range) : null;
    const found = await this.ask("look", () => ({ averages }));
    const jobs = found[0].found.map((/** @type {any} */ _, /** @type {number} */ job) =>
      found.map(({ found }) => found[job]).find((one) => one !== null),
    );
    const errors = jobs.filter((/** @type {any} */ job) => typeof job === "number");
    const pictures = jobs.filter((/** @type {any} */ job) => Array.isArray(job)).flat();
    const half = this.isAveraged ? pictures.length / 2 : pictures.length;
    const latest = this.isAveraged ? joined(pictures.slice(half)) : null;
    return { averaged: joined(pictures.slice(0, half)), latest, errors };
  }

  /** Return the lane's state, joined from all workers. @returns {Promise<Learned>} */
  async collect() {
    const shares = /** @type {Learned[]} */ (await this.ask("collect"));
    const whole = (/** @type {keyof Learned} */ what) => new Map(shares.flatMap((share) => [...share[what]]));
    return { weights: whole("weights"), averages: whole("averages"), moments: whole("moments") };
  }
}

/** Concatenate pictures. @param {Uint8Array[]} pictures */
function joined(pictures) {
  const whole = new Uint8Array(pictures.length * pictures[0].length);
  for (const [i, one] of pictures.entries()) whole.set(one, i * one.length);
  return whole;
}
