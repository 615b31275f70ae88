// A run of `python -m train fit` on this computer, whose folder the server reads. Only a server of one's own follows one.

import { button, el } from "../../drawing/dom.js";
import { ToldTrack } from "./track.js";
import { FOLLOW } from "./words.js";

/** @import { Page } from "../../app.js" */
/** @import { Followed } from "../../messages/protocol.d.ts" */

const OFTEN = 1000; // ms between two questions while it goes on,
const SELDOM = 20_000; // and otherwise

export class Follow {
  /** The run that is followed; null where none is. @type {ToldTrack | null} */
  track = null;
  /** The last answer about the followed run. @type {Followed | null} */
  answer = null;
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
      this.#ask(this.path.value, new ToldTrack());
    });
    this.element = el("details", { class: "follow" }, el("summary", null, FOLLOW.title), form);
  }

  #end() {
    clearTimeout(this.#timer);
    this.track = this.answer = null;
    this.leave.hidden = true;
    this.changed();
  }

  /** Ask what is new in a folder, again and again. @param {string} path @param {ToldTrack} track that gets it */
  async #ask(path, track) {
    const isFirst = track.version < 0;
    const answer = await this.page.client.ask("train", "follow", { path, ...track.asked });
    if (!isFirst && track !== this.track) return; // it is followed no more
    this.complain(answer.error ?? "");
    if (answer.error === undefined) {
      clearTimeout(this.#timer);
      Object.assign(this, { track, answer });
      track.take(answer);
    } else if (isFirst) return;
    this.leave.hidden = false;
    const wait = this.answer?.more ? 0 : this.answer?.state === "running" ? OFTEN : SELDOM;
    this.#timer = window.setTimeout(() => this.#ask(path, track), wait);
    this.changed();
  }
}
