// The square of quick sketches that a student draws as soon as the words are chosen, before Run draws the pictures.

import { CLOCK, student } from "../../run/sketching.js";
import { WORDS } from "./words.js";

/** @import { Page } from "../../app.js" */
/** @import { Values } from "../../messages/client.js" */
/** @import { Clock } from "../../run/sketching.js" */
/** @import { Panel } from "../../run/panel.js" */

const PAUSE = 150; // ms after the last description until the student is asked
const AGAIN = 2000; // ms between two looks whether the student is here
const PATIENCE = 60_000; // ms for which it is waited for: its 9 MB take 45 s at 1.6 Mbit/s
const LONGEST = 6; // s that a square may take on the visitor's machine, where nobody else waits for it

/** Asks for sketches and hands on their results, which are those of a run. */
export class Sketches {
  #timer = 0;
  #newest = 0;
  #leave = () => {}; // stops the newest sketch
  #of = ""; // the values of the newest sketch
  #byHand = false; // the visitor has changed something, so a student may be fetched: a link is no reason for a download

  /** @param {Page} page @param {Panel<any>} panel @param {(result: any | null) => void} take null: no sketch is of what is chosen @param {Clock} [clock] */
  constructor(page, panel, take, clock = CLOCK) {
    this.page = page;
    this.panel = panel;
    this.take = take;
    this.clock = clock;
    panel.side.addEventListener("input", () => {
      this.#byHand = true;
    });
  }

  /** Stop the sketch under way: the settings have changed, or a run begins. */
  cancel() {
    this.clock.clear(this.#timer);
    this.#newest += 1;
    this.#of = "";
    this.#leave();
    this.#leave = () => {};
  }

  /** Ask for a sketch of the chosen values, once the engine has described them. */
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
    if (!wanted || panel.description?.auto !== false) return; // a quick run begins by itself
    this.#of = of;
    const until = clock.now() + PATIENCE;
    this.#timer = clock.set(() => this.#ask(until), PAUSE);
  }

  /** @param {number} until when the student is waited for */
  async #ask(until) {
    const { page, panel, clock } = this;
    const names = panel.form.fields.map(({ name }) => name);
    const found = Object.entries(student(page, panel.form.values) ?? {}).filter(([name]) => names.includes(name));
    if (!found.length || !panel.isOnScreen) return;
    const [values, sketch] = [Object.fromEntries(found), this.#newest];
    const { auto, seconds, error } = /** @type {any} */ (await page.knowledge.describe(panel.part, values));
    if (sketch !== this.#newest) return;
    const { preload } = page.client;
    const isQuick = preload ? seconds !== null && seconds < LONGEST : auto !== false; // a server loads it at once
    if (isQuick) return this.#draw(values, sketch);
    if (!preload || !this.#byHand || error !== undefined || seconds !== null || clock.now() > until) return;
    preload([String(values.checkpoint)], true);
    this.#timer = clock.set(() => this.#ask(until), AGAIN);
  }

  /** @param {Values} values @param {number} sketch its number */
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
