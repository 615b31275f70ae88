// Draws while words are typed: a quick sketch at every letter, and the whole run when the typing stops.

import { NOISE } from "../../drawing/motion.js";
import { CLOCK, student } from "../../run/sketching.js";
import { unknown } from "../../words/captions.js";
import { said } from "../../words/status.js";
import { TYPING } from "./words.js";

/** @import { Page } from "../../app.js" */
/** @import { Player } from "../../player/player.js" */
/** @import { Order, Values } from "../../messages/client.js" */
/** @import { Clock } from "../../run/sketching.js" */
/** @import { Panel } from "../../run/panel.js" */

const PAUSE = 150; // ms after the last key until a sketch replaces the one that computes, or is tried for the first time
const SEEN = 850; // ms for which it is seen before the whole run begins
const SHORT = 24; // letters of a word that is named beside Run; the caption names all
const HOW = ["steps", "sampler", "spacing", "count"]; // fields of which a sketch has its own

/**
 * The prompt of Watch as it is typed. A quick sketch begins at once, or as soon as the one before was seen; a pause in the
 * typing replaces one that computes. A run that typing has begun gives way to the next key. Any other run goes on, and
 * what was typed meanwhile is drawn after it.
 */
export class Typing {
  #timer = 0;
  #newest = 0; // the number of the newest sketch
  #draws = 0; // the sketch that is computed, if it is still the newest
  #seen = Number.NEGATIVE_INFINITY; // when the last sketch was shown
  #leave = () => {}; // stops listening to it
  #begins = false; // whether a run is being started here
  #own = false; // whether typing has begun the newest run
  #loads = false; // whether the newest sketch loads a model
  #label = ""; // of the newest sketch
  #waits = false; // whether words wait for the end of a run
  /** The run for which a sentence said that words wait. @type {string | null} */
  #warned = null;
  #of = ""; // the settings of the sketch, but for the words
  /** Models whose sketches are quick. @type {Set<unknown>} */
  #quick = new Set();

  /** @param {Page} page @param {Panel<any>} panel @param {Player} player @param {Clock} [clock] */
  constructor(page, panel, player, clock = CLOCK) {
    this.page = page;
    this.panel = panel;
    this.player = player;
    this.clock = clock;
    this.steps = page.given.forms.sketch.find(({ name }) => name === "steps")?.default;
    this.#label = TYPING.sketch(this.steps);
  }

  /** Another run begins. */
  renew() {
    this.#own = this.#begins;
    this.#waits = false;
    this.#cancel();
  }

  /** Go on after the newest run has changed. */
  render() {
    if (this.panel.sketch !== "none" && !this.#loads && this.#of !== this.#settings) this.leave();
    if (this.#waits && !this.#isHeld) this.typed();
  }

  /** Drop the sketch, as the form now has other settings. */
  leave() {
    this.#cancel();
    this.panel.showSketch("", false);
  }

  #cancel() {
    this.clock.clear(this.#timer);
    this.#newest += 1;
    this.#loads = false;
    this.#leave();
    this.#leave = () => {};
  }

  /** Whether a run goes on that typing does not stop. */
  get #isHeld() {
    const { active } = this.panel.stream;
    return active && !this.#own;
  }

  /** A key has changed the words. */
  typed() {
    const { panel, player, page } = this;
    const { active, run } = panel.stream;
    this.#waits = this.#isHeld && !panel.isRun;
    if (panel.isRun) {
      this.leave(); // what was typed is deleted again
      player.back();
    } else if (!this.#waits) {
      const values = this.#values;
      const isQuick = [values, this.#student(values)].some((one) => this.#quick.has(one?.checkpoint));
      if (isQuick) this.#say();
      if (active) panel.stop();
      if (isQuick && this.#draws !== this.#newest) this.#soon();
      else this.#later(() => this.#sketch(), PAUSE);
    } else if (this.#warned !== run) {
      page.say(TYPING.waits, true);
      this.#warned = run;
    }
  }

  /** @param {() => void} act @param {number} ms */
  #later(act, ms) {
    this.clock.clear(this.#timer);
    this.#timer = this.clock.set(act, ms);
  }

  /** Draw a sketch, but no sooner than pictures may follow each other. */
  #soon() {
    this.#later(() => this.#sketch(), Math.max(0, this.#seen + NOISE - this.clock.now()));
  }

  /** Begin the whole run, where it is quick. */
  #run() {
    const { panel } = this;
    if (!panel.description?.auto || panel.stream.active || !panel.isOnScreen) return;
    this.#begins = true;
    panel.start();
    this.#begins = false;
  }

  /** The values of a sketch: those of the form, with the seed of the picture on screen. @returns {Values} */
  get #values() {
    const { form } = this.panel;
    const asked = Object.entries(form.values).filter(([name]) => !HOW.includes(name));
    return { ...Object.fromEntries(asked), seed: Number(form.value("seed")) + this.player.view.chosen };
  }

  get #settings() {
    return JSON.stringify({ ...this.#values, prompt: "" });
  }

  /** The values of a sketch by a student, null where there is none. @param {Values} values */
  #student = (values) => (values.prompt ? student(this.page, values) : null);

  /** Say that what is shown is a sketch, or is going to be one. @param {string} [odd] a word that the model does not know */
  #say(odd = "") {
    const label = this.#label;
    this.#of = this.#settings;
    this.panel.showSketch(odd && odd.length <= SHORT ? `${label}. ${unknown([odd])}` : label, true);
  }

  /** Draw a sketch of the words as they are now. */
  async #sketch() {
    if (this.#loads) return; // what is typed by then is drawn once the model is here
    const values = this.#values;
    const sketch = ++this.#newest;
    this.#draws = sketch;
    const drawn = await this.#drawn(values);
    if (!this.#isWanted(sketch)) return;
    if (!drawn) return this.#rest(values);
    this.#leave();
    this.#label = TYPING.sketch(drawn.steps ?? this.steps);
    this.#say();
    const order = await this.page.knowledge.order("sketch", drawn);
    if (!this.#isWanted(sketch)) return;
    if (!order) return this.#rest(values); // its model is not here
    this.#listen(order, values, sketch);
  }

  /** Whether a sketch is still the newest, and somebody sees it. Where another place of the page is open it is left, unless it loads a model. @param {number} sketch its number */
  #isWanted(sketch) {
    const isNewest = sketch === this.#newest;
    const isSeen = this.panel.isOnScreen;
    if (isNewest && !isSeen && !this.#loads) this.leave();
    return isNewest && isSeen;
  }

  /** The sketch is over: begin the whole run after a while, if its words are still those of the form. @param {Values} values of the sketch */
  #rest(values) {
    this.#draws = 0;
    if (values.prompt === this.panel.form.value("prompt")) this.#later(() => this.#run(), SEEN); // else a sketch is to begin
  }

  /** Listen to a sketch that an engine draws. @param {Order} order @param {Values} values @param {number} sketch its number */
  #listen(order, values, sketch) {
    const { page, panel } = this;
    const nameOf = (/** @type {string} */ ref) => page.knowledge.catalogue.name(ref);
    /** @type {any[]} */
    const results = [];
    const end = (/** @type {string} */ why) => {
      if (sketch !== this.#newest) return;
      this.#loads = false;
      panel.showSketch(why, false);
      this.#rest(values);
    };
    this.#leave = page.client.run(
      order,
      ({ state, status, text, results: more }) => {
        results.push(...more);
        if (sketch !== this.#newest) return;
        const before = this.#loads;
        this.#loads = state === "loading" || (before && state === "queued");
        if (state === "loading") panel.showSketch(said({ status, text }, nameOf), false);
        if (!this.#isWanted(sketch)) return;
        if (before && !this.#loads) {
          panel.changed("", false); // how long a run takes is known now
          this.typed();
        }
        if (state === "error") end(text);
        if (state === "finished") this.#show(order, results, values);
      },
      end,
    );
  }

  /** Show a sketch that is finished. @param {Order} order @param {any[]} results @param {Values} values */
  #show(order, [opening, ...frames], values) {
    this.#say(opening.unknown[0]);
    this.player.sketch([{ ...order.shown(opening), untouchable: "" }, ...frames]); // which is of no interest here
    this.#seen = this.clock.now();
    this.#rest(values);
    if (values.prompt !== this.panel.form.value("prompt")) this.#soon();
  }

  /**
   * The values of the sketch that begins by itself, null where none does. A server loads the student at once; in a browser
   * alone, the model's own sketches serve until the student is here.
   * @param {Values} values @returns {Promise<Values | null>}
   */
  async #drawn(values) {
    const { preload } = this.page.client;
    const student = this.#student(values);
    if (student && (!preload || this.#quick.has(values.checkpoint))) {
      const { auto } = await this.#described(student);
      if (auto || (auto === null && !preload)) return student;
    }
    if (!(await this.#may(values))) return null;
    if (student && this.#quick.has(values.checkpoint)) preload?.([student.checkpoint], true);
    return values;
  }

  /** Whether a sketch begins by itself: a quick one, and of a model that comes with the page the first one. @param {Values} values */
  async #may(values) {
    const { auto, seconds } = await this.#described(values);
    const saves = auto === false && /** @type {any} */ (globalThis).navigator?.connection?.saveData; // then a download waits for Run
    return auto || (seconds === null && !saves && this.page.knowledge.catalogue.isOwn(String(values.checkpoint)));
  }

  /** What is known of a sketch before it begins; nothing where it is refused. @param {Values} values @returns {Promise<{ auto?: boolean | null, seconds?: number | null }>} */
  async #described(values) {
    const { checkpoint } = values;
    if (this.#quick.has(checkpoint)) return { auto: true };
    const said = /** @type {any} */ (await this.page.knowledge.describe("sketch", values));
    if (said.auto) this.#quick.add(checkpoint);
    return said.error === undefined ? said : {};
  }
}
