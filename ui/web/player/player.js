// The player of a run: its results and the visitor change the view, and the screen follows the view.
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
  #pause = () => {};
  #opens = false; // the first picture of a run is on its way to the screen: nothing else is drawn until it is there
  #painted = Promise.resolve(); // resolves once the first picture of the run that is shown is on its canvas
  #live = soon(() => this.view.live && this.#do(() => this.view.goLive()), NOISE);

  /**
   * Its element has data-frames, data-k (the tick that is shown), data-live and data-kind.
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
    const go = (/** @type {number} */ at) => this.#do(() => this.view.go(at));
    const transport = new Transport(find(this.root, ".transport"), WORDS.step, go, () => this.toggle());
    const pick = (/** @type {number} */ n) => this.#do(() => Object.assign(this.view, { chosen: n }));
    this.screen = new Screen(this.root, this.view, transport, pick, inside);
    this.pictures = new Pictures(this.view, this.screen);
    this.#listen();
    this.render();
  }

  render() {
    if (!this.#opens) {
      this.screen.render();
      this.shows();
    }
    if (this.view.shown.count) this.pictures.paint();
  }

  /** @param {() => unknown} change */
  #do(change) {
    change();
    this.render();
  }

  // --- What a run sends

  /** A run begins: what is on screen stays until its first picture is here. */
  start() {
    const { live } = this.view;
    this.view.start();
    if (live) this.render(); // the button Live was about the run before
  }

  /** Take a result of the newest run. @param {Result} result */
  take = (result) => {
    const { view } = this;
    if (view.live) this.#live();
    if (view.add(result)) this.#open();
  };

  /** Show a sketch beside the newest run, which is kept. @param {Result[]} results of it */
  sketch(results) {
    const run = new Recording();
    for (const result of results) run.add(result);
    this.#show(run);
  }

  /** Show the newest run again, after a sketch. */
  back() {
    if (this.view.coming.count && this.view.shown !== this.view.coming) this.#show(this.view.coming);
  }

  /** @param {Recording} run */
  #show(run) {
    this.view.show(run);
    this.#open();
  }

  /** Another run is shown. Its first picture is on screen before anything is written about it, and before it plays. */
  #open() {
    const { plan } = this.view.shown;
    if (plan) {
      this.#opens = true;
      if (this.screen.build(plan)) this.shows(); // what lies over the panes moves to the new ones at once
      this.#buildWords(plan.words ?? []);
      this.#painted = this.pictures.renew();
      this.#painted.then(nextFrame).then(this.#finishOpening);
    }
    this.render();
  }

  #finishOpening = () => {
    if (!this.#opens) return;
    this.#opens = false;
    this.render();
    if (this.view.playing) this.#play();
  };

  /** The words of a prompt: a pressed one shows where it is looked at. @param {string[]} words */
  #buildWords(words) {
    const { view } = this;
    if (view.word >= words.length) view.word = -1;
    const buttons = words.map((word, i) => {
      const press = () => {
        const word = view.word === i ? -1 : i;
        for (const [n, other] of buttons.entries()) other.setAttribute("aria-pressed", String(n === word));
        this.#do(() => Object.assign(view, { word }));
        if (word >= 0 && !view.frames[0]?.attention) this.attend();
      };
      return button({ "aria-pressed": i === view.word }, press, word);
    });
    const box = find(this.root, ".words");
    box.hidden = !words.length;
    box.replaceChildren(...(words.length ? [el("span", null, WORDS.attention), ...buttons] : []));
  }

  /** Whether the newest run goes on. @param {boolean} active */
  set active(active) {
    const { view } = this;
    const isNews = view.active !== active;
    view.active = active;
    if (view.shown !== view.coming) return; // it has no picture yet
    if (!active && view.live) {
      view.goLive();
      view.live = false;
    }
    if (isNews || !view.playing) this.render(); // a view that plays is rendered anyway: the page would be laid out twice
  }

  // --- Playing

  /** Go on as if it had played for so many seconds. Resolves once the first picture is on screen. @param {number} seconds */
  skip(seconds) {
    if (this.view.playing) this.#do(() => this.view.advance(seconds));
    return this.#painted;
  }

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

  /** Show a finished run that plays at its end, for a print. */
  #end() {
    const { view, pictures } = this;
    this.#finishOpening();
    if (!view.playing || !pictures.paintEnd()) return;
    this.#do(() => view.go(view.shown.newest));
    this.screen.painted([], pictures.decided);
  }

  toggle() {
    this.view.toggle();
    this.render();
    if (this.view.playing) this.#play();
  }

  /** The newest picture of a lane, on a canvas that is not on screen. @param {Recording} run @param {number} lane @param {number} image */
  async #last({ lanes, plan }, lane, image) {
    const canvas = el("canvas", { width: plan?.size ?? 1, height: plan?.size ?? 1 });
    const frame = lanes[lane].frames.at(-1);
    if (frame) await drawn(canvas, frame.x, image);
    return canvas;
  }

  /** The finished picture of each lane, side by side. */
  async painted() {
    const { coming } = this.view;
    const { lanes, plan } = coming;
    const size = plan?.size ?? 1;
    const whole = el("canvas", { width: size * Math.max(1, lanes.length), height: size });
    for (const i of lanes.keys()) context2d(whole).drawImage(await this.#last(coming, i, this.view.image), i * size, 0);
    return whole;
  }

  /** A slide of the pictures on screen: a row for each lane, or one row where each lane has one picture. */
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

  /** A sentence on what is measured in the finished pictures, or "" where they are not finished. @param {number[]} images which of each lane */
  async outcome(images = [this.view.image]) {
    const { coming } = this.view;
    if (!coming.lanes.every(({ frames }) => frames.at(-1)?.step[1] === 0)) return "";
    const pictures = coming.lanes.map((_, lane) => Promise.all(images.map((n) => this.#last(coming, lane, n))));
    return this.screen.result(coming, await Promise.all(pictures));
  }

  /** What a press brings into sight, the most important last. */
  get sight() {
    return [find(this.root, ".transport"), find(this.root, ".lanes")];
  }

  /** What a part gives the page for its player. */
  part = {
    hide: () => {
      if (this.view.playing) this.#do(() => Object.assign(this.view, { playing: false })); // its button says Play again
    },
    key: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    title: () => this.view.shown.plan?.heading ?? "",
    slide: () => this.slide(),
  };

  // --- What is pressed

  #listen() {
    const { root, view, screen } = this;
    screen.chart.onScrub((share) => this.#do(() => view.go(Math.round(share * (view.shown.ticks.length - 1)))));
    addEventListener("beforeprint", () => this.#end());
    screen.live.addEventListener("click", () => this.#do(() => view.goLive()));
    const speed = find(root, ".speed", HTMLSelectElement);
    speed.addEventListener("change", () => {
      view.speed = Number(speed.value);
    });
    find(root, ".choices").addEventListener("click", (event) => {
      const pressed = within(event, "button");
      if (!(pressed instanceof HTMLButtonElement)) return;
      for (const one of all(root, `.choices [name=${pressed.name}]`))
        one.setAttribute("aria-pressed", String(one === pressed));
      this.#do(() => Object.assign(view, { [pressed.name]: pressed.value }));
    });
    // Of two lanes, and on a phone of two pictures, a tap on one gives it all the room, and another tap gives it back.
    find(root, ".lanes").addEventListener("click", (event) => {
      const frame = within(event, ".frame");
      const lane = screen.lanes.findIndex(({ group }) => group.contains(frame));
      if (!frame || lane < 0) return;
      const large = screen.lanes.length > 1 ? String(lane) : (frame.closest("figure")?.className ?? "");
      screen.enlarge(large);
    });
  }

  /** Answer a key. Return whether it was for the player. @param {KeyboardEvent} event */
  #key(event) {
    const { key } = event;
    const { view } = this;
    const meant = meaning(event);
    if (!view.shown.count) return false;
    if (key.toLowerCase() === "n") find(this.root, ".chart").toggleAttribute("open");
    else if (within(event, ".batch")) return this.#pickByKey(key);
    else if (meant === "toggle") this.toggle();
    else if (meant) this.#do(() => view.step(meant));
    else return false;
    return true;
  }

  /** Answer a key in the small pictures: a radio group has its own arrows, Home and End. @param {string} key */
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
