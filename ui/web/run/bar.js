// The bar of a run: its status, how long it takes, and the buttons Run and Stop. Screen readers hear the same.

import { button, disable, el, write } from "../drawing/dom.js";
import { FORM, RUN } from "../words/page.js";
import { duration } from "../words/units.js";
import { Status } from "./status.js";

/** @import { Description } from "./knowledge.js" */
/** @import { Panel } from "./panel.js" */
/** @import { Line } from "./standing.js" */
/** @import { Stream } from "./stream.js" */

const LONG = 3; // seconds: for longer runs, the button Run says how long they take
const APART = 10_000; // ms at least between two sentences about the progress, so that a screen reader is not always talking
const MILESTONES = ["starting", "running", "stopped", "error", "lost"];

export class Bar {
  status = new Status(RUN.progress);
  #estimate = el("p", { class: "estimate", role: "status" });
  #announced = { quarter: 0, when: 0 }; // the progress that a screen reader said last

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
    requestAnimationFrame(() => this.panel.look()); // the page has its new layout only in the next frame
  }

  /**
   * Say how long a run takes, or why it is impossible.
   * @param {Description | null} description @param {string} problem "" if a run is possible
   * @param {boolean} isMistake whether a value is wrong, and not only missing
   */
  describe(description, problem, isMistake) {
    const seconds = description?.seconds ?? 0;
    write(this.#estimate, problem || (description?.estimate ?? "")); // a screen reader says each new text, so nothing is written if it is the same
    this.#estimate.classList.toggle("wrong", isMistake);
    this.#estimate.classList.toggle("downloads", description?.auto === false && description.seconds === null);
    this.#estimate.title = this.panel.page.given.device.engine;
    this.run.disabled = Boolean(problem);
    this.run.textContent = seconds >= LONG ? RUN.takes(duration(seconds)) : RUN.run;
  }

  /** Show the status of the run. @param {Line} line @param {Stream<any>} stream */
  show(line, { active, state, progress }) {
    this.status.show(...line);
    disable(this.stop, !active, this.run);
    const quarter = Math.floor(4 * (progress ?? 0));
    const now = performance.now();
    if (state !== "running" || !quarter) this.#announced = { quarter: 0, when: now };
    else if (quarter > this.#announced.quarter && now > this.#announced.when + APART) {
      this.#announced = { quarter, when: now };
      this.panel.page.say(RUN.done(25 * quarter, line[1]));
    }
  }

  /** Let a screen reader say the new state of the run. @param {Stream<any>} stream @param {string | Promise<string>} outcome of a run that has finished */
  async tell({ state, words }, outcome) {
    if (state === "finished") this.panel.page.say(RUN.ended(words, await outcome));
    else if (MILESTONES.includes(state)) this.panel.page.say(words);
  }
}
