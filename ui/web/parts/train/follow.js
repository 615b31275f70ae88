// A run of `python -m train fit` on this computer, which the server reads. Only a server of one's own follows one.

import { button, el } from "../../drawing/dom.js";
import { FOLLOW } from "../../words/train.js";
import { ToldTrack } from "./track.js";

/** @import { Page } from "../../app.js" */
/** @import { TrainingNow } from "../../messages/protocol.d.ts" */

const OFTEN = 1000; // ms between two questions while it goes on,
const SELDOM = 20_000; // and otherwise
const ENDED = ["stopped", "finished", "error", "paused"];

export class Follow {
  /** The run that is followed; null where none is. @type {ToldTrack | null} */
  track = null;
  /** @type {TrainingNow} */
  answer = { state: "idle", number: 0 };
  #timer = 0;

  /** @param {Page} page @param {() => void} changed @param {(sentence: string) => void} complain */
  constructor(page, changed, complain) {
    this.page = page;
    this.changed = changed;
    this.complain = complain;
    const id = "train-follow";
    this.path = el("input", { type: "text", id, placeholder: FOLLOW.example, spellcheck: false });
    this.leave = button({ class: "button", hidden: true }, () => this.#end(), FOLLOW.leave);
    const send = el("button", { type: "submit", class: "button" }, FOLLOW.follow);
    const row = el("div", { class: "row" }, this.path, send, this.leave);
    const form = el("form", { autocomplete: "off" }, el("label", { for: id }, FOLLOW.folder), row);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#begin();
    });
    this.element = el("details", { class: "more follow" }, el("summary", null, FOLLOW.title), form);
  }

  async #begin() {
    const visitor = this.page.client.session;
    const got = await this.page.client.ask("train", "follow", { visitor, path: this.path.value });
    this.complain(got.error ?? "");
    if (got.error !== undefined) return;
    this.track = new ToldTrack();
    this.leave.hidden = false;
    await this.#refresh();
  }

  #end() {
    clearTimeout(this.#timer);
    this.track = null;
    this.answer = { state: "idle", number: 0 };
    this.leave.hidden = true;
    this.changed();
  }

  async #refresh() {
    const { track, page } = this;
    if (!track) return;
    clearTimeout(this.#timer);
    const { number } = this.answer;
    const answer = await page.client.ask("train", "now", { visitor: page.client.session, number, ...track.asked });
    if (track !== this.track) return; // followed no more, or another one
    let wait = OFTEN;
    if (answer.error !== undefined) this.complain(answer.error);
    else {
      this.answer = answer;
      track.take(answer);
      if (answer.more) wait = 0;
      else if (ENDED.includes(answer.state)) wait = SELDOM;
    }
    this.changed();
    this.#timer = window.setTimeout(() => this.#refresh(), wait);
  }
}
