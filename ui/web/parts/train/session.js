// The training of this page. There is one at a time; it goes on in other parts and other tabs, and is kept while it goes on.

import { UserError } from "../../process/errors.js";
import { RUN as SAID } from "../../words/train.js";
import { failure } from "../../words/units.js";
import { NEXT, SHOWS } from "./standing.js";
import { LiveTrack } from "./track.js";

/** @import { Values } from "../../messages/client.js" */
/** @import { Pictures } from "../../learning/pictures.js" */
/** @import { Grid, Recipe } from "../../learning/recipe.js" */
/** @import { News, Snapshot, Training } from "../../learning/training.js" */
/** @import { Action, Standing } from "./standing.js" */
/** @import { Losses } from "./track.js" */

/**
 * What is asked for. values: of the form.
 * @typedef {{ values: Values, titles: string[], pictures: Pictures, recipes: Recipe[] }} Asked
 */
/** What the browser keeps of a training. @typedef {Asked & { snapshot: Snapshot, grids: Grid[], losses: Losses[], step: number, images: number, seconds: number, isOver: boolean }} Record */
/**
 * What a session is made of, so that node can test it. make: a training of these lanes. keep: puts a record on the shelf. alone:
 * gets the right to train, and what gives it back. now: milliseconds.
 * @typedef {object} Means
 * @property {(asked: Asked, snapshot?: Snapshot) => Promise<Training>} make
 * @property {(record: Record) => Promise<unknown>} keep
 * @property {() => Promise<(() => void) | null>} alone
 * @property {() => number} now
 */

const EVERY = 10_000; // ms between two times that a training is kept

export class Session {
  /** @type {Standing} */
  state = "idle";
  error = ""; // why it has failed, in a sentence
  isKept = true; // whether the browser can keep it
  /** @type {Asked | null} */
  asked = null;
  /** @type {LiveTrack | null} */
  track = null;
  /** The step whose weights the visitor has kept or used; −1 for none. */
  safe = -1;
  /** @type {Training | null} */
  #training = null;
  /** @type {Snapshot | null} */
  #snapshot = null;
  #keptAt = 0;
  #keeping = false;
  /** Gives the right to train back. @type {(() => void) | null} */
  #release = null;

  /** @param {Means} means @param {() => void} changed */
  constructor(means, changed) {
    this.means = means;
    this.changed = changed;
  }

  /** Move on to the state that follows this event. Returns whether there is one. @param {string} event */
  on(event) {
    const next = NEXT[this.state][event];
    if (next) this.state = next;
    if (!SHOWS[this.state].works && this.state !== "paused") this.#free();
    this.changed();
    return next !== undefined;
  }

  /** The buttons of now. @returns {Action[]} */
  get buttons() {
    return SHOWS[this.state].buttons.filter((name) => name !== "resume" || this.#training || this.#snapshot);
  }

  /** Whether it has learned something that is neither kept nor used. */
  get isUnsaved() {
    return SHOWS[this.state].model && (this.track?.step ?? 0) > 0 && this.safe !== this.track?.step;
  }

  /** Begin a training, in the place of the one before. @param {() => Promise<Asked>} read gets what is asked for */
  async begin(read) {
    this.#end();
    if (!this.on("begin")) return;
    Object.assign(this, { error: "", track: null, asked: null, safe: -1, isKept: true });
    try {
      await this.#hold();
      const asked = await read();
      if (this.state !== "preparing") return; // stopped meanwhile
      this.asked = asked;
      this.track = new LiveTrack(asked.titles, asked.recipes[0].images, asked.pictures);
      await this.#learn();
    } catch (error) {
      this.#fail(error);
    }
  }

  pause = () => this.#training?.pause();

  /** Go on with a training that was paused, stopped, or kept when the page was left. */
  async resume() {
    try {
      await this.#hold();
      if (this.state === "paused") await this.#training?.resume();
      else {
        this.#training = null;
        await this.#learn(this.#snapshot ?? undefined);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  stop() {
    if (this.#training) return this.#training.stop();
    return this.on("stop");
  }

  /** The page was loaded again: take the training of before. @param {Record} record */
  find(record) {
    const { values, titles, pictures, recipes } = record;
    const { snapshot, grids, losses, step, images, seconds, isOver } = record;
    if (!this.on(isOver ? "open" : "find")) return;
    this.asked = { values, titles, pictures, recipes };
    this.#snapshot = snapshot;
    this.track = new LiveTrack(titles, recipes[0].images, pictures);
    for (const one of grids) this.track.add(one);
    Object.assign(this.track, { losses, step, images, seconds });
    this.changed();
  }

  /** The weights of a lane by the names of its tensors. @param {number} lane */
  async weights(lane) {
    if (!this.asked) throw new Error("there is no training");
    this.#training ??= await this.means.make(this.asked, this.#snapshot ?? undefined);
    return this.#training.weights(lane, Boolean(this.asked.recipes[lane].average));
  }

  /** Put the training on the shelf, unless that is under way. */
  async keep() {
    const { asked, track } = this;
    const training = this.#training;
    if (!training || !asked || !track || this.#keeping) return;
    this.#keeping = true;
    this.#keptAt = this.means.now();
    try {
      const snapshot = await training.snapshot();
      if (training !== this.#training) return; // another one has begun
      this.#snapshot = snapshot;
      const { grids, losses, step, images, seconds } = track;
      const isOver = this.state === "finished";
      await this.means.keep({ ...asked, snapshot, grids, losses, step, images, seconds, isOver });
      this.isKept = true;
    } catch (error) {
      console.error(error);
      this.isKept = false;
      this.changed();
    } finally {
      this.#keeping = false;
    }
  }

  // --- Its training

  /** @param {Snapshot} [snapshot] to go on with */
  async #learn(snapshot) {
    const { asked } = this;
    if (!asked) return;
    this.on(snapshot ? "resume" : "learn");
    const training = await this.means.make(asked, snapshot);
    if (this.asked !== asked || this.state !== "starting") return;
    this.#training = training;
    this.#keptAt = this.means.now();
    training.onNews = (news) => training === this.#training && this.#hear(training, news);
    await training.start();
  }

  /** @param {Training} training @param {News} news */
  #hear(training, news) {
    if (news.kind === "wrong") return this.#fail(news.error);
    if (news.kind === "step") this.track?.learn(news);
    if (news.kind === "grid") this.track?.add(news.grid);
    if (news.kind === "state") this.on(training.state);
    else this.changed();
    const isOver = news.kind === "state" && ["paused", "stopped", "finished"].includes(this.state);
    if (isOver || this.means.now() - this.#keptAt > EVERY) this.keep();
    return undefined;
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#end();
    this.error = failure(error);
    this.on("fail");
  }

  #end() {
    this.#training?.stop();
    this.#training = null;
  }

  /** Get the right to train; throws where another window has it. */
  async #hold() {
    this.#release ??= await this.means.alone();
    if (!this.#release) throw new UserError(SAID.elsewhere);
  }

  #free() {
    this.#release?.();
    this.#release = null;
  }
}
