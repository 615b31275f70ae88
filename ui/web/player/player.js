// The player of a run. Results and the visitor change the view; the screen and the pictures are drawn from the view.
import { context2d } from "../drawing/canvas.js";
import { all, button, el, find, markup, within } from "../drawing/dom.js";
import { NOISE, nextFrame, play, soon } from "../drawing/motion.js";
import { meaning, Transport } from "../drawing/transport.js";
import { WORDS } from "../words/player.js";
import { MARKUP } from "./markup.js";
import { drawn, Pictures } from "./pictures.js";
import { Recording } from "./recording.js";
import { Screen } from "./screen.js";
import { View } from "./view.js";

/** @import { Result } from "./recording.js" */

export class Player {
  view = new View();
  /** Called after each rendering. */
  shows = () => {};
  #pause = () => {}; // ends the playing
  #isOpening = false; // true until the first picture of a run is on screen; until then nothing else is drawn
  #painted = Promise.resolve(); // resolves when the first picture of the shown run is on its canvas
  #live = soon(() => this.view.live && this.#update(() => this.view.goLive()), NOISE);

  /**
   * The player's element has the attributes data-frames, data-k (the tick on screen), data-live and data-kind.
   * @param {() => unknown} [attend] called when a word is pressed but the run has no attention
   * @param {(() => unknown) | null} [inside] opens the network of a run of one lane
   */
  constructor(attend = () => {}, inside = null) {
    this.attend = attend;
    this.root = el("section", {
      class: "ddpm-player",
      tabindex: 0,
      role: "group",
      "aria-label": WORDS.player,
    });
    markup(this.root, MARKUP);
    const go = (/** @type {number} */ at) => this.#update(() => this.view.go(at));
    const transport = new Transport(find(this.root, ".transport"), WORDS.step, go, () => this.toggle());
    const pick = (/** @type {number} */ n) => this.#update(() => Object.assign(this.view, { chosen: n }));
    this.screen = new Screen(this.root, this.view, transport, pick, inside);
    this.pictures = new Pictures(this.view, this.screen);
    this.#listen();
    this.render();
  }

  /** Draw the view: texts and buttons at once, the pictures when they are decoded. */
  render() {
    if (!this.#isOpening) {
      this.screen.render();
      this.shows();
    }
    if (this.view.shown.count) this.pictures.paint();
  }

  /** Change the view and draw it. @param {() => unknown} change */
  #update(change) {
    change();
    this.render();
  }

  // --- The results of a run

  /** Prepare for a new run. The run on screen stays until the first picture of the new run arrives. */
  start() {
    const { live } = this.view;
    this.view.start();
    if (live) this.render(); // the button Live belonged to the previous run
  }

  /** Take a result of the newest run. @param {Result} result */
  take = (result) => {
    const { view } = this;
    if (view.live) this.#live();
    if (view.add(result)) this.#open();
  };

  /**
   * Show a sketch, a quick run while the visitor types, in place of the newest run, until `back` is called.
   * @param {Result[]} results of the sketch
   */
  sketch(results) {
    const run = new Recording();
    for (const result of results) run.add(result);
    this.#showRun(run);
  }

  /** Show the newest run again, after a sketch. */
  back() {
    if (this.view.coming.count && this.view.shown !== this.view.coming) this.#showRun(this.view.coming);
  }

  /** Show the newest pictures of a run. @param {Recording} run */
  #showRun(run) {
    this.view.show(run);
    this.#open();
  }

  /**
   * Build the screen for another run. The run's first picture appears before any text about the run, and before the run
   * plays.
   */
  #open() {
    const { plan } = this.view.shown;
    if (plan) {
      this.#isOpening = true;
      if (this.screen.build(plan)) this.shows(); // elements over the old panes move to the new panes
      this.#buildWords(plan.words ?? []);
      this.#painted = this.pictures.renew();
      this.#painted.then(nextFrame).then(this.#finishOpening);
    }
    this.render();
  }

  /** Once the first picture of a run is on screen, draw everything else, and play. */
  #finishOpening = () => {
    if (!this.#isOpening) return;
    this.#isOpening = false;
    this.render();
    if (this.view.playing) this.#play();
  };

  /** Make a button of each word of the prompt. A pressed button shows the attention that the picture pays to its word. @param {string[]} words */
  #buildWords(words) {
    const { view } = this;
    if (view.word >= words.length) view.word = -1;
    const buttons = words.map((word, i) => {
      const press = () => {
        const word = view.word === i ? -1 : i;
        for (const [n, other] of buttons.entries()) other.setAttribute("aria-pressed", String(n === word));
        this.#update(() => Object.assign(view, { word }));
        if (word >= 0 && !view.frames[0]?.attention) this.attend();
      };
      return button({ "aria-pressed": i === view.word }, press, word);
    });
    const box = find(this.root, ".words");
    box.hidden = !words.length;
    box.replaceChildren(...(words.length ? [el("span", null, WORDS.attention), ...buttons] : []));
  }

  /** Set whether the newest run is waiting or computing. @param {boolean} active */
  set active(active) {
    const { view } = this;
    const isNews = view.active !== active;
    view.active = active;
    if (view.shown !== view.coming) return; // the newest run has no picture yet
    if (!active && view.live) {
      view.goLive();
      view.live = false;
    }
    if (isNews || !view.playing) this.render(); // playing renders the view anyway; rendering here, too, would lay out the page twice
  }

  // --- Playing

  /**
   * Skip some seconds of a playing run. Return a promise that resolves when the run's first picture is painted.
   * @param {number} seconds
   */
  skip(seconds) {
    if (this.view.playing) this.#update(() => this.view.advance(seconds));
    return this.#painted;
  }

  /** Advance the view with the time until it stops playing. */
  #play() {
    this.#pause();
    const { view } = this;
    const { shown } = view;
    this.#pause = play((seconds) => {
      if (!view.playing || view.shown !== shown) return false;
      view.advance(seconds);
      this.render();
      return view.playing;
    }, NOISE);
  }

  /** For printing, go to the end of a finished run that is still playing. */
  #showEnd() {
    const { view, pictures } = this;
    this.#finishOpening();
    if (!view.playing || !pictures.paintEnd()) return;
    this.#update(() => view.go(view.shown.newest));
    this.screen.painted([], pictures.decided);
  }

  /** Play or pause. */
  toggle() {
    this.view.toggle();
    this.render();
    if (this.view.playing) this.#play();
  }

  /** Return a canvas with the newest picture of a lane. @param {Recording} run @param {number} lane @param {number} image */
  async #last({ lanes, plan }, lane, image) {
    const canvas = el("canvas", { width: plan?.size ?? 1, height: plan?.size ?? 1 });
    const frame = lanes[lane].frames.at(-1);
    if (frame) await drawn(canvas, frame.x, image);
    return canvas;
  }

  /** Return a canvas with the newest picture of each lane, side by side. */
  async painted() {
    const { coming } = this.view;
    const { lanes, plan } = coming;
    const size = plan?.size ?? 1;
    const whole = el("canvas", { width: size * Math.max(1, lanes.length), height: size });
    for (const i of lanes.keys()) context2d(whole).drawImage(await this.#last(coming, i, this.view.image), i * size, 0);
    return whole;
  }

  /** Return a slide with the pictures on screen: a row for each lane, or one row if each lane has one picture. */
  async slide() {
    const { root, view } = this;
    const { frames } = view;
    const { plan } = view.shown;
    const { title = "", heading = "", seeds = [], lanes: captions = [], size = 1 } = plan ?? {};
    const over = frames.every((frame) => frame?.step[1] === 0);
    const [at, sentence] = [".transport .at", ".sentence"].map((selector) => find(root, selector).textContent ?? "");
    const columns = Math.min(8, seeds.length === 1 ? captions.length : seeds.length);
    /** @type {{ picture: HTMLCanvasElement, label: string }[]} */
    const tiles = [];
    for (const [lane, { name }] of captions.entries())
      for (const n of seeds.keys()) {
        const label = captions.length > 1 ? `${"AB"[lane]}: ${name}` : "";
        const picture = el("canvas", { width: size, height: size });
        const x = frames[lane]?.x;
        if (x) await drawn(picture, x, n);
        tiles.push({ picture, label: n ? "" : label });
      }
    const settings = seeds.length > 1 ? WORDS.title(title, seeds.at(-1)) : title;
    const said = over ? await this.outcome([...seeds.keys()]) : sentence;
    return { title: heading, tiles, columns, said, settings: over ? settings : `${settings} · ${at}` };
  }

  /**
   * Return a sentence with the measurements of finished pictures, "" before they are finished.
   * @param {number[]} images the pictures' indices in each lane
   */
  async outcome(images = [this.view.image]) {
    const { coming } = this.view;
    if (!coming.lanes.every(({ frames }) => frames.at(-1)?.step[1] === 0)) return "";
    const pictures = coming.lanes.map((_, lane) => Promise.all(images.map((n) => this.#last(coming, lane, n))));
    return this.screen.result(coming, await Promise.all(pictures));
  }

  /** Elements to which the page scrolls after Run is pressed, the most important last. */
  get sight() {
    return [find(this.root, ".transport"), find(this.root, ".lanes")];
  }

  /** The members of `Part` (app.js) that a part with a player takes from the player. */
  part = {
    hide: () => {
      if (this.view.playing) this.#update(() => Object.assign(this.view, { playing: false })); // so that the button says Play again
    },
    key: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    title: () => this.view.shown.plan?.heading ?? "",
    slide: () => this.slide(),
  };

  // --- Clicks and keys

  /** Connect clicks, the scrubber and printing with the view. */
  #listen() {
    const { root, view, screen } = this;
    screen.chart.onScrub((share) => this.#update(() => view.go(Math.round(share * (view.shown.ticks.length - 1)))));
    addEventListener("beforeprint", () => this.#showEnd());
    screen.live.addEventListener("click", () => this.#update(() => view.goLive()));
    const speed = find(root, ".speed", HTMLSelectElement);
    speed.addEventListener("change", () => {
      view.speed = Number(speed.value);
    });
    find(root, ".choices").addEventListener("click", (event) => {
      const pressed = within(event, "button");
      if (!(pressed instanceof HTMLButtonElement)) return;
      for (const one of all(root, `.choices [name=${pressed.name}]`))
        one.setAttribute("aria-pressed", String(one === pressed));
      this.#update(() => Object.assign(view, { [pressed.name]: pressed.value }));
    });
    // A tap on a lane enlarges it over the other lane; a second tap undoes this. If there is one lane, a tap on a phone
    // enlarges one of its two pictures.
    find(root, ".lanes").addEventListener("click", (event) => {
      const frame = within(event, ".frame");
      const lane = screen.lanes.findIndex(({ group }) => group.contains(frame));
      if (!frame || lane < 0) return;
      const large = screen.lanes.length > 1 ? String(lane) : (frame.closest("figure")?.className ?? "");
      screen.enlarge(large);
    });
  }

  /** Handle a key. Return whether the player uses it. @param {KeyboardEvent} event */
  #key(event) {
    const { key } = event;
    const { view } = this;
    const meant = meaning(event);
    if (!view.shown.count) return false;
    if (key.toLowerCase() === "n") find(this.root, ".chart").toggleAttribute("open");
    else if (within(event, ".batch")) return this.#pickByKey(key);
    else if (meant === "toggle") this.toggle();
    else if (meant) this.#update(() => view.step(meant));
    else return false;
    return true;
  }

  /**
   * Choose a small picture by an arrow key, Home or End, as in a radio group. Return false for any other key.
   * @param {string} key
   */
  #pickByKey(key) {
    const { length } = this.screen.thumbs;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[key];
    const end = { Home: 0, End: length - 1 }[key];
    const n = end ?? (by && (this.view.image + by + length) % length);
    if (n === undefined) return false;
    this.screen.pick(n);
    this.screen.thumbs[n].thumb.focus();
    return true;
  }
}
