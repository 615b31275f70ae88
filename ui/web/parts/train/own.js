// Reads the visitor's own pictures from files and folders, which the visitor chooses or drops here. The pictures stay
// in the browser.

import { el, write } from "../../drawing/dom.js";
import { chosen, dropped, ownPictures } from "../../learning/pictures.js";
import { UserError } from "../../process/errors.js";
import { problem } from "../../words/units.js";
import { OWN } from "./words.js";

/** @import { Chosen, Pictures } from "../../learning/pictures.js" */

/** The control with which visitors choose their own pictures. */
export class Own {
  /** @type {Pictures | null} */
  pictures = null;
  #asks = 0; // the number of choices so far; only the newest choice of files is used

  /** @param {() => void} changed called when reading begins and ends */
  constructor(changed) {
    this.changed = changed;
    this.said = el("p", { class: "info", role: "status" }, OWN.how);
    this.wrong = el("p", { class: "wrong", role: "alert", hidden: true });
    const files = this.#chooser(OWN.files, { accept: "image/*", multiple: true });
    const folder = this.#chooser(OWN.folder, { webkitdirectory: true });
    const name = el("p", { class: "name" }, OWN.drop);
    this.element = el("div", { class: "field drop" }, name, el("div", { class: "row" }, files, folder));
    this.element.append(this.said, this.wrong);
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer) this.#take(dropped(event.dataTransfer));
    });
  }

  /** Make a button that chooses files. @param {string} title @param {Record<string, string | boolean>} how attributes of its input */
  #chooser(title, how) {
    const input = el("input", { type: "file", "aria-label": title, ...how });
    input.addEventListener("change", () => {
      if (input.files?.length) this.#take(Promise.resolve(chosen(input.files)));
      input.value = ""; // so that the same files can be chosen again
    });
    return el("label", { class: "button upload" }, input, el("span", null, title));
  }

  /** Read pictures from files. A newer choice of files stops the reading. @param {Promise<Chosen[]>} files */
  async #take(files) {
    const ask = ++this.#asks;
    this.pictures = null;
    this.#say("", OWN.reading(0));
    try {
      const { pictures, said } = await ownPictures(await files, async (done) => {
        if (ask !== this.#asks) throw new UserError(OWN.none); // stop reading: other files were chosen meanwhile
        write(this.said, OWN.reading(done));
      });
      if (ask !== this.#asks) return;
      this.pictures = pictures;
      this.#say("", [OWN.found(pictures.count, pictures.side, pictures.classes), ...said].join(" "));
    } catch (error) {
      if (ask === this.#asks) this.#say(problem(error), OWN.how);
    }
  }

  /** Show an error and a note. Each may be "". @param {string} wrong @param {string} said */
  #say(wrong, said) {
    write(this.wrong, wrong);
    this.wrong.hidden = !wrong;
    write(this.said, said);
    this.changed();
  }
}
