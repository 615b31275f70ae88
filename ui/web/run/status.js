// The line above the pictures that shows the status of a run.

import { el, write } from "../drawing/dom.js";
import { RUN } from "../words/page.js";

export class Status {
  #tag = el("b", { class: "tag", hidden: true }, RUN.example);
  #text = el("span", { class: "status-text" });
  #left = el("span", { class: "status-left" });
  #done = el("i", null);

  /** @param {string} label the name of the progress bar for screen readers */
  constructor(label) {
    const bar = {
      class: "progress",
      role: "progressbar",
      "aria-label": label,
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    };
    this.bar = el("div", { ...bar, hidden: true }, this.#done);
    const dot = el("span", { class: "dot" });
    this.element = el("header", { class: "status" }, dot, this.#tag, this.#text, this.#left, this.bar);
  }

  /**
   * Show a status.
   * @param {string} text @param {string} [left] the time left, or the label of Run @param {boolean} [example] whether a recorded run is shown
   * @param {number | null} [progress] 0 to 1, null if it is not known; left out if nothing runs
   */
  show(text, left = "", example = false, progress = undefined) {
    write(this.#text, text);
    write(this.#left, left);
    this.#tag.hidden = !example;
    this.bar.hidden = progress === undefined;
    this.bar.classList.toggle("unknown", progress === null);
    const percent = Math.round(100 * (progress ?? 0));
    // A change of the width would make the browser lay out the page again; a scale does not.
    this.#done.style.transform = progress === null ? "" : `scaleX(${percent / 100})`;
    if (progress === null) this.bar.removeAttribute("aria-valuenow");
    else this.bar.setAttribute("aria-valuenow", String(percent));
  }
}
