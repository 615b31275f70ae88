// Keeps the results of a run, and draws them at the time that the scrubber shows.
import { all, find, write } from "../../drawing/dom.js";
import { calm, SMOOTH, soon } from "../../drawing/motion.js";
import { Scrubber } from "../../drawing/transport.js";
import { Mixture } from "../../process/mixture.js";
import { ARROWS } from "../../process/plane.js";
import { attribute } from "../../words/symbols.js";
import { LANES, loss, marginals, numbers, verdict } from "./charts.js";
import { frame, frameAt, pointsOf, union } from "./cloud.js";
import { paint } from "./pane.js";
import { against, WORDS } from "./words.js";

/** @import { Training } from "./plan.js" */
/** @import { Frame, Plan, Result } from "./cloud.js" */
/** @import { Data } from "../../process/mixture.js" */

const START = { alphaBar: 1, reach: 1.2 }; // the scene before the first run: the data at t = 0

/** The clouds, charts and player of a run. */
export class Stage {
  /** @type {Plan | null} */
  plan = null;
  /** @type {Mixture | null} */
  mixture = null;
  /** The frames (the cloud at some times) of each lane. @type {Frame[][]} */
  frames = [[], []];
  /** @type {Training | null} */
  training = null;
  /** The names of the lanes. @type {string[]} */
  #names = [];
  /** The times at which a lane has a frame, in falling order. @type {number[]} */
  #times = [];
  /** Draw soon, and only once for several calls. */
  soon = soon(() => this.render());

  /** @param {HTMLElement} root @param {HTMLElement} part the element whose data attributes say what is shown */
  constructor(root, part) {
    this.root = root;
    this.part = part;
    this.scrubber = new Scrubber(find(root, ".transport"), WORDS.time, () => this.render());
    this.scrubber.every = SMOOTH; // moving points do not flash, so they may change more often than pictures
    addEventListener("beforeprint", () => this.scrubber.playing && this.scrubber.go(this.scrubber.reached)); // if the page is printed while the run plays, print its newest frame
    this.panes = all(root, ".pane");
    for (const box of all(root, ".shown input", HTMLInputElement)) box.addEventListener("change", () => this.render());
  }

  /** The last position of the scrubber that all lanes have reached. */
  get #reached() {
    const slowest = Math.max(...this.frames.map((frames) => frames.at(-1)?.s ?? this.plan?.T ?? 0));
    return Math.max(0, this.#times.lastIndexOf(slowest));
  }

  /**
   * Show the data and the lanes of the form. A run with the same data stays on screen.
   * @param {Data | null} data null for an empty drawing @param {string[]} names the names of the lanes
   */
  offer(data, names) {
    const same = this.plan && JSON.stringify(this.plan.data) === JSON.stringify(data);
    if (same || this.scrubber.active) return;
    this.clear();
    this.mixture = data && new Mixture(data);
    this.#names = names;
    this.render();
  }

  /** Remove the run. */
  clear() {
    this.plan = this.training = null;
    this.frames = [[], []];
    this.#times = [];
    this.scrubber.renew(0, 0);
  }

  /** Store a result of the run, and draw it. @param {Result} result */
  take(result) {
    if (result.kind === "plan") {
      this.clear();
      this.plan = result;
      this.mixture = new Mixture(result.data);
      this.#names = result.lanes.map(({ name }) => name);
      this.#times = union(result.lanes.map(({ times }) => times));
      this.scrubber.last = this.#times.length - 1;
    } else if (result.kind === "training") {
      this.training = result;
    } else {
      this.frames[result.lane].push(frame(result));
      this.scrubber.reached = this.#reached;
      if (calm()) this.scrubber.at = this.#reached;
      else if (this.frames.every((frames) => frames.length === 1)) this.scrubber.play(); // play as soon as both lanes have x_T
    }
    this.soon();
  }

  /** Whether both clouds have reached t = 0. */
  get ended() {
    return this.frames.every((frames) => frames.at(-1)?.s === 0);
  }

  /** The spread of each lane's newest cloud, in words for screen readers. */
  get summary() {
    const { mixture } = this;
    if (!mixture || this.frames.some((frames) => !frames.length)) return "";
    const last = this.frames.map(
      (frames, lane) => `${LANES[lane].toUpperCase()}: ${verdict(mixture, frames[frames.length - 1])}`,
    );
    return `${last.join(". ")}.`;
  }

  /** Return a slide with the clouds that are shown. @param {string} title */
  slide(title) {
    const tiles = this.panes.map((pane, lane) => {
      return {
        picture: find(pane, "canvas", HTMLCanvasElement),
        label: `${LANES[lane].toUpperCase()}: ${this.#names[lane]}`,
      };
    });
    const settings = WORDS.slide(against(this.#names), this.#times[this.scrubber.at] ?? 0);
    return { title, tiles, columns: 2, said: this.summary, settings };
  }

  /** Draw both lanes and the charts at the scrubber's time. */
  render() {
    const { root, part, mixture, plan } = this;
    find(root, ".panes").classList.toggle("large", find(root, ".large", HTMLInputElement).checked);
    const t = this.#times[this.scrubber.at] ?? 0;
    const shown = this.frames.map((frames) => (frames.length ? frameAt(frames, t) : null));
    const both = shown.filter((frame) => frame !== null);
    const reach = Math.max(START.reach, ...both.map((frame) => frame.reach));
    for (const lane of this.panes.keys()) this.#renderPane(lane, shown[lane], reach, mixture);
    this.scrubber.render(plan ? `t = ${t}` : "");
    this.#renderBelow(mixture, both, reach);
    Object.assign(part.dataset, {
      at: this.scrubber.at,
      t,
      frames: this.frames.reduce((sum, { length }) => sum + length, 0),
    });
    part.dataset.training = this.training && !both.length ? "true" : "false";
    part.dataset.last = String(Boolean(plan) && this.scrubber.at === this.scrubber.last);
  }

  /** Draw a lane with its texts. @param {number} lane @param {Frame | null} shown the lane's frame @param {number} reach the visible distance from the origin @param {Mixture | null} mixture */
  #renderPane(lane, shown, reach, mixture) {
    const pane = this.panes[lane];
    const letter = LANES[lane].toUpperCase();
    const learning = !shown && this.plan?.lanes[lane].denoiser === "trained" ? (this.training?.x ?? null) : null;
    const points = shown?.points ?? (learning && pointsOf(learning));
    write(find(pane, ".title"), [letter, ...this.#names.slice(lane, lane + 1)].join(" · "));
    const when = shown ? `t = ${shown.s}` : "";
    find(pane, ".at").textContent = learning === null ? when : WORDS.learning;
    const said = shown && mixture ? verdict(mixture, shown) : "";
    find(pane, ".verdict").textContent = said;
    const canvas = find(pane, "canvas", HTMLCanvasElement);
    const about = points ? WORDS.points(points.length / 2, shown?.s ?? 0, said) : mixture ? WORDS.data : WORDS.nothing;
    attribute(canvas, "aria-label", `${letter}: ${about}`);
    const frames = this.frames[lane];
    const trail = shown ? frames.slice(0, frames.indexOf(shown) + 1) : [];
    const alphaBar = shown?.alphaBar ?? START.alphaBar;
    const drawn = all(this.root, ".shown :checked").map(({ className }) => className);
    paint(canvas, { mixture, alphaBar, reach, frame: shown, points, trail, arrows: ARROWS }, new Set(drawn));
  }

  /** Draw the charts and the table below the clouds. @param {Mixture | null} mixture @param {Frame[]} shown of the lanes @param {number} reach */
  #renderBelow(mixture, shown, reach) {
    const { root, training } = this;
    const places = ["marginals", "numbers", "loss"].map((name) => find(root, `.${name}`));
    const [sides, table, learning] = places;
    sides.hidden = table.hidden = shown.length < 2;
    learning.hidden = !training;
    if (mixture && shown.length === 2) {
      sides.replaceChildren(...marginals(mixture, shown, reach));
      table.replaceChildren(numbers(mixture, shown));
    }
    if (training) learning.replaceChildren(loss(training));
  }
}
