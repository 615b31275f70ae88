// Draws a training: the samples of each lane (network) at a chosen moment, the errors and the losses.
import { swatch } from "../../drawing/chart.js";
import { button, el, write } from "../../drawing/dom.js";
import { meanings } from "../../drawing/meanings.js";
import { Scrubber } from "../../drawing/transport.js";
import { show } from "../../pictures/sprite.js";
import { attribute } from "../../words/symbols.js";
import { Curves, Errors } from "./charts.js";
import { smooth } from "./track.js";
import { copies, SHOWN, sentence, WORDS, when } from "./words.js";

/** @import { Sprite } from "../../pictures/sprite.js" */
/** @import { Curve } from "./charts.js" */
/** @import { Copies } from "./copies.js" */
/** @import { Moment, Shown, Track } from "./track.js" */

const PLAY = 0.25; // shortest time for which each moment is shown, in seconds
const WHOLE = 6; // shortest time in which all moments are played, in seconds
const POINTS = 400; // largest number of points in a curve
const LANES = ["A", "B"];

/** A picture with its caption. */
class Figure {
  #title = el("span", null);
  #at = el("span", { class: "at" });
  image = el("img", { class: "samples", alt: "" });

  /** @param {string} kind the figure's CSS class @param {...Node} before nodes in front of the title */
  constructor(kind, ...before) {
    const title = el("span", null, ...before, this.#title);
    this.node = el("figure", { class: kind }, el("figcaption", null, title, this.#at), this.image);
  }

  /** Show a picture with its caption, or hide the figure if there is no picture. @param {Sprite | null} sprite @param {string} title @param {string} alt @param {string} [at] the time */
  show(sprite, title, alt, at = "") {
    this.node.hidden = !sprite;
    show(this.image, sprite);
    attribute(this.image, "alt", alt);
    write(this.#title, title);
    write(this.#at, at);
  }
}

/** The samples of one lane, the buttons for its model, and a comparison with the training pictures. */
class LaneView {
  /** @param {number} lane @param {(lane: number) => void} use @param {(lane: number) => void} keep */
  constructor(lane, use, keep) {
    this.samples = new Figure("averaged", swatch(`lane-${lane}`));
    this.pairs = new Figure("pairs");
    this.pairs.node.hidden = true; // until the first pairs are found
    this.said = el("p", { class: "likeness" });
    this.use = button({ class: "button use" }, () => use(lane), WORDS.use);
    this.keep = button({ class: "button keep" }, () => keep(lane), WORDS.keep);
    this.out = el("div", { class: "row out" }, this.use, this.keep);
    const content = [this.samples.node, this.out, this.pairs.node, this.said];
    this.node = el("section", { class: `lane lane-of-${LANES[lane]}` }, ...content);
    this.lane = lane;
  }

  /**
   * Show the lane (network) at a moment, or hide the lane if `shown` is undefined.
   * @param {Shown | undefined} shown @param {string} title @param {string} at the time of the moment
   * @param {Copies | null | undefined} copied the comparison with the training pictures; null for none; undefined keeps
   * the earlier comparison
   * @param {boolean} isModel whether the lane's model can be used @param {number} step
   */
  show(shown, title, at, copied, isModel, step) {
    this.node.hidden = !shown;
    if (!shown) return;
    this.samples.show(shown.averaged ?? shown.latest, title, SHOWN.drawn(title, at), at);
    if (copied !== undefined) {
      this.pairs.show(copied?.sprite ?? null, SHOWN.pairs, SHOWN.paired(at));
      write(this.said, copied ? copies(step, copied.number) : "");
    }
    this.out.hidden = !isModel;
    const name = title ? ` (${title})` : "";
    attribute(this.use, "aria-label", WORDS.use + name);
    attribute(this.keep, "aria-label", WORDS.keep + name);
  }
}

/** The samples, curves and player of a training. */
export class View {
  live = true; // whether the newest moment is shown
  #errors = new Curves(SHOWN.error, false);
  #byTime = new Errors();
  #losses = new Curves(SHOWN.loss, true);
  #sentence = el("p", { class: "sentence" });
  #latest = new Figure("latest");
  /** @type {Track | null} */
  track = null;

  /**
   * @param {{ use: (lane: number) => void, keep: (lane: number) => void, copied: (lane: number, moment: Moment) => Copies | null | undefined, say: (text: string) => void }} part
   * @param {() => void} changed called when another moment was chosen
   */
  constructor(part, changed) {
    this.part = part;
    this.changed = changed;
    this.lanes = LANES.map((_, lane) => new LaneView(lane, part.use, part.keep));
    const transport = el("div", { class: "transport" });
    this.scrubber = new Scrubber(transport, SHOWN.time, () => {
      this.live = false;
      changed();
    });
    this.button = button({ class: "button live" }, () => this.follow(), el("i", null), WORDS.live);
    transport.append(this.button);
    this.scrubber.slider.addEventListener("change", () => part.say(this.where));
    for (const chart of [this.#errors, this.#losses])
      chart.onScrub((share) => this.track && this.scrubber.go(this.track.at(share * this.#right)));
    const lanes = el("div", { class: "lanes" }, ...this.lanes.map(({ node }) => node), this.#latest.node);
    const plots = el("div", { class: "plots" }, this.#errors.node, this.#byTime.node, this.#losses.node);
    const words = /** @type {const} */ (["U-Net", "weights", "moving average", "error of the guess", "loss", "SNR"]);
    this.element = el("div", { class: "shown" }, lanes, transport, this.#sentence, plots, meanings(...words));
  }

  /** Show the newest moment, and each newer moment as it arrives. */
  follow() {
    this.scrubber.pause();
    this.live = true;
    this.changed();
  }

  /** The moment that is shown. */
  get moment() {
    return this.track?.moments[this.scrubber.at];
  }

  /** The time of the shown moment, in words; "" if no moment is shown. */
  get where() {
    return this.moment ? SHOWN.samples(when(this.moment)) : "";
  }

  /** The right end of the curves' axis, in images (in steps if `Track.isOfSteps`). */
  get #right() {
    return Math.max(this.track?.total ?? 0, this.track?.images ?? 0);
  }

  /** Draw a training at the chosen moment. @param {Track | null} track @param {boolean} isModel whether the training's models can be used @param {boolean} grows whether more moments will follow */
  render(track, isModel, grows) {
    this.track = track;
    const { scrubber } = this;
    const last = Math.max(0, (track?.moments.length ?? 0) - 1);
    const at = this.live ? last : Math.min(scrubber.at, last);
    Object.assign(scrubber, { at, last, reached: last, seconds: Math.max(PLAY * last, WHOLE) });
    scrubber.render(this.where);
    this.button.hidden = !grows;
    attribute(this.button, "aria-pressed", String(this.live));
    this.element.hidden = !this.moment;
    if (!track || !this.moment) return;
    this.#renderSamples(track, this.moment, isModel);
    this.#renderCurves(track, this.moment);
  }

  /** Draw the samples of all lanes. @param {Track} track @param {Moment} moment @param {boolean} isModel */
  #renderSamples(track, moment, isModel) {
    const at = when(moment);
    const isTwo = moment.lanes.length > 1;
    this.element.classList.toggle("two", isTwo);
    for (const [i, lane] of this.lanes.entries()) {
      const title = isTwo ? SHOWN.lane(LANES[i], track.titles[i]) : SHOWN.averaged;
      const copied = moment.lanes[i] ? this.part.copied(i, moment) : null;
      lane.show(moment.lanes[i], title, at, copied, isModel, moment.step);
    }
    const { averaged, latest } = moment.lanes[0];
    this.#latest.show(isTwo || !averaged ? null : latest, SHOWN.latest, SHOWN.drawn(SHOWN.latest, at));
    const said = track.kind === "digits" ? sentence(moment.step, moment.lanes[0].error) : "";
    write(this.#sentence, said);
  }

  /** Draw the errors and losses of all lanes. @param {Track} track @param {Moment} moment */
  #renderCurves(track, moment) {
    const right = this.#right;
    const all = moment.lanes.map((_, lane) => lane);
    /** Return the points of a lane's error. @param {number} lane @returns {[number, number][]} */
    const errors = (lane) => track.moments.flatMap(({ images, lanes }) => point(images, lanes[lane]?.error));
    const every = Math.ceil(track.losses.length / POINTS);
    /** Return the points of a lane's loss, smoothed and thinned to POINTS. @param {number} lane @returns {[number, number][]} */
    const losses = (lane) =>
      smooth(track.losses.flatMap(([images, each]) => point(images, each[lane]))).filter((_, i) => i % every === 0);
    /** Return a curve for each lane. @param {(lane: number) => [number, number][]} points @returns {Curve[]} */
    const curves = (points) => all.map((lane) => ({ name: `lane-${lane}`, points: points(lane) }));
    const x = (100 * moment.images) / right;
    this.#errors.show(curves(errors), right, track.isOfSteps);
    this.#errors.mark(x, [], levels(moment));
    this.#losses.show(curves(losses), right, track.isOfSteps);
    this.#losses.mark(x, []);
    const first = track.moments[0].lanes[0].errors;
    this.#byTime.node.hidden = !first.length;
    const highest = Math.max(...track.moments.flatMap(({ lanes }) => lanes.flatMap((lane) => lane.errors)));
    const now = moment.lanes.map((lane, i) => ({ name: `lane-${i}`, errors: lane.errors }));
    this.#byTime.show([{ name: "first", errors: first }, ...now], highest);
  }

  /** Return a slide with the samples that are shown. @returns {import("../../run/slide.js").Slide} */
  slide() {
    const { moment, track } = this;
    if (!moment || !track) throw new Error("nothing is shown");
    const at = when(moment);
    const tiles = moment.lanes.map((_, i) => {
      const title = moment.lanes.length > 1 ? SHOWN.lane(LANES[i], track.titles[i]) : SHOWN.averaged;
      return { picture: this.lanes[i].samples.image, label: `${title}, ${at}` };
    });
    const error = levels(moment);
    const settings = [...track.titles, SHOWN.all(track.total), error && SHOWN.ofGuess(error)].filter(Boolean);
    const said = this.#sentence.textContent ?? "";
    return { title: SHOWN.title, tiles, columns: tiles.length, said, settings: settings.join(" · ") };
  }
}

/** Return a list with one point; an empty list if y is missing. @param {number} x @param {number | null | undefined} y @returns {[number, number][]} */
const point = (x, y) => (y === null || y === undefined ? [] : [[x, y]]);

/** Return the mean errors of all lanes as text; "" if none are known. @param {Moment} moment */
function levels({ lanes }) {
  const errors = lanes.flatMap(({ error }) => (error === null ? [] : [error]));
  return errors.length ? SHOWN.levels(errors) : "";
}
