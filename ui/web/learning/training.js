// Trains one or two networks step by step in workers, and reports progress to the page. This file does not wait for
// timers, because they fire rarely in a hidden page.

import { UserError } from "../process/errors.js";
import { failure } from "../words/units.js";
import { configOf, stepsOf } from "./recipe.js";
import { initialWeights, shapesOf } from "./shapes.js";
import { Hand, Team } from "./team.js";

/** @import { Learned } from "./learner.js" */
/** @import { Pictures } from "./pictures.js" */
/** @import { Grid, Published, Recipe } from "./recipe.js" */

/** @typedef {"starting" | "running" | "paused" | "stopped" | "finished" | "failed"} State */
/**
 * The stored state of a training, as a plain object.
 * @typedef {object} Snapshot
 * @property {Recipe[]} recipes
 * @property {number} step index of the next step @property {number} seconds of training so far
 * @property {Learned[]} lanes
 * @property {History} history
 */
/** The history of a training. losses: for each lane, the loss of each step. grids: each has the samples and errors at one step. @typedef {{ losses: number[][], grids: Grid[] }} History */
/**
 * News for the page. rate: pictures a second, measured over the last steps. left: estimated seconds until the end.
 * @typedef {{ kind: "state" }
 *   | { kind: "step", step: number, images: number, losses: number[], seconds: number, rate: number, left: number }
 *   | { kind: "grid", grid: Grid } | { kind: "wrong", error: string }} News
 */
/**
 * How a training runs. workers: their number, see `workersFor`. start: makes a worker. weights: the initial weights
 * of each lane, null for random ones. snapshot: the state to continue from.
 * @typedef {{ workers: number, start?: () => Worker, weights?: (Published | null)[], snapshot?: Snapshot | null }} How
 */

const FIRST = 2; // seconds of training before the first grid
const SHARE = 0.1; // later grids may take this fraction of the training time
const RECENT = 20; // the rate is an average over the steps of this many last seconds
const SMOOTH = 0.9; // weight of the earlier steps in the averaged loss
const GRIDS = 64; // largest number of grids in a history
const TRIES = 4; // number of steps in which the rate is measured; the first step is not timed, because it also loads the kernel
const [IMAGES, WEIGHTS] = [35e6, 21e6]; // bytes of memory that a worker needs for images and for weights, for 16 channels and 28 × 28 pixels
const [LITTLE, MUCH, PLENTY] = [135e6, 1000e6, 8]; // limit for the memory of all workers, in bytes: MUCH on a machine with at least PLENTY GB, else LITTLE

const OVER = "the weights of this training are lost: start it again";

/** Start a worker from the page's own script. */
const pageWorker = () => new Worker(new URL("../local/worker.js", import.meta.url), { type: "module" });

/**
 * Return the best number of workers for a training, by memory and cores. If there are more than two cores, one core
 * stays free.
 * @param {Recipe} recipe @param {Pick<Pictures, "side">} pictures
 * @param {{ cores?: number, memory?: number, mobile?: boolean }} machine memory: in GB, undefined if the browser does
 * not report it
 */
export function workersFor({ widths }, { side }, { cores = 1, memory = 0, mobile = true }) {
  const wide = widths[0] / 16;
  const each = IMAGES * wide * (side / 28) ** 2 + WEIGHTS * wide ** 2;
  const most = Math.floor((memory >= PLENTY && !mobile ? MUCH : LITTLE) / each);
  const free = cores > 2 ? cores - 1 : cores;
  return Math.max(...[1, 2, 4].filter((count) => count === 1 || count <= Math.min(most, free)));
}

/** Return how many pictures a second a number of workers train on; 0 if a worker fails. The workers train a network on blank pictures, which is then discarded. @param {Recipe} recipe @param {number} workers @param {() => Worker} [start] a new one */
export async function measureRate(recipe, workers, start) {
  const { batch: count } = recipe;
  const images = new Uint8Array(count * 28 * 28);
  const blank = {
    images,
    count,
    side: /** @type {const} */ (28),
    channels: /** @type {const} */ (1),
    originals: images,
  };
  const training = new Training({ ...blank, kind: "own", labels: null, classes: [] }, [recipe], { workers, start });
  let began = 0;
  const measured = new Promise((resolve) => {
    training.onNews = (news) => {
      if (training.isOver) resolve(0);
      if (news.kind !== "step") return;
      if (news.step === 1) began = news.seconds;
      if (news.step === TRIES) resolve(((TRIES - 1) * count) / (news.seconds - began));
    };
  });
  training.start();
  const rate = /** @type {number} */ (await measured);
  training.stop();
  return rate;
}

/** Return the moving average of the losses of all steps. @param {number[]} losses */
const smooth = (losses) => losses.reduce((mean, loss) => SMOOTH * mean + (1 - SMOOTH) * loss);

/** Copy a history, so that later steps don't change the copy. @param {History} history @returns {History} */
const copied = ({ losses, grids }) => ({ losses: losses.map((each) => [...each]), grids: [...grids] });

export class Training {
  /** @type {State} */
  state = "starting";
  /** The page's handler of news. @type {(news: News) => void} */
  onNews = () => {};
  /** What the visitor wants the training to do after the current step. @type {"run" | "pause" | "stop"} */
  #wish = "run";
  #wake = () => {}; // resolves the promise `#change`
  #change = this.#next();
  /** A promise that resolves when the newest task ends. Steps, grids and copies of the weights are such tasks, which run one after the other. @type {Promise<unknown>} */
  #turn = Promise.resolve();
  /** @type {Promise<void> | null} */
  #run = null;
  /** @type {Hand[]} */
  #hands = [];
  /** @type {Team[]} */
  #teams = [];
  #looked = { at: 0, took: 0 }; // `at`: seconds of training at the end of the newest grid; `took`: seconds that this grid took
  /** The ends of the last steps: the seconds of training, and the number of steps, until then. @type {{ seconds: number, step: number }[]} */
  #marks = [];
  /** The snapshot at the end of the training. @type {Snapshot | null} */
  #end = null;

  /** @param {Pictures} pictures @param {Recipe[]} lanes one or two, which train in the same steps @param {How} how */
  constructor(pictures, lanes, how) {
    this.pictures = pictures;
    this.lanes = lanes;
    this.how = { ...how };
    this.steps = stepsOf(lanes[0]);
    this.configs = lanes.map((recipe) => configOf(recipe, pictures));
    const begin = { step: 0, seconds: 0, history: { losses: lanes.map(() => []), grids: [] } };
    const { step, seconds, history } = how.snapshot ?? begin;
    this.step = step;
    this.seconds = seconds;
    this.history = copied(history);
  }

  get isOver() {
    return this.state === "stopped" || this.state === "finished" || this.state === "failed";
  }

  // --- The methods that the page calls. The promises of these methods resolve when the current step has ended and the training has
  // changed its state

  start() {
    this.#run ??= this.#learn();
    return this.#until("run", "running");
  }

  pause = () => this.#until("pause", "paused");

  resume = () => this.#until("run", "running");

  stop() {
    if (!this.#run) this.#enter("stopped");
    return this.#until("stop", "stopped");
  }

  /** Return all data for resuming the training later. @returns {Promise<Snapshot>} */
  snapshot() {
    return this.#alone(async () => {
      if (this.isOver && !this.#end) throw new UserError(OVER);
      return this.#end ?? this.#collect();
    });
  }

  /** Return the weights of a lane by name. @param {number} lane @param {boolean} averaged true for the averaged weights, false for the latest weights */
  async weights(lane, averaged = true) {
    const { lanes } = await this.snapshot();
    return lanes[lane][averaged ? "averages" : "weights"];
  }

  /** Return the averaged weights of a lane with their shapes, by name. @param {number} lane */
  async tensors(lane) {
    const values = await this.weights(lane);
    const shapes = shapesOf(this.configs[lane]["config.json"]);
    return new Map(
      [...shapes].map(([name, shape]) => [name, { shape, values: /** @type {Float32Array} */ (values.get(name)) }]),
    );
  }

  // --- States

  /** Return a promise that resolves at the next change of the state or of the wish. */
  #next() {
    return new Promise((resolve) => {
      this.#wake = () => resolve(null);
    });
  }

  /** Resolve the promise `#change`, and replace it by a new one. */
  #notify() {
    const wake = this.#wake;
    this.#change = this.#next();
    wake();
  }

  /** Set the wish. Wait until the training has reached this state, is over, or gets another wish. @param {"run" | "pause" | "stop"} wish @param {State} state */
  async #until(wish, state) {
    if (this.#wish !== "stop") this.#wish = wish;
    this.#notify();
    while (this.#wish === wish && this.state !== state && !this.isOver) await this.#change;
  }

  /** Change the state, and report this. @param {State} state */
  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.#tell({ kind: "state" });
    this.#notify();
  }

  /** Report news to the page. An error in the page's handler does not end the training. @param {News} news */
  #tell(news) {
    try {
      this.onNews(news);
    } catch (error) {
      console.error(error);
    }
  }

  /** Run a task between two steps. @template T @param {() => Promise<T>} task */
  #alone(task) {
    const done = Promise.allSettled([this.#turn]).then(task); // if a task fails, its caller handles the error; the next task runs all the same
    this.#turn = done;
    return done;
  }

  // --- Learning

  /** Train until the end or until the visitor stops it, then collect the weights. */
  async #learn() {
    try {
      await this.#alone(() => this.#begin());
      while (this.step < this.steps && this.#wish !== "stop") {
        const isPaused = this.#wish === "pause";
        this.#enter(isPaused ? "paused" : "running");
        if (!isPaused) await this.#alone(() => this.#advance());
        else if (this.#wish === "pause") await this.#change; // a handler of the state "paused" may have resumed the training
      }
      this.#end = await this.#alone(() => this.#collect());
      this.#enter(this.step < this.steps ? "stopped" : "finished");
    } catch (error) {
      this.#tell({ kind: "wrong", error: failure(error) });
      this.#enter("failed");
    } finally {
      for (const hand of this.#hands) hand.end();
    }
  }

  /** Start the workers, and divide them equally among the lanes. */
  async #begin() {
    const { lanes, how, pictures, configs } = this;
    const each = Math.max(1, Math.floor(how.workers / lanes.length));
    const count = Math.min(Math.max(1, how.workers), each * lanes.length);
    this.#hands = Array.from({ length: count }, () => new Hand((how.start ?? pageWorker)()));
    this.#teams = lanes.map((recipe, lane) => {
      const hands = this.#hands.slice((lane * each) % count).slice(0, each);
      return new Team(lane, hands, recipe.average > 0);
    });
    const begin = (/** @type {Team} */ team, /** @type {Recipe} */ recipe, /** @type {number} */ lane) => {
      const { "config.json": config, "scheduler_config.json": scheduler } = configs[lane];
      const learned = how.snapshot?.lanes[lane] ?? null;
      const weights = how.weights?.[lane] ?? initialWeights(shapesOf(config), recipe.seed);
      const rest = { recipe, config, scheduler, learned, weights: learned ? null : weights, seed: lanes[0].seed };
      const shown = { ...pictures, originals: new Uint8Array() };
      return team.ask("begin", (index) => ({ ...rest, pictures: shown, index, workers: team.hands.length }));
    };
    await Promise.all(this.#teams.map((team, lane) => begin(team, lanes[lane], lane)));
    how.snapshot = null; // free the memory: a snapshot is as large as all networks together
    this.#looked.at = this.seconds;
    this.#marks = [{ seconds: this.seconds, step: this.step }];
  }

  /** Take a step, and draw a grid if one is due. */
  async #advance() {
    const losses = await this.#timed(() => Promise.all(this.#teams.map((team) => team.step(this.step))));
    for (const [lane, loss] of losses.entries()) this.history.losses[lane].push(loss);
    this.step += 1;
    this.#mark();
    const { step, seconds, images, rate } = this;
    const left = ((this.steps - step) * this.lanes[0].batch) / rate;
    this.#tell({ kind: "step", step, images, losses, seconds, rate, left });
    const { at, took } = this.#looked;
    const isDue = seconds - at >= (took ? took * (1 / SHARE - 1) : FIRST);
    if (step === this.steps || (isDue && this.#wish === "run")) await this.#look();
  }

  /** Number of pictures that each lane has seen. */
  get images() {
    return this.step * this.lanes[0].batch;
  }

  /** Pictures a second, averaged over the last steps. */
  get rate() {
    const [first, last] = [this.#marks[0], this.#marks[this.#marks.length - 1]];
    return ((last.step - first.step) * this.lanes[0].batch) / (last.seconds - first.seconds || 1e-3);
  }

  /** Record when a step ended, and discard old records. */
  #mark() {
    const { seconds, step } = this;
    this.#marks.push({ seconds, step });
    while (this.#marks.length > 2 && this.#marks[0].seconds < seconds - RECENT) this.#marks.shift();
  }

  /** Run a task, add its duration to the seconds of training, and return its result. @template T @param {() => Promise<T>} task */
  async #timed(task) {
    const began = performance.now();
    const found = await task();
    this.seconds += (performance.now() - began) / 1000;
    return found;
  }

  /** Draw the samples and measure the errors of a grid, and report it. */
  async #look() {
    const { step, images, seconds, history } = this;
    const found = await this.#timed(() => Promise.all(this.#teams.map((team) => team.look())));
    const lanes = found.map((lane, i) => ({ ...lane, loss: smooth(history.losses[i]) }));
    this.#looked = { at: this.seconds, took: this.seconds - seconds };
    if (history.grids.length === GRIDS) history.grids = history.grids.filter((_, i) => i % 2);
    const grid = { step, images, seconds, lanes };
    history.grids.push(grid);
    this.#tell({ kind: "grid", grid });
  }

  /** Collect the state of all lanes from the workers. @returns {Promise<Snapshot>} */
  async #collect() {
    const { step, seconds, history } = this;
    const lanes = await Promise.all(this.#teams.map((team) => team.collect()));
    return { recipes: this.lanes, step, seconds, lanes, history: copied(history) };
  }
}
