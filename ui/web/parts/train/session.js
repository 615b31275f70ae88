// The page's training. The page has at most one training at a time. The training continues while the visitor is in
// another part or another tab, and the page stores it in the browser from time to time.

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
 * The request for a training. values: the form's values. titles, recipes: a title and a recipe for each lane (network).
 * @typedef {{ values: Values, titles: string[], pictures: Pictures, recipes: Recipe[] }} Asked
 */
/** A training as the browser stores it. isOver: whether it has finished. @typedef {Asked & { snapshot: Snapshot, isOver: boolean }} Kept */
/**
 * The functions that a session calls; tests in node replace them. make: makes a training. keep: stores a training;
 * returns "", or a sentence that says why storing failed. alone: gets the right to train; returns a function that gives
 * the right back; throws if another window trains. now: returns the time in ms.
 * @typedef {object} Means
 * @property {(asked: Asked, snapshot?: Snapshot) => Promise<Training>} make
 * @property {(record: Kept) => Promise<string>} keep
 * @property {() => Promise<() => void>} alone
 * @property {() => number} now
 */

const EVERY = 10_000; // shortest time between two stores of the training, in ms

/** The state of the training, and the actions that change it. */
export class Session {
  /** @type {Standing} */
  state = "idle";
  error = ""; // a sentence that says why the training failed
  unkept = ""; // a sentence that says why the browser can't store the training
  kept = -1; // the step of the stored training; −1 for none
  /** @type {Asked | null} */
  asked = null;
  /** @type {LiveTrack | null} */
  track = null;
  /** The step whose weights the visitor has saved or used; −1 for none. */
  safe = -1;
  /** @type {Training | null} */
  #training = null;
  /** @type {Snapshot | null} */
  #snapshot = null;
  #begun = 0; // the number of trainings that this page has begun
  #keptAt = 0; // when the training was last stored, in ms
  #keeping = false; // whether the training is being stored
  #again = false; // whether to store it once more after that
  /** Gives back the right to train, so that another window may train; null without the right. @type {(() => void) | null} */
  #release = null;

  /** @param {Means} means @param {() => void} changed */
  constructor(means, changed) {
    this.means = means;
    this.changed = changed;
  }

  /** Change to the state that follows an event, and give back the right to train if the training has ended. @param {string} event */
  on(event) {
    this.state = NEXT[this.state][event] ?? this.state;
    if (!SHOWS[this.state].works && this.state !== "paused") this.#free();
    this.changed();
  }

  /** The buttons in the current state. @returns {Action[]} */
  get buttons() {
    return SHOWS[this.state].buttons.filter((name) => name !== "resume" || this.#training || this.#snapshot);
  }

  /** Whether the network has learned something that the visitor has neither saved nor used. */
  get isUnsaved() {
    return SHOWS[this.state].model && (this.track?.step ?? 0) > 0 && this.safe !== this.track?.step;
  }

  /** Begin a training in place of the current training. Throws if another window trains. @param {() => Promise<Asked>} read reads the request and its pictures */
  async begin(read) {
    await this.#hold();
    this.#end();
    this.on("begin");
    const number = ++this.#begun;
    Object.assign(this, { error: "", track: null, asked: null, safe: -1, unkept: "", kept: -1 });
    this.#snapshot = null;
    try {
      const asked = await read();
      if (this.state !== "preparing" || number !== this.#begun) return; // the visitor has stopped or replaced the training meanwhile
      this.asked = asked;
      await this.#learn();
    } catch (error) {
      if (number === this.#begun) this.#fail(error);
    }
  }

  /** Pause the training. */
  pause = () => this.#training?.pause();

  /** Continue a training that was paused, stopped, or stored when the page was left. Throws if another window trains. */
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

  /** Stop the training. The visitor may continue it later. */
  stop() {
    if (this.#training) return this.#training.stop();
    return this.on("stop");
  }

  /** Take over a training that was stored before the page was reloaded. @param {Kept} record */
  restore({ snapshot, isOver, ...asked }) {
    if (!NEXT[this.state].find) return;
    this.asked = asked;
    this.#snapshot = snapshot;
    this.#setTrack(snapshot.history);
    if (this.track) this.track.learn({ ...snapshot, rate: 0 });
    this.on(isOver ? "open" : "find");
  }

  /** Return the averaged weights of a lane, by the names of the tensors. @param {number} lane @returns {Promise<Tensors>} */
  async weights(lane) {
    const snapshot = (await this.#training?.snapshot()) ?? this.#snapshot;
    if (!snapshot) throw new Error("there is no training");
    return snapshot.lanes[lane].averages;
  }

  /** Store the training in the browser. If an earlier call is still storing it, store it once more after that. */
  async keep() {
    const { asked } = this;
    const training = this.#training;
    this.#again = this.#keeping;
    if (!training || !asked || this.#keeping) return;
    this.#keeping = true;
    this.#keptAt = this.means.now();
    try {
      const snapshot = await training.snapshot();
      if (training !== this.#training) return; // another training has begun
      this.#snapshot = snapshot;
      this.unkept = await this.means.keep({ ...asked, snapshot, isOver: this.state === "finished" });
      if (!this.unkept) this.kept = snapshot.step;
    } catch (error) {
      this.unkept = failure(error);
    } finally {
      this.#keeping = false;
      this.changed();
    }
    if (this.#again) await this.keep();
  }

  // --- Running the training

  /** Run the requested training from its start, or from a snapshot. @param {Snapshot} [snapshot] */
  async #learn(snapshot) {
    const { asked } = this;
    if (!asked) return;
    this.on(snapshot ? "resume" : "learn");
    const training = await this.means.make(asked, snapshot);
    if (this.asked !== asked || this.state !== "starting") return;
    this.#training = training;
    this.#setTrack(training.history);
    this.#keptAt = this.means.now();
    training.onNews = (news) => training === this.#training && this.#onNews(training, news);
    await training.start();
  }

  /** From a training's history, make the track (the data that the view draws). @param {History} history */
  #setTrack(history) {
    const { asked } = this;
    this.track = asked && new LiveTrack(asked.titles, asked.recipes, asked.pictures, history);
  }

  /** React to news of the training. Store the training every EVERY ms, and when it pauses or ends. @param {Training} training @param {News} news */
  #onNews(training, news) {
    if (news.kind === "wrong") return this.#fail(new UserError(news.error));
    if (news.kind === "step") this.track?.learn(news);
    if (news.kind === "state") this.on(training.state);
    else this.changed();
    const rests = news.kind === "state" && ["paused", "stopped", "finished"].includes(this.state);
    const isDue = this.means.now() - this.#keptAt > EVERY && !this.#keeping;
    if (rests || isDue) this.keep();
    return undefined;
  }

  /** End the training because of an error. @param {unknown} error */
  #fail(error) {
    this.#end();
    this.error = failure(error);
    this.on("fail");
  }

  /** Stop the training and drop it. */
  #end() {
    this.#training?.stop();
    this.#training = null;
  }

  /** Get the right to train. Throws if another window has this right. */
  async #hold() {
    this.#release ??= await this.means.alone();
  }

  /** Give back the right to train. */
  #free() {
    this.#release?.();
    this.#release = null;
  }
}
