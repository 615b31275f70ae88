// Writes everything of the player but the pictures on the canvases. Panes are made when another run is shown; the rest is
// written whenever the view has changed.

import { context2d } from "../drawing/canvas.js";
import { key, swatch } from "../drawing/chart.js";
import { all, button, disable, el, find, sheet, write } from "../drawing/dom.js";
import { meanings } from "../drawing/meanings.js";
import { cleanShare, noise, pictureShare } from "../pictures/measures.js";
import { back, noiseAfter } from "../words/loop.js";
import { MEANINGS, WAYS } from "../words/meanings.js";
import {
  balance,
  CHART,
  DECODED,
  DECODED_ALL,
  ending,
  endings,
  keepsNoise,
  measured,
  readouts,
  SCREEN,
  sentence,
  touched,
  WORDS,
} from "../words/player.js";
import { attribute, indexed } from "../words/symbols.js";
import { RunChart } from "./chart.js";
import { Loop } from "./loop.js";
import { drawn } from "./pictures.js";
import { lastAdded } from "./recording.js";

/** @import { Plan, Recording } from "./recording.js" */
/** @import { Word } from "../words/player.js" */
/** @import { Transport } from "../drawing/transport.js" */
/** @import { View } from "./view.js" */
/** @typedef {{ canvas: HTMLCanvasElement, at: HTMLElement }} Pane a canvas, and where it says its time */
/** @typedef {{ group: HTMLElement, x: Pane, x0: Pane }} LanePanes */
/** @typedef {{ thumb: HTMLButtonElement, canvas: HTMLCanvasElement }} Thumb */

const LARGEST_THUMB = 128; // pixels
const EMPTY = 32; // pixels of the panes before the first run
const FILM = 5; // small pictures of the run beside what a word means

export class Screen {
  chart = new RunChart();
  /** @type {LanePanes[]} */
  lanes = [];
  /** @type {HTMLCanvasElement | null} of two lanes */
  difference = null;
  /** @type {Thumb[]} */
  thumbs = [];
  meaning = sheet("meaning", SCREEN.meaning);
  #panes = ""; // the names and the size for which the panes were made
  #batch = ""; // the seeds and the size for which the small pictures were made
  #rendered = ""; // the step and picture about which the words are
  #charted = ""; // the σ that the chart shows
  #lines = 0; // how many lines the readouts have
  #large = ""; // the pane that has all the room

  /**
   * @param {HTMLElement} root
   * @param {View} view
   * @param {Transport} transport
   * @param {(n: number) => void} pick called when the n-th picture of the batch is chosen
   * @param {(() => unknown) | null} inside opens the network of a run that has one lane
   */
  constructor(root, view, transport, pick, inside) {
    this.loop = new Loop(inside, () => this.#explain("σ"));
    this.root = root;
    this.view = view;
    this.transport = transport;
    this.pick = pick;
    this.live = find(root, ".live", HTMLButtonElement);
    this.caption = find(root, ".caption");
    root.append(this.meaning);
    this.#find(".chart").append(this.chart.node, meanings("step", "ᾱ", "SNR", "σ", "latent", "attention", ...WAYS));
    this.#buildLanes([""], EMPTY);
  }

  /** @param {string} selector */
  #find(selector) {
    return find(this.root, selector);
  }

  // --- What depends on a run's plan only

  /** Make the room for a run: the panes, and the small pictures to choose from. Nothing moves when the rest is written. Returns whether the panes are new. @param {Plan} plan */
  build(plan) {
    const { root } = this;
    this.#rendered = this.#charted = "";
    root.dataset.frames = String(this.view.shown.count);
    this.#find(".chart").hidden = false;
    const two = plan.lanes.length > 1;
    root.classList.toggle("compare", two);
    const [choices, lanes] = [this.#find(".choices"), this.#find(".lanes")];
    const isFirst = choices.nextElementSibling === lanes;
    if (two && !isFirst) lanes.before(choices);
    if (!two && isFirst) this.#find(".chart").after(choices);
    this.enlarge("");
    this.#find(".views").hidden = !plan.latent;
    this.#find(".gains").hidden = !two;
    this.caption.hidden = !plan.caption;
    write(this.caption, plan.caption ?? "");
    this.#buildBatch(plan);
    if (!this.#find(".transport .at").textContent) this.#renderTransport(); // on a phone its text takes a line
    return this.#buildLanes(
      plan.lanes.map(({ name }) => name),
      plan.size,
      typeof plan.split === "number",
    );
  }

  /** Give a pane all the room, or no more. @param {string} name */
  enlarge(name) {
    this.#large = name === this.#large ? "" : name;
    if (this.#large) this.root.dataset.large = name;
    else delete this.root.dataset.large;
  }

  /** Make the panes, unless they are there. Returns whether they are new. @param {string[]} names @param {number} size @param {boolean} [isTouched] whether B is A with a touch */
  #buildLanes(names, size, isTouched = false) {
    const wanted = JSON.stringify([names.length > 1 ? names : "", size, isTouched]);
    if (wanted === this.#panes) return false;
    this.#panes = wanted;
    const called = isTouched ? [SCREEN.untouched, SCREEN.changed] : names;
    const canvasOf = (/** @type {string} */ label) => {
      const canvas = el("canvas", { width: size, height: size, role: "img", "aria-label": label });
      canvas.getContext("2d", { willReadFrequently: true }); // the noise in it is measured
      return canvas;
    };
    this.lanes = names.map((name, i) => {
      const group = el("div", { class: `lane lane-${i}` });
      if (names.length > 1) group.append(el("h3", { title: name }, swatch(`lane-${i}`), `${"AB"[i]}: ${called[i]}`));
      /** @param {"x" | "x0"} kind @param {string} letter @param {string} index @param {string} words @param {string} short on a phone */
      const pane = (kind, letter, index, words, short) => {
        const canvas = canvasOf(SCREEN.empty);
        const at = el("span", { class: "at" });
        const explain = () => this.#explain(kind === "x" ? "xₜ" : "x̂₀");
        const symbol = button({ class: "term" }, explain, indexed(letter, index));
        const said = [el("span", { class: "wide" }, words), el("span", { class: "narrow" }, short)];
        const caption = el("figcaption", null, el("span", null, ...said, " ", symbol), at);
        group.append(el("figure", { class: kind }, caption, el("div", { class: "frame" }, canvas)));
        return { canvas, at };
      };
      const x = pane("x", "x", "t", WORDS.x, SCREEN.xShort);
      if (names.length === 1) group.append(this.loop.ask);
      const x0 = pane("x0", "x̂", "0", WORDS.x0, SCREEN.x0Short);
      if (names.length === 1) group.append(this.loop.back);
      return { group, x, x0 };
    });
    const groups = this.lanes.map(({ group }) => group);
    this.difference = names.length > 1 ? canvasOf(SCREEN.difference) : null;
    if (this.difference) {
      const figure = el("figure", null, el("div", { class: "frame" }, this.difference));
      groups.push(el("div", { class: "lane difference" }, el("h3", { title: "|A − B|" }, SCREEN.apart), figure));
    }
    this.#find(".lanes").replaceChildren(...groups);
    const bars = names.map(() => el("p", { class: "balance" }, el("span", null), el("i", null), el("span", null)));
    this.#find(".balances").replaceChildren(...bars);
    return true;
  }

  /** @param {Plan} plan */
  #buildBatch({ seeds, size, lanes }) {
    const wanted = [lanes.length, size, ...seeds].join();
    if (wanted === this.#batch) return;
    this.#batch = wanted;
    const side = Math.min(size, LARGEST_THUMB);
    const several = seeds.length > 1 ? seeds : [];
    this.thumbs = several.map((seed, n) => {
      const canvas = el("canvas", { width: side * lanes.length, height: side });
      const label = SCREEN.seed(seed);
      const short = el("span", null, seed.length > 6 ? `…${seed.slice(-4)}` : seed);
      const checked = n === this.view.image;
      const attributes = { role: "radio", "aria-checked": checked, title: label, "aria-label": label };
      return { thumb: button(attributes, () => this.pick(n), canvas, short), canvas };
    });
    const batch = this.#find(".batch");
    const most = lanes.length > 1 ? 4 : 8; // beside the sentence; 5 on a phone
    batch.style.setProperty("--wide", String(columns(several.length, most)));
    batch.style.setProperty("--narrow", String(columns(several.length, Math.min(most, 5))));
    batch.replaceChildren(...this.thumbs.map(({ thumb }) => thumb));
    batch.hidden = !several.length;
  }

  // --- What changes with the view

  render() {
    const { shown, tick, live, kind, image, latent } = this.view;
    const { classList, dataset } = this.root;
    Object.assign(dataset, { frames: shown.count, k: tick, live, kind });
    this.loop.running = this.view.following;
    classList.toggle("differing", this.view.gain > 0);
    if (shown.plan) classList.toggle("pixelated", shown.plan.pixelated || latent);
    const title = this.#find(".title");
    attribute(title, "title", shown.plan?.title ?? "");
    write(title, title.title);
    this.#renderTransport();
    const wanted = [shown.count, tick, image, latent].join();
    if (!shown.count || wanted === this.#rendered) return;
    this.#rendered = wanted;
    this.#renderPanes();
    this.#renderLoop();
    this.#renderReadouts();
    this.#renderBatch();
    this.#renderChart();
  }

  #renderTransport() {
    const { shown, coming, active, tick, live, following } = this.view;
    const empty = !shown.count;
    disable(this.live, empty || !active || shown !== coming, this.transport.button);
    this.live.setAttribute("aria-pressed", String(live && !this.live.disabled));
    const { ticks, newest } = shown;
    const { length } = ticks;
    const [text, widest] = empty
      ? ["", ""]
      : [WORDS.at(tick + 1, length, ticks[tick]), WORDS.at(length, length, ticks[0])];
    this.transport.show(tick, length - 1, empty ? 0 : Math.max(1, newest), following, text, widest);
  }

  #renderPanes() {
    const { shown, image, frames } = this.view;
    shown.lanes.forEach((lane, i) => {
      const frame = frames[i];
      const { x, x0 } = this.lanes[i];
      if (!frame) {
        for (const { at } of [x, x0]) write(at, SCREEN.waits(lane.steps[0][0]));
        return;
      }
      const [t, s] = frame.step;
      const alone = shown.lanes.length === 1; // the slider and the network say the times
      const which = SCREEN.where(shown.plan?.seeds[image], frame.k + 1, lane.steps.length);
      const where = alone ? which : SCREEN.inLane("AB"[i], lane.name, which);
      const preview = frame.decoded === false ? SCREEN.preview : "";
      const how = this.view.latent ? SCREEN.latents(shown.plan?.latent) : preview;
      write(x.at, alone ? how : SCREEN.time(s, how));
      write(x0.at, alone ? how : SCREEN.seen(t, how));
      attribute(x.canvas, "aria-label", SCREEN.xNow(where, s));
      attribute(x0.canvas, "aria-label", SCREEN.x0Now(where, t));
    });
  }

  /** The arrows of the loop say what the step of one lane does. */
  #renderLoop() {
    const { shown, frames } = this.view;
    const [frame] = frames;
    if (!frame || frames.length > 1) return;
    const [{ steps }] = shown.lanes;
    const next = steps[frame.k + 1]?.[2] ?? 1;
    this.loop.say(back(frame.step, next, frame.sigma, String(shown.plan?.lanes[0].settings.sampler)));
  }

  #renderReadouts() {
    const { shown, frames } = this.view;
    const { lanes } = shown;
    const each = lanes.map(({ steps }, i) => {
      const frame = frames[i];
      return frame ? readouts(frame.step, frame.k, steps.length, frame.sigma, !shown.plan?.latent) : [];
    });
    const said = new Set(each.map(String)).size < each.length ? [each[0]] : each; // two equal ones are one, as at the end
    const terms = all(this.root, ".readouts .term");
    const items = said.flat();
    // The buttons stay while their words change: one may be pressed while it plays.
    for (const [n, term] of terms.entries()) write(term, items[n]?.[0] ?? "");
    if (terms.length !== items.length || this.#lines !== said.length) {
      this.#lines = said.length;
      const rows = said.map((items, i) => {
        const buttons = items.flatMap(([text, word], n) => [
          n ? " · " : "",
          button({ class: "term" }, () => this.#explain(word), text),
        ]);
        return el("p", { class: `lane-${i}` }, ...(said.length > 1 ? [el("b", null, "AB"[i]), " "] : []), ...buttons);
      });
      this.#find(".readouts").replaceChildren(...rows);
    }
  }

  /** How much of what each lane shows is picture, and how much noise. Returns the shares of the picture. */
  #renderBalance() {
    const { shown, frames } = this.view;
    const { lanes, plan } = shown;
    return all(this.root, ".balance").map((bar, i) => {
      const [frame, { steps, sigma }, { x, x0 }] = [frames[i], lanes[i], this.lanes[i]];
      const next = frame ? (steps[frame.k + 1]?.[2] ?? 1) : 0;
      const isOver = frame?.step[1] === 0 && !plan?.latent;
      // Where no step at the end of the run has added noise that is seen, what is measured may be the picture's own.
      const isLeast = isOver && !keepsNoise(noise(pixels(x.canvas), x.canvas.width), lastAdded(lanes[i]));
      let share = next; // a latent has variance 1
      if (isOver) share = cleanShare(pixels(x.canvas));
      else if (frame && !plan?.latent) {
        const sampler = String(plan?.lanes[i].settings.sampler);
        const left = noiseAfter(steps.slice(0, frame.k + 1), sigma, next, sampler);
        share = pictureShare(next, left, pixels(x0.canvas));
      }
      bar.style.setProperty("--at", `${Math.round(100 * share)}%`);
      const texts = balance(share, isLeast, lanes.length > 1 ? "AB"[i] : "");
      for (const [n, text] of texts.entries()) write(all(bar, "span")[n], text);
      return share;
    });
  }

  /** What a touch has done, or "" where there is none. @param {number | null} decided agreement of A's guess then with its last one */
  #touched(decided) {
    const { shown, image, frames } = this.view;
    const { plan, lanes } = shown;
    const [, frame] = frames;
    if (!frame?.apart || typeof plan?.split !== "number") return "";
    const [t, , alphaBar] = lanes[1].steps[plan.split + 1];
    return touched(t, alphaBar, frame.k - plan.split, frame.apart[image][1], frame.step[1] === 0, decided);
  }

  /**
   * The pictures of the frames are on the canvases: say what there is to see.
   * @param {(number | null)[]} agreement of each lane's guess with its last one @param {number | null} decided that of A's when B was touched
   */
  painted(agreement, decided) {
    const { shown, frames } = this.view;
    if (!shown.count) return;
    const shares = this.#renderBalance();
    const going = frames.flatMap((frame, i) => (frame?.step[1] ? [{ step: frame.step, share: shares[i] }] : []));
    const touch = this.#touched(decided);
    if (touch) this.#tell(touch);
    else if (going.length) {
      const { step, share } = going.reduce((best, one) => (one.step[1] < best.step[1] ? one : best));
      const known = agreement.flatMap((one) => one ?? []);
      this.#tell(sentence(step, known.length < frames.length ? null : Math.min(...known), share));
    } else if (frames.every(Boolean)) {
      const canvases = this.lanes.map(({ x: { canvas } }) => [canvas]);
      this.#tell(this.result(shown, canvases), shown.plan?.latent ? "" : measured(grain(canvases).flat()));
    }
  }

  /** Say a sentence below the pictures. Even the same text, set again, would lay out the page. @param {string} text @param {string} [about] the number behind it */
  #tell(text, about = "") {
    const node = this.#find(".sentence");
    if (node.textContent !== text) node.textContent = text;
    attribute(node, "title", about);
  }

  /** What is measured in the finished pictures of each lane, one or several. @param {Recording} run @param {HTMLCanvasElement[][]} canvases */
  result({ plan, lanes }, canvases) {
    const several = canvases[0].length > 1;
    if (plan?.latent) return several ? DECODED_ALL : DECODED;
    const found = grain(canvases);
    const added = lanes.map(lastAdded);
    return several ? endings(found, added) : ending(found.flat(), added);
  }

  /**
   * Say what a word means, with how it looks in this run, and the way to all words.
   * @param {Word | "xₜ" | "x̂₀"} word
   */
  async #explain(word) {
    const { shown, image } = this.view;
    const size = shown.plan?.size ?? EMPTY;
    const film = el("canvas", { width: FILM * size, height: size });
    const frames = shown.lanes[0]?.frames ?? [];
    film.hidden = !frames.length; // before the first picture there are only words
    for (let i = 0; i < FILM && frames.length; i++) {
      const one = el("canvas", { width: size, height: size });
      const frame = frames[Math.round((i / (FILM - 1)) * (frames.length - 1))];
      await drawn(one, word === "x̂₀" ? frame.x0 : frame.x, image);
      context2d(film).drawImage(one, i * size, 0);
    }
    const more = () => {
      this.meaning.close();
      this.#find(".chart").toggleAttribute("open", true);
      const list = find(this.root, ".legend", HTMLDetailsElement);
      list.open = true;
      list.scrollIntoView({ block: "nearest" });
    };
    const text = el("p", null, el("b", null, word), ` ${MEANINGS[word]}. `);
    this.#find(".meaning > div").replaceChildren(film, text, button({ class: "button" }, more, SCREEN.words));
    this.meaning.showModal();
  }

  #renderBatch() {
    this.thumbs.forEach(({ thumb }, n) => {
      const chosen = n === this.view.image;
      thumb.setAttribute("aria-checked", String(chosen));
      thumb.tabIndex = chosen ? 0 : -1;
    });
  }

  /** The chart is built anew for another run, and when a σ becomes known that the network has learned. */
  #renderChart() {
    const { shown, tick, frames } = this.view;
    const { lanes } = shown;
    const wanted = String(lanes.map(({ sigma }) => sigma));
    if (this.#charted !== wanted) {
      this.#charted = wanted;
      const alone = this.chart.show(shown) ? CHART.sigma : CHART.noSigma;
      const curves = lanes.map(({ name, sigma }, i) => {
        const silent = sigma.every((value) => value === 0);
        const title = lanes.length > 1 ? CHART.lane("AB"[i], name, silent) : alone;
        return /** @type {[string, string]} */ ([`lane-${i}`, title]);
      });
      this.#find(".key").replaceWith(key(...curves, ["alpha", CHART.alphaBar]));
    }
    this.chart.point(tick, shown.newest, frames);
  }
}

/** @param {HTMLCanvasElement} canvas */
const pixels = (canvas) => context2d(canvas).getImageData(0, 0, canvas.width, canvas.height).data;

/** The noise of each lane's pictures, in grey levels. @param {HTMLCanvasElement[][]} canvases */
const grain = (canvases) => canvases.map((pictures) => pictures.map((canvas) => noise(pixels(canvas), canvas.width)));

/** Into how many columns so many small pictures go, so that none stands alone in the last row. @param {number} count @param {number} most columns */
const columns = (count, most) => Math.ceil(count / Math.ceil(count / most)) || 1;
