// Draws while a prompt is typed: a sketch (a quick preview) after each letter, and the whole run when the typing stops.

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

const PAUSE = 150; // ms without a key before a sketch replaces an unfinished sketch, or before a model's first sketch begins
const SEEN = 850; // ms between the sketch on screen and the start of the whole run
const SHORT = 24; // the longest unknown word, in letters, that the line beside Run names; the caption names all unknown words
const HOW = ["steps", "sampler", "spacing", "count"]; // fields that a sketch does not take from the form

/**
 * Draws sketches of the prompt in "Watch". A sketch begins at once, or when the previous sketch was visible long
 * enough. After a pause in the typing, a new sketch replaces a sketch that is still being computed. A run that typing
 * has begun stops at the next key. Any other run continues, and the words that were typed meanwhile are drawn after it.
 */
export class Typing {
  #timer = 0;
  #newest = 0; // the number of the newest sketch
  #draws = 0; // the number of the sketch that is being computed; 0 for none
  #seen = Number.NEGATIVE_INFINITY; // when the last sketch was shown, in ms
  #unsubscribe = () => {}; // ends the messages about the newest sketch
  #begins = false; // whether this object is starting a run
  #own = false; // whether typing has begun the newest run
  #loads = false; // whether the newest sketch loads a model
  #label = ""; // the title of the newest sketch
  #waits = false; // whether words wait for the end of a run
  /** The id of the run for which the page has said that words wait. @type {string | null} */
  #warned = null;
  #sketched = ""; // the settings of the newest sketch, without its prompt
  /** The models whose sketches are quick. @type {Set<unknown>} */
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

  /** Cancel the sketch, because another run begins. */
  renew() {
    this.#own = this.#begins;
    this.#waits = false;
    this.#cancel();
  }

  /** Drop a sketch if the form has other settings. Draw words that waited for the end of a run. */
  render() {
    if (this.panel.sketch !== "none" && !this.#loads && this.#sketched !== this.#settings) this.leave();
    if (this.#waits && !this.#mustWait) this.typed();
  }

  /** Drop the sketch and its title. */
  leave() {
    this.#cancel();
    this.panel.showSketch("", false);
  }

  /** Stop the sketch and the timer. */
  #cancel() {
    this.clock.clear(this.#timer);
    this.#newest += 1;
    this.#loads = false;
    this.#unsubscribe();
    this.#unsubscribe = () => {};
  }

  /** Whether typed words must wait, because a run is active that typing did not begin. */
  get #mustWait() {
    const { active } = this.panel.stream;
    return active && !this.#own;
  }

  /** Draw a sketch after a key has changed the prompt, unless the sketch must wait for the end of a run. */
  typed() {
    const { panel, player, page } = this;
    const { active, run } = panel.stream;
    this.#waits = this.#mustWait && !panel.isRun;
    if (panel.isRun) {
      this.leave(); // the run on screen already has this prompt
      player.back();
    } else if (!this.#waits) {
      const values = this.#values;
      const isQuick = [values, this.#student(values)].some((one) => this.#quick.has(one?.checkpoint));
      if (isQuick) this.#showTitle();
      if (active) panel.stop();
      if (isQuick && this.#draws !== this.#newest) this.#sketchSoon();
      else this.#schedule(() => this.#sketch(), PAUSE);
    } else if (this.#warned !== run) {
      page.say(TYPING.waits, true);
      this.#warned = run;
    }
  }

  /** Do an action after some ms, in place of the action that is scheduled. @param {() => void} act @param {number} ms */
  #schedule(act, ms) {
    this.clock.clear(this.#timer);
    this.#timer = this.clock.set(act, ms);
  }

  /** Draw a sketch, but not before the last sketch was visible for NOISE ms, so that pictures do not flash. */
  #sketchSoon() {
    this.#schedule(() => this.#sketch(), Math.max(0, this.#seen + NOISE - this.clock.now()));
  }

  /** Begin the whole run, if it is quick enough to begin by itself. */
  #run() {
    const { panel } = this;
    if (!panel.description?.auto || panel.stream.active || !panel.isOnScreen) return;
    this.#begins = true;
    panel.start();
    this.#begins = false;
  }

  /** The values of a sketch: the form's values, with the seed of the picture that is shown. @returns {Values} */
  get #values() {
    const { form } = this.panel;
    const asked = Object.entries(form.values).filter(([name]) => !HOW.includes(name));
    return { ...Object.fromEntries(asked), seed: Number(form.value("seed")) + this.player.view.chosen };
  }

  /** The values of a sketch without the prompt, as text. */
  get #settings() {
    return JSON.stringify({ ...this.#values, prompt: "" });
  }

  /** Return the values of a sketch by a student (a distilled model); null if there is no student. @param {Values} values */
  #student = (values) => (values.prompt ? student(this.page, values) : null);

  /** Show the title of a sketch that is on screen or will replace the picture. @param {string} [odd] a word that the model does not know */
  #showTitle(odd = "") {
    const label = this.#label;
    this.#sketched = this.#settings;
    this.panel.showSketch(odd && odd.length <= SHORT ? `${label}. ${unknown([odd])}` : label, true);
  }

  /** Draw a sketch of the current prompt. */
  async #sketch() {
    if (this.#loads) return; // the newest prompt is drawn when the model is loaded
    const values = this.#values;
    const sketch = ++this.#newest;
    this.#draws = sketch;
    const drawn = await this.#sketchValues(values);
    if (!this.#isWanted(sketch)) return;
    if (!drawn) return this.#runAfterSketch(values);
    this.#unsubscribe();
    this.#label = TYPING.sketch(drawn.steps ?? this.steps);
    this.#showTitle();
    const order = await this.page.knowledge.order("sketch", drawn);
    if (!this.#isWanted(sketch)) return;
    if (!order) return this.#runAfterSketch(values); // the model of the sketch is not available
    this.#start(order, values, sketch);
  }

  /** Return whether a sketch is still the newest, and this part is on screen. If another part is open, drop the sketch unless it loads a model. @param {number} sketch the sketch's number */
  #isWanted(sketch) {
    const isNewest = sketch === this.#newest;
    const isSeen = this.panel.isOnScreen;
    if (isNewest && !isSeen && !this.#loads) this.leave();
    return isNewest && isSeen;
  }

  /** Begin the whole run SEEN ms after a sketch, if the prompt is still the same. @param {Values} values of the sketch */
  #runAfterSketch(values) {
    this.#draws = 0;
    if (values.prompt === this.panel.form.value("prompt")) this.#schedule(() => this.#run(), SEEN); // if the prompt has changed, a newer sketch begins instead
  }

  /** Start a sketch, and show it when it is finished. @param {Order} order @param {Values} values @param {number} sketch the sketch's number */
  #start(order, values, sketch) {
    const { page, panel } = this;
    /** Return the name of a model. */
    const nameOf = (/** @type {string} */ ref) => page.knowledge.catalogue.name(ref);
    /** @type {any[]} */
    const results = [];
    /** End the sketch, and show the reason. */
    const end = (/** @type {string} */ why) => {
      if (sketch !== this.#newest) return;
      this.#loads = false;
      panel.showSketch(why, false);
      this.#runAfterSketch(values);
    };
    this.#unsubscribe = page.client.run(
      order,
      ({ state, status, text, results: more }) => {
        results.push(...more);
        if (sketch !== this.#newest) return;
        const before = this.#loads;
        this.#loads = state === "loading" || (before && state === "queued");
        if (state === "loading") panel.showSketch(said({ status, text }, nameOf), false);
        if (!this.#isWanted(sketch)) return;
        if (before && !this.#loads) {
          panel.changed("", false); // the page can estimate the duration of a run once its model is loaded
          this.typed();
        }
        if (state === "error") end(text);
        if (state === "finished") this.#show(order, results, values);
      },
      end,
    );
  }

  /** Show a finished sketch. @param {Order} order @param {any[]} results @param {Values} values */
  #show(order, [opening, ...frames], values) {
    this.#showTitle(opening.unknown[0]);
    this.player.sketch([{ ...order.shown(opening), untouchable: "" }, ...frames]); // untouchable says why a run can't be changed by hand; a sketch needs no reason
    this.#seen = this.clock.now();
    this.#runAfterSketch(values);
    if (values.prompt !== this.panel.form.value("prompt")) this.#sketchSoon();
  }

  /**
   * Return the values of the sketch that begins by itself; null if no sketch does. A server loads the student (a
   * distilled model) at once. A browser without a server draws sketches with the model itself until the student is
   * loaded.
   * @param {Values} values @returns {Promise<Values | null>}
   */
  async #sketchValues(values) {
    const { preload } = this.page.client;
    const student = this.#student(values);
    if (student && (!preload || this.#quick.has(values.checkpoint))) {
      const { auto } = await this.#describe(student);
      if (auto || (auto === null && !preload)) return student;
    }
    if (!(await this.#beginsByItself(values))) return null;
    if (student && this.#quick.has(values.checkpoint)) preload?.([student.checkpoint], true);
    return values;
  }

  /** Return whether a sketch begins by itself: if it is quick, or if it is the first sketch of a model that comes with the page. @param {Values} values */
  async #beginsByItself(values) {
    const { auto, seconds } = await this.#describe(values);
    const saves = auto === false && /** @type {any} */ (globalThis).navigator?.connection?.saveData; // with an active data saver, only Run starts a download
    return auto || (seconds === null && !saves && this.page.knowledge.catalogue.isOwn(String(values.checkpoint)));
  }

  /** Return whether a sketch may begin by itself (auto) and its estimated time; {} if the sketch is refused. @param {Values} values @returns {Promise<{ auto?: boolean | null, seconds?: number | null }>} */
  async #describe(values) {
    const { checkpoint } = values;
    if (this.#quick.has(checkpoint)) return { auto: true };
    const said = /** @type {any} */ (await this.page.knowledge.describe("sketch", values));
    if (said.auto) this.#quick.add(checkpoint);
    return said.error === undefined ? said : {};
  }
}
