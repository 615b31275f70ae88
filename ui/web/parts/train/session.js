// The training of this page. There is one at a time; it goes on in other parts and other tabs, and is kept while it goes on.

import { UserError } from "../../process/errors.js";
import { failure } from "../../words/units.js";
import { NEXT, SHOWS } from "./standing.js";
import { LiveTrack } from "./track.js";

/** @import { Values } from "../../messages/client.js" */
/** @import { Pictures } from "../../learning/pictures.js" */
/** @import { Recipe } from "../../learning/recipe.js" */
/** @import { Tensors } from "../../learning/shapes.js" */
/** @import { History, News, Snapshot, Training } from "../../learning/training.js" */
/** @import { Action, Standing } from "./words.js" */

/**
 * What is asked for. values: of the form.
 * @typedef {{ values: Values, titles: string[], pictures: Pictures, recipes: Recipe[] }} Asked
 */
/** A training as the browser keeps it. isOver: whether it has finished. @typedef {Asked & { snapshot: Snapshot, isOver: boolean }} Kept */
/**
 * What a session is made of, so that node can test it. make: a training of these lanes. keep: puts a record on the shelf; a sentence where that is not possible, else "". alone:
 * gets the right to train, and what gives it back; throws where another window has it. now: milliseconds.
 * @typedef {object} Means
 * @property {(asked: Asked, snapshot?: Snapshot) => Promise<Training>} make
 * @property {(record: Kept) => Promise<string>} keep
 * @property {() => Promise<() => void>} alone
 * @property {() => number} now
 */

const EVERY = 10_000; // ms between two times that a training is kept

export class Session {
  /** @type {Standing} */
  state = "idle";
  error = ""; // why it has failed, in a sentence
  unkept = ""; // why the browser can't keep it, in a sentence
  kept = -1; // the step of what it has kept
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
  #begun = 0; // trainings of this visit
  #keptAt = 0;
  #keeping = false;
  /** Gives the right to train back. @type {(() => void) | null} */
  #release = null;

  /** @param {Means} means @param {() => void} changed */
  constructor(means, changed) {
    this.means = means;
    this.changed = changed;
  }

  /** Move on to the state that follows this event. @param {string} event */
  on(event) {
    this.state = NEXT[this.state][event] ?? this.state;
    if (!SHOWS[this.state].works && this.state !== "paused") this.#free();
    this.changed();
  }

  /** The buttons of now. @returns {Action[]} */
  get buttons() {
    return SHOWS[this.state].buttons.filter((name) => name !== "resume" || this.#training || this.#snapshot);
  }

  /** Whether it has learned something that is neither kept nor used. */
  get isUnsaved() {
    return SHOWS[this.state].model && (this.track?.step ?? 0) > 0 && this.safe !== this.track?.step;
  }

  /** Begin a training, in the place of the one before. Throws where another window trains. @param {() => Promise<Asked>} read gets what is asked for */
  async begin(read) {
    await this.#hold();
    this.#end();
    this.on("begin");
    const number = ++this.#begun;
    Object.assign(this, { error: "", track: null, asked: null, safe: -1, unkept: "", kept: -1 });
    this.#snapshot = null;
    try {
      const asked = await read();
      if (this.state !== "preparing" || number !== this.#begun) return; // stopped meanwhile, or replaced
      this.asked = asked;
      await this.#learn();
    } catch (error) {
      if (number === this.#begun) this.#fail(error);
    }
  }

  pause = () => this.#training?.pause();

  /** Go on with a training that was paused, stopped, or kept when the page was left. Throws where another window trains. */
  async resume() {
    await this.#hold();
    try {
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

  /** The page was loaded again: take the training of before. @param {Kept} record */
  find({ snapshot, isOver, ...asked }) {
    if (!NEXT[this.state].find) return;
    this.asked = asked;
    this.#snapshot = snapshot;
    this.#show(snapshot.history);
    if (this.track) this.track.learn({ ...snapshot, rate: 0 });
    this.on(isOver ? "open" : "find");
  }

  /** What a lane has learned: the average of its weights, by the names of its tensors. @param {number} lane @returns {Promise<Tensors>} */
  async weights(lane) {
    const snapshot = (await this.#training?.snapshot()) ?? this.#snapshot;
    if (!snapshot) throw new Error("there is no training");
    return snapshot.lanes[lane].averages;
  }

  /** Put the training on the shelf, unless that is under way. */
  async keep() {
    const { asked } = this;
    const training = this.#training;
    if (!training || !asked || this.#keeping) return;
    this.#keeping = true;
    this.#keptAt = this.means.now();
    try {
      const snapshot = await training.snapshot();
      if (training !== this.#training) return; // another one has begun
      this.#snapshot = snapshot;
      this.unkept = await this.means.keep({ ...asked, snapshot, isOver: this.state === "finished" });
      if (!this.unkept) this.kept = snapshot.step;
    } catch (error) {
      this.unkept = failure(error);
    } finally {
      this.#keeping = false;
      this.changed();
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
    this.#show(training.history);
    this.#keptAt = this.means.now();
    training.onNews = (news) => training === this.#training && this.#hear(training, news);
    await training.start();
  }

  /** @param {History} history */
  #show(history) {
    const { asked } = this;
    this.track = asked && new LiveTrack(asked.titles, asked.recipes, asked.pictures, history);
  }

  /** @param {Training} training @param {News} news */
  #hear(training, news) {
    if (news.kind === "wrong") return this.#fail(new UserError(news.error));
    if (news.kind === "step") this.track?.learn(news);
    if (news.kind === "state") this.on(training.state);
    else this.changed();
    const rests = news.kind === "state" && ["paused", "stopped", "finished"].includes(this.state);
    if (rests || this.means.now() - this.#keptAt > EVERY) this.keep();
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
  }

  #free() {
    this.#release?.();
    this.#release = null;
  }
}
