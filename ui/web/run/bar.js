// The bar of a run: its status, its estimated time, and the buttons Run and Stop. It announces the progress to screen
// readers.

import { button, disable, el, write } from "../drawing/dom.js";
import { FORM, RUN } from "../words/page.js";
import { duration } from "../words/units.js";
import { Status } from "./status.js";

/** @import { Description } from "./knowledge.js" */
/** @import { Panel } from "./panel.js" */
/** @import { Line } from "./standing.js" */
/** @import { Stream } from "./stream.js" */

const LONG = 3; // seconds; for longer runs, the label of Run names the time
const APART = 10_000; // least time in ms between two announcements, so that a screen reader does not talk all the time
const MILESTONES = ["starting", "running", "stopped", "error", "lost"];

export class Bar {
  status = new Status(RUN.progress);
  #estimate = el("p", { class: "estimate", role: "status" });
  #announced = { quarter: 0, when: 0 }; // the last announcement: the number of finished quarters of the run (0 to 4), and its time in ms

  /** @param {Panel<any>} panel @param {Element | null} dice the form's button for another seed; a phone shows it beside Run, too */
  constructor(panel, dice) {
    this.panel = panel;
    this.run = button({ class: "button primary run" }, () => this.#press(), RUN.run);
    this.stop = button({ class: "button stop", disabled: true }, () => panel.stop(), RUN.stop);
    this.element = el("div", { class: "run-bar" }, this.status.element, this.#estimate, this.run, this.stop);
    this.status.show(panel.stream.words);
    if (!(dice instanceof HTMLElement)) return;
    this.element.append(button({ class: "button roll", "aria-label": FORM.seed }, () => dice.click(), "⚄"));
  }

  /** Begin a run, and scroll to the pictures. */
  #press() {
    this.panel.start();
    requestAnimationFrame(() => this.panel.look()); // scroll in the next frame, when the page has its new layout
  }

  /**
   * Show how long a run takes, or why it is impossible.
   * @param {Description | null} description @param {string} problem "" if a run is possible
   * @param {boolean} isMistake true if a value is wrong, false if it is only missing
   */
  describe(description, problem, isMistake) {
    const seconds = description?.seconds ?? 0;
    write(this.#estimate, problem || (description?.estimate ?? "")); // `write` leaves equal text alone, because a screen reader would read it again
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

  /** Announce the new state of the run to screen readers. @param {Stream<any>} stream @param {string | Promise<string>} outcome the result of a finished run, as a sentence */
  async announce({ state, words }, outcome) {
    if (state === "finished") this.panel.page.say(RUN.ended(words, await outcome));
    else if (MILESTONES.includes(state)) this.panel.page.say(words);
  }
}
