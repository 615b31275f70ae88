// A slider over the pictures of a run, and the button that plays it.

import { WORDS } from "../words/page.js";
import { attribute } from "../words/symbols.js";
import { button, el, within, write } from "./dom.js";
import { NOISE, play } from "./motion.js";

const ICONS = `<svg viewBox="0 0 24 24" aria-hidden="true"><path class="icon-play" d="M7 4.5v15l13-7.5z"/><path class="icon-pause" d="M6 5h4.5v14H6zM13.5 5H18v14h-4.5z"/></svg>`;

const SPEAKS = 1000; // ms between two texts for a screen reader while it plays

/** Return the meaning of a key: a number of pictures to move by, "toggle" to play or pause, or nothing. @param {KeyboardEvent} event */
export function meaning(event) {
  const { key } = event;
  if (within(event, ".board, .batch, .one-path, select, summary, .side, nav, header")) return undefined;
  if (key === " ") return within(event, "button") ? undefined : "toggle";
  return { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1, Home: -Infinity, End: Infinity }[key];
}

export class Transport {
  #spoke = 0; // time of the last change of the screen readers' text, in ms
  #widest = ""; // the longest text, for which CSS reserves space
  /**
   * @param {HTMLElement} element that holds it; one of the class `at` in it says where it is
   * @param {string} label of the slider
   * @param {(at: number) => void} go @param {() => void} toggle
   */
  constructor(element, label, go, toggle) {
    this.element = element;
    this.slider = el("input", {
      type: "range",
      class: "slider scrubber",
      min: 0,
      max: 1,
      value: 0,
      "aria-label": label,
    });
    this.button = button({ class: "button play" }, toggle);
    this.button.innerHTML = ICONS;
    this.slider.addEventListener("input", () => go(Number(this.slider.value)));
    element.prepend(this.button, this.slider);
    this.show(0, 0, 0, false, "");
  }

  /**
   * @param {number} at @param {number} last position @param {number} reached the last one that has a picture
   * @param {boolean} playing @param {string} text what is said of where it is
   * @param {string} [widest] the widest one of these texts, for which there is always room: the slider keeps its width
   */
  show(at, last, reached, playing, text, widest = text) {
    const { slider, button } = this;
    const end = Math.max(1, last);
    slider.disabled = button.disabled = reached < 1;
    const back = at < Number(slider.value);
    slider.max = String(end);
    slider.value = String(at);
    slider.style.setProperty("--at", `${(100 * at) / end}%`);
    slider.style.setProperty("--held", `${(100 * reached) / end}%`);
    const now = performance.now();
    if (!playing || back || now > this.#spoke + SPEAKS) {
      attribute(slider, "aria-valuetext", text);
      this.#spoke = now;
    }
    button.setAttribute("aria-label", playing ? WORDS.pause : WORDS.play);
    button.classList.toggle("on", playing);
    const said = this.element.querySelector(".at");
    if (!(said instanceof HTMLElement)) return;
    write(said, text);
    if (this.#widest !== widest) said.dataset.widest = this.#widest = widest; // CSS reserves space for the text
  }
}

/** A transport that plays at an even rate, and waits for pictures that are not computed yet. */
export class Scrubber extends Transport {
  at = 0;
  last = 0;
  reached = 0;
  seconds = 4; // seconds that playing takes
  every = NOISE; // least ms between two pictures
  active = false; // more pictures are being computed
  playing = false;
  #pause = () => {};

  /** @param {HTMLElement} element @param {string} label @param {() => void} changed where it is, or whether it plays */
  constructor(element, label, changed) {
    super(
      element,
      label,
      (at) => this.go(at),
      () => this.toggle(),
    );
    this.changed = changed;
  }

  /** Set the number of the last picture, and of the last one computed. @param {number} last @param {number} at */
  renew(last, at) {
    this.pause();
    Object.assign(this, { last, at, reached: at });
  }

  /** @param {number} at */
  go(at) {
    this.pause();
    this.at = Math.max(0, Math.min(at, this.reached));
    this.changed();
  }

  pause() {
    this.playing = false;
    this.#pause();
  }

  toggle() {
    if (this.playing) this.pause();
    else {
      if (this.at >= this.reached) this.at = 0;
      this.play();
    }
    this.changed();
  }

  play() {
    this.pause();
    this.playing = true;
    let position = this.at;
    this.#pause = play((seconds) => {
      position = Math.min(this.reached, position + (seconds / this.seconds) * this.last);
      const at = Math.floor(position);
      this.playing = at < this.reached || (at < this.last && this.active);
      if (at !== this.at || !this.playing) {
        this.at = at;
        this.changed();
      }
      return this.playing;
    }, this.every);
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether it was for this one */
  key(event) {
    const meant = this.slider.disabled ? undefined : meaning(event);
    if (meant === "toggle") this.toggle();
    else if (meant) this.go(this.at + meant);
    return meant !== undefined;
  }

  /** @param {string} text @param {string} [widest] */
  render(text, widest) {
    this.show(this.at, this.last, this.reached, this.playing, text, widest);
  }
}
