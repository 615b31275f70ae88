// Quick sketches of the square: a student (a distilled model) draws them as soon as the visitor has chosen the texts. A
// run replaces them by the model's own pictures.

import { CLOCK, student } from "../../run/sketching.js";
import { WORDS } from "./words.js";

/** @import { Page } from "../../app.js" */
/** @import { Values } from "../../messages/client.js" */
/** @import { Clock } from "../../run/sketching.js" */
/** @import { Panel } from "../../run/panel.js" */

const PAUSE = 150; // ms to wait after the form has changed, so that quick typing begins no sketches
const AGAIN = 2000; // ms between two checks whether the student has been downloaded
const PATIENCE = 60_000; // longest wait for the download, in ms: the student's 9 MB take 45 s at 1.6 Mbit/s
const LONGEST = 6; // longest time that the sketches may take in the visitor's browser, in seconds

/** Begins runs of the student and passes their results on. */
export class Sketches {
  #timer = 0;
  #newest = 0;
  #leave = () => {}; // stops the newest sketches
  #of = ""; // the form's values for the newest sketches, as JSON
  #byHand = false; // whether the visitor has changed the form: only then may the page download the student

  /** @param {Page} page @param {Panel<any>} panel @param {(result: any | null) => void} take draws a result; null removes the sketches @param {Clock} [clock] */
  constructor(page, panel, take, clock = CLOCK) {
    this.page = page;
    this.panel = panel;
    this.take = take;
    this.clock = clock;
    panel.side.addEventListener("input", () => {
      this.#byHand = true;
    });
  }

  /** Stop the current sketches, because the settings have changed or a run begins. */
  cancel() {
    this.clock.clear(this.#timer);
    this.#newest += 1;
    this.#of = "";
    this.#leave();
    this.#leave = () => {};
  }

  /** Begin sketches of the form's values after a pause, unless a run of these values exists or will start by itself. */
  describe() {
    const { panel, clock } = this;
    const isOver = panel.sketch === "over";
    const of = JSON.stringify(panel.form.values);
    if (of === this.#of) return;
    this.cancel();
    if (panel.stream.active) return;
    if (isOver) panel.showSketch("", false);
    if (isOver && panel.isRun) return this.take(null);
    const wanted = isOver || panel.difference;
    if (!wanted || panel.description?.auto !== false) return; // if auto is true, the run is quick and starts by itself
    this.#of = of;
    const until = clock.now() + PATIENCE;
    this.#timer = clock.set(() => this.#tryToDraw(until), PAUSE);
  }

  /** Run the student if it is fast enough on this machine. If its files are missing, download them and try again later. @param {number} until the time at which to give up, in ms */
  async #tryToDraw(until) {
    const { page, panel, clock } = this;
    const names = panel.form.fields.map(({ name }) => name);
    const found = Object.entries(student(page, panel.form.values) ?? {}).filter(([name]) => names.includes(name));
    if (!found.length || !panel.isOnScreen) return;
    const [values, sketch] = [Object.fromEntries(found), this.#newest];
    const { auto, seconds, error } = /** @type {any} */ (await page.knowledge.describe(panel.part, values));
    if (sketch !== this.#newest) return;
    const { preload } = page.client;
    const isQuick = preload ? seconds !== null && seconds < LONGEST : auto !== false; // a server loads the student without a download
    if (isQuick) return this.#draw(values, sketch);
    if (!preload || !this.#byHand || error !== undefined || seconds !== null || clock.now() > until) return;
    preload([String(values.checkpoint)], true);
    this.#timer = clock.set(() => this.#tryToDraw(until), AGAIN);
  }

  /** Run the student and pass on its results, until newer sketches begin. @param {Values} values @param {number} sketch the number of these sketches; newer sketches have a higher number */
  async #draw(values, sketch) {
    const { page, panel } = this;
    const order = await page.knowledge.order(panel.part, values);
    if (sketch !== this.#newest || !order) return;
    /** @type {string | null} */
    let run = null;
    const leave = page.client.run(
      order,
      (message) => {
        if (sketch !== this.#newest) return;
        run = message.run;
        for (const result of message.results) this.take(order.shown(result));
        if (message.results.some(({ kind }) => kind === "cells")) panel.showSketch(WORDS.sketches(values.steps), true);
        if (message.state === "finished") this.#leave = () => {};
      },
      () => {},
    );
    this.#leave = () => {
      leave();
      if (run) page.client.ask("engine", "stop", { run });
    };
  }
}
