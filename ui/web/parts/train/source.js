// The source of the training pictures: the digits of this site, the drawing pad, or the visitor's own files.

import { el } from "../../drawing/dom.js";
import { drawnPictures, SHEET } from "../../learning/drawings.js";
import { digits } from "../../learning/pictures.js";
import { Own } from "./own.js";
import { Pad } from "./pad.js";
import { OWN, PAD, WORDS } from "./words.js";

/** @import { Pictures } from "../../learning/pictures.js" */

const DIGITS = new URL("../../digits.npz", import.meta.url);
/** A placeholder for pictures that are not loaded yet. @type {Pictures} */
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

/** The controls for the training pictures. */
export class Source {
  /** @type {Pictures["kind"]} */
  kind = "digits";
  note = el("p", { class: "info" }, WORDS.noLink);

  /** @param {() => void} changed called when the pictures have changed */
  constructor(changed) {
    this.pad = new Pad(changed);
    this.own = new Own(changed);
    this.element = el("div", { class: "fields source-of" }, this.pad.element, this.own.element, this.note);
  }

  /** Show the controls for a kind of pictures, and hide the others. @param {string} kind */
  choose(kind) {
    this.kind = /** @type {Pictures["kind"]} */ (kind);
    this.pad.element.hidden = kind !== "drawings";
    this.own.element.hidden = kind !== "own";
    this.note.hidden = this.isDigits;
    this.element.hidden = this.isDigits;
  }

  /** Whether the digits of this site are chosen. */
  get isDigits() {
    return this.kind === "digits";
  }

  /** The pictures if they are loaded; else only their kind and usual size. @returns {Pictures} */
  get about() {
    return this.kind === "own" && this.own.pictures ? this.own.pictures : { ...NONE, kind: this.kind };
  }

  /** A sentence that says which pictures are missing; "" if none are. */
  get lacks() {
    const { length } = this.pad.drawings;
    if (this.kind === "drawings" && length < SHEET.fewest) return PAD.drawn(length, SHEET.fewest, SHEET.most);
    return this.kind === "own" && !this.own.pictures ? OWN.none : "";
  }

  /** Load the pictures of the chosen kind. @returns {Promise<Pictures>} */
  async read() {
    if (this.kind === "drawings") return drawnPictures(this.pad.drawings, nextTask);
    if (this.kind === "own" && this.own.pictures) return this.own.pictures;
    return digits(DIGITS);
  }
}

/** Wait until the browser has handled other events, so that the page stays responsive. */
const nextTask = () => new Promise((resolve) => setTimeout(resolve));
