// The bar of a run, to be seen and to be heard: how the run stands, what it takes, Run and Stop.

import { button, disable, el, write } from "../drawing/dom.js";
import { FORM, RUN } from "../words/page.js";
import { duration } from "../words/units.js";
import { Status } from "./status.js";

/** @import { Description } from "./knowledge.js" */
/** @import { Panel } from "./panel.js" */
/** @import { Line } from "./standing.js" */
/** @import { Stream } from "./stream.js" */

const LONG = 3; // seconds of a run: Run says how long it takes
const APART = 10_000; // ms between two sentences of a screen reader about the progress
const MILESTONES = ["starting", "running", "stopped", "error", "lost"];

export class Bar {
  status = new Status(RUN.progress);
  #estimate = el("p", { class: "estimate", role: "status" });
  #heard = { quarter: 0, when: 0 }; // the progress that a screen reader said last

  /** @param {Panel<any>} panel @param {Element | null} dice of the form: a phone has them beside Run */
  constructor(panel, dice) {
    this.panel = panel;
    this.run = button({ class: "button primary run" }, () => this.#press(), RUN.run);
    this.stop = button({ class: "button stop", disabled: true }, () => panel.stop(), RUN.stop);
    this.element = el("div", { class: "run-bar" }, this.status.element, this.#estimate, this.run, this.stop);
    this.status.show(panel.stream.words);
    if (!(dice instanceof HTMLElement)) return;
    this.element.append(button({ class: "button roll", "aria-label": FORM.seed }, () => dice.click(), "⚄"));
  }

  #press() {
    this.panel.start();
    requestAnimationFrame(() => this.panel.look()); // by then the page is laid out
  }

  /**
   * Say what a run takes, or why there can be none.
   * @param {Description | null} description @param {string} problem "" where a run is possible
   * @param {boolean} isMistake a value is wrong, and not only missing
   */
  describe(description, problem, isMistake) {
    const seconds = description?.seconds ?? 0;
    write(this.#estimate, problem || (description?.estimate ?? "")); // a screen reader says it, so only where it changes
    this.#estimate.classList.toggle("wrong", isMistake);
    this.#estimate.classList.toggle("downloads", description?.auto === false && description.seconds === null);
    this.#estimate.title = this.panel.page.given.device.engine;
    this.run.disabled = Boolean(problem);
    this.run.textContent = seconds >= LONG ? RUN.takes(duration(seconds)) : RUN.run;
  }

  /** Say how the run stands. @param {Line} line @param {Stream<any>} stream */
  show(line, { active, state, progress }) {
    this.status.show(...line);
    disable(this.stop, !active, this.run);
    const quarter = Math.floor(4 * (progress ?? 0));
    const now = performance.now();
    if (state !== "running" || !quarter) this.#heard = { quarter: 0, when: now };
    else if (quarter > this.#heard.quarter && now > this.#heard.when + APART) {
      this.#heard = { quarter, when: now };
      this.panel.page.say(RUN.done(25 * quarter, line[1]));
    }
  }

  /** Say that the run has come to another state. @param {Stream<any>} stream @param {string | Promise<string>} outcome of a run that has finished */
  async tell({ state, words }, outcome) {
    if (state === "finished") this.panel.page.say(RUN.ended(words, await outcome));
    else if (MILESTONES.includes(state)) this.panel.page.say(words);
  }
}
