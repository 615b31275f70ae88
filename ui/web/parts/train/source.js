// Where the pictures of a training come from: the digits of the lab, the drawing pad, or files of one's own.

import { el } from "../../drawing/dom.js";
import { drawnPictures, SHEET } from "../../learning/drawings.js";
import { digits } from "../../learning/pictures.js";
import { Own } from "./own.js";
import { Pad } from "./pad.js";
import { OWN, PAD, WORDS } from "./words.js";

/** @import { Pictures } from "../../learning/pictures.js" */

const DIGITS = new URL("../../digits.npz", import.meta.url);
/** The pictures of a source that is not loaded yet. @type {Pictures} */
const NONE = {
  kind: "digits",
  images: new Uint8Array(),
  count: 0,
  side: 28,
  channels: 1,
  labels: null,
  classes: [],
  originals: new Uint8Array(),
};

export class Source {
  /** @type {Pictures["kind"]} */
  kind = "digits";
  note = el("p", { class: "info" }, WORDS.noLink);

  /** @param {() => void} changed other pictures are here */
  constructor(changed) {
    this.pad = new Pad(changed);
    this.own = new Own(changed);
    this.element = el("div", { class: "fields source-of" }, this.pad.element, this.own.element, this.note);
  }

  /** @param {string} kind */
  choose(kind) {
    this.kind = /** @type {Pictures["kind"]} */ (kind);
    this.pad.element.hidden = kind !== "drawings";
    this.own.element.hidden = kind !== "own";
    this.note.hidden = this.isDigits;
    this.element.hidden = this.isDigits;
  }

  get isDigits() {
    return this.kind === "digits";
  }

  /** What is known of the pictures now. @returns {Pictures} */
  get about() {
    return this.kind === "own" && this.own.pictures ? this.own.pictures : { ...NONE, kind: this.kind };
  }

  /** What is missing, in a sentence, or "". */
  get lacks() {
    const { length } = this.pad.drawings;
    if (this.kind === "drawings" && length < SHEET.fewest) return PAD.drawn(length, SHEET.fewest, SHEET.most);
    return this.kind === "own" && !this.own.pictures ? OWN.none : "";
  }

  /** Get the pictures. @returns {Promise<Pictures>} */
  async read() {
    if (this.kind === "drawings") return drawnPictures(this.pad.drawings, breath);
    if (this.kind === "own" && this.own.pictures) return this.own.pictures;
    return digits(DIGITS);
  }
}

/** Give the page a turn. */
const breath = () => new Promise((resolve) => setTimeout(resolve));
