// A slider over the pictures of a run, and the button that plays it.

import { WORDS } from "../words/page.js";
import { attribute } from "../words/symbols.js";
import { button, el, within, write } from "./dom.js";
import { NOISE, play } from "./motion.js";

const ICONS = `<svg viewBox="0 0 24 24" aria-hidden="true"><path class="icon-play" d="M7 4.5v15l13-7.5z"/><path class="icon-pause" d="M6 5h4.5v14H6zM13.5 5H18v14h-4.5z"/></svg>`;

const SPEAKS = 1000; // shortest time between two texts for a screen reader while the run plays, in ms

/** Return the meaning of a key: a number of pictures to move by, "toggle" to play or pause, undefined for other keys. @param {KeyboardEvent} event */
export function meaning(event) {
  const { key } = event;
  if (within(event, ".board, .batch, .one-path, select, summary, .side, nav, header")) return undefined;
  if (key === " ") return within(event, "button") ? undefined : "toggle";
  return { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1, Home: -Infinity, End: Infinity }[key];
}

/** A slider and a button. They keep no state: the owner calls `show` whenever the position changes. */
export class Transport {
  #spoke = 0; // time of the last change of the screen readers' text, in ms
  #widest = ""; // the longest text; CSS reserves space for a text of this length
  /**
   * @param {HTMLElement} element the parent; its child with the class `at` shows the position as text
   * @param {string} label of the slider
   * @param {(at: number) => void} go goes to a picture @param {() => void} toggle plays or pauses
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
   * Show the position and whether the run plays.
   * @param {number} at number of the shown picture @param {number} last number of the run's last picture
   * @param {number} reached number of the last computed picture @param {boolean} playing @param {string} text describes the position
   * @param {string} [widest] the longest such text, for which space is reserved, so that the slider keeps its width
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
    if (this.#widest !== widest) said.dataset.widest = this.#widest = widest;
  }
}

/** A transport that plays at a constant rate. At a picture that is not computed yet, it waits. */
export class Scrubber extends Transport {
  at = 0;
  last = 0;
  reached = 0;
  seconds = 4; // duration of playing all pictures, in seconds
  every = NOISE; // shortest time between two pictures, in ms
  active = false; // whether more pictures are being computed
  playing = false;
  #pause = () => {};

  /** @param {HTMLElement} element @param {string} label @param {() => void} changed called when the position changes, or when playing begins or ends */
  constructor(element, label, changed) {
    super(
      element,
      label,
      (at) => this.go(at),
      () => this.toggle(),
    );
    this.changed = changed;
  }

  /** Pause, and prepare for another run. @param {number} last number of the run's last picture @param {number} at number of the picture to show, the last one computed so far */
  renew(last, at) {
    this.pause();
    Object.assign(this, { last, at, reached: at });
  }

  /** Pause, and go to a picture, or to the nearest computed one. @param {number} at number of the picture */
  go(at) {
    this.pause();
    this.at = Math.max(0, Math.min(at, this.reached));
    this.changed();
  }

  /** Stop playing. */
  pause() {
    this.playing = false;
    this.#pause();
  }

  /** Play or pause. At the end, play from the start. */
  toggle() {
    if (this.playing) this.pause();
    else {
      if (this.at >= this.reached) this.at = 0;
      this.play();
    }
    this.changed();
  }

  /** Play from the current picture. */
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

  /** Handle a key. @param {KeyboardEvent} event @returns {boolean} whether the key has a meaning here */
  key(event) {
    const meant = this.slider.disabled ? undefined : meaning(event);
    if (meant === "toggle") this.toggle();
    else if (meant) this.go(this.at + meant);
    return meant !== undefined;
  }

  /** Show the current position. @param {string} text describes the position @param {string} [widest] the longest such text */
  render(text, widest) {
    this.show(this.at, this.last, this.reached, this.playing, text, widest);
  }
}
