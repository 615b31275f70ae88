// Shows a history: samples at the time that is chosen, the curves, and how the run goes.
import { swatch } from "../../drawing/chart.js";
import { all, button, el, find, meanings } from "../../drawing/dom.js";
import { Scrubber } from "../../drawing/transport.js";
import { show } from "../../pictures/sprite.js";
import { Status } from "../../run/status.js";
import { number } from "../../words/numbers.js";
import { copies, facts, moment, SHOWN, sentence, status } from "../../words/train.js";
import { Curves } from "./charts.js";
import { smoothed } from "./history.js";

/** @import { Sprite } from "../../pictures/sprite.js" */
/** @import { History, Run } from "./history.js" */
/** @import { Curve } from "./charts.js" */

const PLAY = 0.25; // seconds a picture, at least
const WHOLE = 6; // of all pictures, at least
const WIDE = 2; // samples at least so many times as wide as high take the whole width

export class View {
  live = true;
  /** @type {Run | null} the earlier run whose samples are shown */
  chosen = null;
  status = new Status(SHOWN.progress);

  /**
   * @param {HTMLElement} root
   * @param {History} history
   * @param {(text: string) => void} say to screen readers
   */
  constructor(root, history, say) {
    this.root = root;
    this.history = history;
    this.say = say;
    this.scrubber = new Scrubber(find(root, ".transport"), SHOWN.time, () => {
      this.live = false;
      this.render();
    });
    find(root, ".stage").prepend(el("div", { class: "head" }, this.status.element, find(root, ".out")));
    this.errors = new Curves(SHOWN.error, false);
    this.losses = new Curves(SHOWN.loss, true);
    find(root, ".plots").append(this.errors.node, this.losses.node);
    const words = /** @type {const} */ (["U-Net", "weights", "moving average", "error of the guess", "loss", "SNR"]);
    find(root, ".plots").after(meanings(...words));
    this.scrubber.slider.addEventListener("change", () => say(this.#where));
    find(root, ".live").addEventListener("click", () => this.follow());
    for (const chart of [this.errors, this.losses])
      chart.onScrub((share) => {
        const run = this.history.shown;
        const images = share * this.#right();
        const grid = run.gridAt(images);
        this.scrubber.go(grid ? run.grids.indexOf(grid) : 0);
      });
    for (const image of all(root, ".samples", HTMLImageElement))
      image.addEventListener("load", () =>
        image.classList.toggle("wide", image.naturalWidth >= WIDE * image.naturalHeight),
      );
  }

  /** Show the newest samples from now on. */
  follow() {
    this.scrubber.pause();
    this.live = true;
    this.render();
  }

  /** @param {string} selector @param {string} text */
  #say(selector, text) {
    const node = find(this.root, selector);
    if (node.textContent !== text) node.textContent = text;
  }

  /** The samples shown. */
  get #grid() {
    return this.history.shown.grids[this.scrubber.at];
  }

  get #where() {
    const grid = this.#grid;
    return grid ? SHOWN.samples(moment(this.history.shown, grid.step, grid.seconds)) : "";
  }

  /** What is shown, for a slide. @returns {import("../../run/slide.js").Slide} */
  slide() {
    const { shown } = this.history;
    const grid = this.#grid;
    const when = moment(shown, grid.step, grid.seconds);
    const tile = (/** @type {string} */ figure, /** @type {string} */ label) => {
      return { picture: find(this.root, `${figure} img`, HTMLImageElement), label };
    };
    const tiles = [tile(".ema", SHOWN.averaged(when)), tile(".raw", SHOWN.latest)];
    const said = find(this.root, ".stage .sentence").textContent ?? "";
    const left = grid.error === null ? "" : SHOWN.left(grid.error);
    const settings = [shown.title, SHOWN.all(shown.images(shown.total)), left].filter(Boolean).join(" · ");
    return { title: SHOWN.title, tiles, columns: 1, said, settings };
  }

  /** Images at the right end of the curves. */
  #right() {
    const { shown: run, earlier } = this.history;
    const seen = (/** @type {Run} */ r) => r.images(r.points.at(-1)?.[0] ?? 0);
    return Math.max(run.images(run.total), seen(run), ...earlier.map(seen));
  }

  render() {
    const { answer, run, shown, earlier } = this.history;
    const { root } = this;
    const example = shown !== run;
    if (this.chosen && !earlier.includes(this.chosen)) this.chosen = null;
    const { scrubber } = this;
    const last = Math.max(0, shown.grids.length - 1);
    const at = this.live ? last : Math.min(scrubber.at, last);
    Object.assign(scrubber, { at, last, reached: last, seconds: Math.max(PLAY * last, WHOLE) });
    scrubber.render(this.#where);
    Object.assign(root.dataset, {
      run: run.number,
      grids: shown.grids.length,
      at: this.#grid?.step ?? "",
      live: this.live,
      example,
    });
    if (root.dataset.state !== answer.state) this.say(status(answer, example));
    root.dataset.state = answer.state;
    const more = facts(answer, answer.state === "idle" ? shown : run).join(" · ");
    this.status.show(status(answer, example), more, example, run.total ? (answer.step ?? 0) / run.total : undefined);
    find(root, ".welcome").hidden = Boolean(run.grids.length);
    find(root, ".live").hidden = example;
    find(root, ".out").hidden = example || !shown.grids.length;
    find(root, ".shown").hidden = !shown.grids.length;
    if (!shown.grids.length) return;
    this.#samples();
    this.#curves();
  }

  #samples() {
    const run = this.history.shown;
    const grid = this.#grid;
    const when = moment(run, grid.step, grid.seconds);
    this.#picture(".ema", grid.ema, SHOWN.ema(when));
    this.#picture(".raw", grid.raw, SHOWN.raw(when));
    this.#say(".ema .at", when);
    const { likeness } = grid; // of a training of drawings
    const usual = sentence(grid.step, grid.error, run.grids[0].error);
    this.#say(".stage .sentence", likeness === undefined ? usual : copies(grid.step, likeness));
    find(this.root, ".pairs").hidden = !grid.pairs;
    find(this.root, ".shown").classList.toggle("paired", Boolean(grid.pairs));
    if (grid.pairs) this.#picture(".pairs", grid.pairs, SHOWN.pairs(when));
    const then = this.chosen?.gridAt(run.images(grid.step));
    find(this.root, ".then").hidden = !then;
    if (this.chosen && then) {
      this.#picture(".then", then.ema, SHOWN.earlier(this.chosen.title));
      this.#say(".then-title", this.chosen.title);
      this.#say(".then .at", moment(this.chosen, then.step, then.seconds));
    }
    find(this.root, ".live").setAttribute("aria-pressed", String(this.live));
  }

  /** @param {string} figure @param {Sprite | null} sprite @param {string} text */
  #picture(figure, sprite, text) {
    const image = find(this.root, `${figure} img`, HTMLImageElement);
    show(image, sprite);
    image.alt = text;
  }

  #curves() {
    const { shown: run, earlier } = this.history;
    const right = this.#right();
    /** @param {Run} r @returns {[number, number][]} */
    const loss = (r) => r.points.flatMap(([step, value]) => (value === null ? [] : [[r.images(step), value]]));
    /** @param {Run} r @returns {[number, number][]} */
    const error = (r) => r.grids.flatMap(({ step, error }) => (error === null ? [] : [[r.images(step), error]]));
    /** @param {(r: Run) => [number, number][]} points @param {(r: Run) => boolean} fits @returns {Curve[]} */
    const before = (points, fits) =>
      earlier.flatMap((r, i) =>
        fits(r) ? [{ name: `earlier earlier-${i}${r === this.chosen ? " chosen" : ""}`, points: points(r) }] : [],
      );
    this.errors.show([...before(error, () => true), { name: "error", points: error(run) }], right);
    const own = loss(run);
    this.losses.show(
      [
        ...before(
          (r) => smoothed(loss(r)),
          (r) => r.recipe === run.recipe,
        ),
        { name: "each", points: own },
        { name: "loss", points: smoothed(own) },
      ],
      right,
    );
    const { step, error: value } = this.#grid;
    const x = (100 * run.images(step)) / right;
    this.errors.mark(x, [], value === null ? "" : SHOWN.levels(value));
    const near = smoothed(own).findLast(([images]) => images <= run.images(step));
    this.losses.mark(x, [], near ? number(near[1]) : "");
    this.#legend();
  }

  #legend() {
    const { earlier } = this.history;
    const group = find(this.root, ".compared");
    group.hidden = !earlier.length;
    const key = earlier.map((r) => `${r.number} ${r === this.chosen}`).join();
    if (group.dataset.key === key) return;
    group.dataset.key = key;
    for (const old of all(group, "button", HTMLButtonElement)) old.remove();
    earlier.forEach((r, i) => {
      const title = SHOWN.run(r.title, r.images(r.grids.at(-1)?.step ?? 0));
      const choose = () => {
        this.chosen = r === this.chosen ? null : r;
        this.render();
      };
      const says = { "aria-pressed": r === this.chosen, title: SHOWN.beside };
      group.append(button({ class: "button", ...says }, choose, swatch(`earlier-${i}`), title));
    });
  }
}
