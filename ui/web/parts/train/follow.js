// Follows a run of `python -m train fit` on this computer. The server reads the run's folder. The page offers this only
// if the visitor runs the server.

import { button, el } from "../../drawing/dom.js";
import { ReceivedTrack } from "./track.js";
import { FOLLOW } from "./words.js";

/** @import { Page } from "../../app.js" */
/** @import { Followed } from "../../messages/protocol.d.ts" */

const OFTEN = 1000; // ms between two requests while the run is active
const SELDOM = 20_000; // ms between two requests otherwise

/** The run that the visitor follows, and the form in which the visitor names the run's folder. */
export class Follow {
  /** The data of the run that the visitor follows, or null. @type {ReceivedTrack | null} */
  track = null;
  /** The server's last answer about the followed run. @type {Followed | null} */
  answer = null;
  #timer = 0;

  /** @param {Page} page @param {() => void} changed called after each answer @param {(sentence: string) => void} complain shows an error; "" removes the error */
  constructor(page, changed, complain) {
    this.page = page;
    this.changed = changed;
    this.complain = complain;
    const id = "train-follow";
    this.path = el("input", { type: "text", id, placeholder: FOLLOW.example, spellcheck: false });
    this.leave = button({ class: "button", hidden: true }, () => this.#stop(), FOLLOW.leave);
    const send = el("button", { type: "submit", class: "button" }, FOLLOW.follow);
    const row = el("div", { class: "row" }, this.path, send, this.leave);
    const form = el("form", { autocomplete: "off" }, el("label", { for: id }, FOLLOW.folder), row);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#poll(this.path.value, new ReceivedTrack());
    });
    this.element = el("details", { class: "follow" }, el("summary", null, FOLLOW.title), form);
  }

  /** Stop following the run. */
  #stop() {
    clearTimeout(this.#timer);
    this.track = this.answer = null;
    this.leave.hidden = true;
    this.changed();
  }

  /** Ask the server for the new data of a run, again and again. @param {string} path @param {ReceivedTrack} track takes the answers */
  async #poll(path, track) {
    const isFirst = track.version < 0;
    const answer = await this.page.client.ask("train", "follow", { path, ...track.asked });
    if (!isFirst && track !== this.track) return; // the visitor follows another run, or none
    this.complain(answer.error ?? "");
    if (answer.error === undefined) {
      clearTimeout(this.#timer);
      Object.assign(this, { track, answer });
      track.take(answer);
    } else if (isFirst) return;
    this.leave.hidden = false;
    const wait = this.answer?.more ? 0 : this.answer?.state === "running" ? OFTEN : SELDOM;
    this.#timer = window.setTimeout(() => this.#poll(path, track), wait);
    this.changed();
  }
}
