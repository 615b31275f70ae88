// Makes and updates all elements of the player except the pictures on the canvases. Panes are made when another run is
// shown; the other elements are updated whenever the view has changed.

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
/** @typedef {{ canvas: HTMLCanvasElement, at: HTMLElement }} Pane a canvas, and the element with its time */
/** @typedef {{ group: HTMLElement, x: Pane, x0: Pane }} LanePanes */
/** @typedef {{ thumb: HTMLButtonElement, canvas: HTMLCanvasElement }} Thumb */

const LARGEST_THUMB = 128; // pixels a side of a small picture
const EMPTY = 32; // pixels a side of the panes before the first run
const FILM = 5; // number of small pictures beside the meaning of a word

export class Screen {
  chart = new RunChart();
  /** @type {LanePanes[]} */
  lanes = [];
  /** The difference of two lanes, null for one lane. @type {HTMLCanvasElement | null} */
  difference = null;
  /** @type {Thumb[]} */
  thumbs = [];
  meaning = sheet("meaning", SCREEN.meaning);
  #panes = ""; // key of the panes: the names and the size for which they were made
  #batch = ""; // key of the small pictures: the seeds and the size for which they were made
  #rendered = ""; // key of the step and picture that the texts describe
  #charted = ""; // key of the σ that the chart shows
  #lines = 0; // number of lines of the readouts
  #large = ""; // name of the enlarged pane, empty for none

  /**
   * @param {HTMLElement} root
   * @param {View} view
   * @param {Transport} transport
   * @param {(n: number) => void} pick called when the n-th picture of the batch is chosen
   * @param {(() => unknown) | null} inside shows the network of a run that has one lane
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

  /** Return the first element of the player for a selector. @param {string} selector */
  #find(selector) {
    return find(this.root, selector);
  }

  // --- Elements that depend only on the plan of a run

  /**
   * Make the panes and the small pictures of a run at their full size, so that nothing moves later. Return whether the
   * panes are new.
   * @param {Plan} plan
   */
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
    if (!this.#find(".transport .at").textContent) this.#renderTransport(); // at once: on a phone this text takes a line, and the page must not move later
    return this.#buildLanes(
      plan.lanes.map(({ name }) => name),
      plan.size,
      typeof plan.split === "number",
    );
  }

  /**
   * Enlarge a pane over the other panes. If it is large already, make it small again.
   * @param {string} name of the pane, or ""
   */
  enlarge(name) {
    this.#large = name === this.#large ? "" : name;
    if (this.#large) this.root.dataset.large = name;
    else delete this.root.dataset.large;
  }

  /**
   * Make the panes, unless they exist already. Return whether they are new.
   * @param {string[]} names of the lanes (the runs on screen) @param {number} size @param {boolean} [isTouched] whether
   * lane B is lane A with a change by the visitor
   */
  #buildLanes(names, size, isTouched = false) {
    const wanted = JSON.stringify([names.length > 1 ? names : "", size, isTouched]);
    if (wanted === this.#panes) return false;
    this.#panes = wanted;
    const called = isTouched ? [SCREEN.untouched, SCREEN.changed] : names;
    const canvasOf = (/** @type {string} */ label) => {
      const canvas = el("canvas", { width: size, height: size, role: "img", "aria-label": label });
      canvas.getContext("2d", { willReadFrequently: true }); // because its pixels are read to measure the noise
      return canvas;
    };
    this.lanes = names.map((name, i) => {
      const group = el("div", { class: `lane lane-${i}` });
      if (names.length > 1) group.append(el("h3", { title: name }, swatch(`lane-${i}`), `${"AB"[i]}: ${called[i]}`));
      /** @param {"x" | "x0"} kind @param {string} letter @param {string} index @param {string} words @param {string} short text on a phone */
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

  /**
   * Make the small pictures, one for each seed, unless they exist already. A run of one seed has no small pictures.
   * @param {Plan} plan
   */
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
    const most = lanes.length > 1 ? 4 : 8; // most columns of small pictures; a phone has room for 5
    batch.style.setProperty("--wide", String(columns(several.length, most)));
    batch.style.setProperty("--narrow", String(columns(several.length, Math.min(most, 5))));
    batch.replaceChildren(...this.thumbs.map(({ thumb }) => thumb));
    batch.hidden = !several.length;
  }

  // --- Elements that change with the view

  /** Update all elements that depend on the view. */
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

  /** Update the scrubber, its text and the button Live. */
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

  /** Update the times above the pictures and their descriptions for screen readers. */
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
      const alone = shown.lanes.length === 1; // with one lane, the slider and the loop already show the times
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

  /** If there is one lane, write at the arrows of the loop what the step does. */
  #renderLoop() {
    const { shown, frames } = this.view;
    const [frame] = frames;
    if (!frame || frames.length > 1) return;
    const [{ steps }] = shown.lanes;
    const next = steps[frame.k + 1]?.[2] ?? 1;
    this.loop.say(back(frame.step, next, frame.sigma, String(shown.plan?.lanes[0].settings.sampler)));
  }

  /** Update the numbers of the step above the chart. */
  #renderReadouts() {
    const { shown, frames } = this.view;
    const { lanes } = shown;
    const each = lanes.map(({ steps }, i) => {
      const frame = frames[i];
      return frame ? readouts(frame.step, frame.k, steps.length, frame.sigma, !shown.plan?.latent) : [];
    });
    const said = new Set(each.map(String)).size < each.length ? [each[0]] : each; // equal readouts of both lanes, as at the end, are shown once
    const terms = all(this.root, ".readouts .term");
    const items = said.flat();
    // Buttons are kept and only their words change, so that a press during playing is not lost.
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

  /** Show for each lane how much of x is picture and how much is noise. Return the picture's shares, 0…1. */
  #renderBalance() {
    const { shown, frames } = this.view;
    const { lanes, plan } = shown;
    return all(this.root, ".balance").map((bar, i) => {
      const [frame, { steps, sigma }, { x, x0 }] = [frames[i], lanes[i], this.lanes[i]];
      const alphaBar = frame ? (steps[frame.k + 1]?.[2] ?? 1) : 0; // ᾱ of the state after the step
      const isOver = frame?.step[1] === 0 && !plan?.latent;
      // If the last steps added no visible noise, the measured noise may be fine detail of the picture. Then the share
      // is a lower bound.
      const isLeast = isOver && !keepsNoise(noise(pixels(x.canvas), x.canvas.width), lastAdded(lanes[i]));
      let share = alphaBar; // for latents: x_s has variance 1, and ᾱ_s is the picture's share of this variance
      if (isOver) share = cleanShare(pixels(x.canvas));
      else if (frame && !plan?.latent) {
        const sampler = String(plan?.lanes[i].settings.sampler);
        const left = noiseAfter(steps.slice(0, frame.k + 1), sigma, alphaBar, sampler);
        share = pictureShare(alphaBar, left, pixels(x0.canvas));
      }
      bar.style.setProperty("--at", `${Math.round(100 * share)}%`);
      const texts = balance(share, isLeast, lanes.length > 1 ? "AB"[i] : "");
      for (const [n, text] of texts.entries()) write(all(bar, "span")[n], text);
      return share;
    });
  }

  /**
   * Return a sentence about the effect of the visitor's change of lane B, "" without a change.
   * @param {number | null} decided agreement of A's guess at the change with A's last guess
   */
  #touched(decided) {
    const { shown, image, frames } = this.view;
    const { plan, lanes } = shown;
    const [, frame] = frames;
    if (!frame?.apart || typeof plan?.split !== "number") return "";
    const [t, , alphaBar] = lanes[1].steps[plan.split + 1];
    return touched(t, alphaBar, frame.k - plan.split, frame.apart[image][1], frame.step[1] === 0, decided);
  }

  /**
   * Describe the pictures that have just been painted.
   * @param {(number | null)[]} agreement of each lane's guess with its last guess @param {number | null} decided
   * agreement of A's guess at the change of B with A's last guess
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

  /**
   * Write a sentence below the pictures, unless it stands there: writing an equal text would also lay out the page
   * again.
   * @param {string} text @param {string} [about] the sentence's number, as a tooltip
   */
  #tell(text, about = "") {
    const node = this.#find(".sentence");
    if (node.textContent !== text) node.textContent = text;
    attribute(node, "title", about);
  }

  /** Return a sentence on the noise of the finished pictures of each lane. @param {Recording} run @param {HTMLCanvasElement[][]} canvases */
  result({ plan, lanes }, canvases) {
    const several = canvases[0].length > 1;
    if (plan?.latent) return several ? DECODED_ALL : DECODED;
    const found = grain(canvases);
    const added = lanes.map(lastAdded);
    return several ? endings(found, added) : ending(found.flat(), added);
  }

  /**
   * Open a dialog with the meaning of a word, pictures of this run and a link to all words.
   * @param {Word | "xₜ" | "x̂₀"} word
   */
  async #explain(word) {
    const { shown, image } = this.view;
    const size = shown.plan?.size ?? EMPTY;
    const film = el("canvas", { width: FILM * size, height: size });
    const frames = shown.lanes[0]?.frames ?? [];
    film.hidden = !frames.length; // before the first run there are no pictures
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

  /** Mark the chosen small picture. */
  #renderBatch() {
    this.thumbs.forEach(({ thumb }, n) => {
      const chosen = n === this.view.image;
      thumb.setAttribute("aria-checked", String(chosen));
      thumb.tabIndex = chosen ? 0 : -1;
    });
  }

  /**
   * Update the chart. Draw its curves anew for another run, and whenever a learned σ arrives: the network predicts this
   * σ at its step.
   */
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

/** Return the RGBA bytes of a canvas. @param {HTMLCanvasElement} canvas */
const pixels = (canvas) => context2d(canvas).getImageData(0, 0, canvas.width, canvas.height).data;

/** Return the noise of each lane's pictures, in grey levels. @param {HTMLCanvasElement[][]} canvases */
const grain = (canvases) => canvases.map((pictures) => pictures.map((canvas) => noise(pixels(canvas), canvas.width)));

/** Return a number of columns for `count` small pictures, such that the rows are about equally long. @param {number} count @param {number} most columns at most */
const columns = (count, most) => Math.ceil(count / Math.ceil(count / most)) || 1;
