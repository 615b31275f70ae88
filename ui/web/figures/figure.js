// The element <ddpm-figure name="guess" t="560"> shows one figure in any page. The figure loads shortly before it is
// visible. Until then, and if no script runs, the content of the element is shown.

import { button, el, write } from "../drawing/dom.js";
import { WORDS } from "../words/figures.js";
import { WorkerEngine } from "./engine.js";
import { KINDS } from "./kinds.js";
import { Tile } from "./paint.js";
import { picture, textOf } from "./picture.js";
import { STYLE } from "./style.js";

/** @import { Control } from "./elements.js" */
/** @import { Engine, ModelFiles } from "./engine.js" */
/** @import { Ink, Theme } from "./paint.js" */

/**
 * The settings of a page for all its figures. models: the models' files. lab: the address of the lab, or "". frame: the
 * address of a page with one figure, which other sites can show, or "". base: the other addresses are relative to this
 * address.
 * @typedef {{ models: Record<string, ModelFiles>, lab: string, frame: string, base: string }} Given
 */
/**
 * The controls of a figure, by the names with which attributes, links and the text of an essay set them.
 * @typedef {Record<string, Control>} Controls
 */

const NEAR = "600px 0px"; // a figure begins to load at this distance from the visible part of the page
const FRAME_EXTRA = 60; // pixels that are added to the height of a figure for the iframe in another page, because text may take more lines there
/** Return the media query that matches if the system has a dark theme. */
const system = () => matchMedia("(prefers-color-scheme: dark)");

/** Read the page's settings for figures. @returns {Given} */
function givenByPage() {
  const text = document.querySelector("#given")?.textContent;
  const given =
    /** @type {any} */ (globalThis).ddpmFigures ?? (text ? JSON.parse(text) : { models: {}, lab: "", frame: "" });
  return { base: document.baseURI, ...given };
}

/** The engine that all figures of the page share. A figure whose property `engine` is set uses that engine instead. @type {WorkerEngine | null} */
let pageEngine = null;

/** Return the page's engine. The first call makes the engine. @param {Given} given */
function engineOf({ models, base }) {
  const absolute = Object.entries(models).map(([ref, files]) => [
    ref,
    Object.fromEntries(Object.entries(files).map(([path, [at, size]]) => [path, [new URL(at, base).href, size]])),
  ]);
  pageEngine ??= new WorkerEngine(Object.fromEntries(absolute));
  return pageEngine;
}

export class Figure extends HTMLElement {
  /** The engine that computes for this figure. If the page sets none before the figure loads, the figure uses the page's worker. @type {Engine | null} */
  engine = null;
  /** @type {Given} */
  given = givenByPage();
  /** @type {Controls} */
  controls = {};
  /** @type {Promise<void> | null} */
  #begun = null;
  #isAlive = false;
  body = el("div", { class: "figure" }, el("slot", null));
  status = el("p", { class: "note status", role: "status" });
  /** @type {Theme} */
  #theme = "light";
  /** @type {Tile[]} */
  #tiles = [];
  #isNear = false;
  #isDue = false;
  #stops = /** @type {(() => void)[]} */ ([]);
  /** Draws the figure again. Called when the reader's picture has changed. */
  #update = () => {};

  /** Called by the browser when the element enters a page: watch its visibility, the theme, printing and the reader's picture. */
  connectedCallback() {
    if (!this.shadowRoot) {
      const root = this.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      root.append(this.body);
    }
    const sight = new IntersectionObserver(([{ isIntersecting }]) => this.#see(isIntersecting), { rootMargin: NEAR });
    sight.observe(this);
    const dress = () => this.#dress();
    const query = system();
    query.addEventListener("change", dress);
    const theme = new MutationObserver(dress);
    theme.observe(document.documentElement, { attributeFilter: ["class", "style", "data-theme"] });
    const print = () => this.#dress("light");
    addEventListener("beforeprint", print);
    addEventListener("afterprint", dress);
    this.#stops = [
      () => sight.disconnect(),
      () => theme.disconnect(),
      () => query.removeEventListener("change", dress),
      () => removeEventListener("beforeprint", print),
      () => removeEventListener("afterprint", dress),
      picture.listen(() => {
        this.#isDue = true;
        this.#see(this.#isNear);
      }),
    ];
  }

  /** Called by the browser when the element leaves the page: stop watching. */
  disconnectedCallback() {
    for (const stop of this.#stops) stop();
  }

  /** The kind of figure: a key of KINDS. */
  get name() {
    return this.getAttribute("name") ?? "";
  }

  /** The values of the figure's controls, by their names. */
  get values() {
    return Object.fromEntries(Object.entries(this.controls).map(([name, { value }]) => [name, value]));
  }

  /** Load the figure, and set controls by their names. Unknown names are ignored. @param {Record<string, string | number>} values */
  async set(values) {
    await this.begin();
    for (const [name, value] of Object.entries(values)) this.controls[name]?.set(value);
  }

  /** Load the figure at the first call, or again after a failure. The promise resolves when the figure is loaded, or when loading has failed. */
  begin() {
    this.#begun ??= this.#load().catch((error) => {
      console.error(error);
      this.#begun = null;
      this.#dress();
      this.body.append(this.status);
      this.#offer(() => this.begin());
    });
    return this.#begun;
  }

  /** Say that the figure could not be loaded, and show a button that calls `again`. @param {() => unknown} again */
  #offer(again) {
    this.say(WORDS.unloaded);
    this.status.append(" ", button(null, again, WORDS.again));
  }

  /** Load the figure's module, and fill the element. */
  async #load() {
    const load = Object.hasOwn(KINDS, this.name) && KINDS[this.name];
    if (!load) return;
    const kind = await load();
    this.say("");
    this.body.replaceChildren();
    const engine = this.engine ?? engineOf(this.given);
    this.engine = engine;
    engine.onLoading((ref, share) => {
      if ([...this.#waits.values()].includes(ref))
        this.say(WORDS.loading(share * engine.bytes(ref), engine.bytes(ref)));
    });
    const { controls, update = () => {} } = kind(this);
    this.controls = controls;
    this.#update = update;
    this.body.append(this.status, this.#link());
    this.body.setAttribute("role", "group");
    this.body.setAttribute("aria-label", WORDS.names[this.name]);
    for (const [name, control] of Object.entries(controls)) {
      const value = this.getAttribute(name);
      if (value !== null) control.set(value);
    }
    this.#isAlive = true;
    this.#isDue = true;
    this.dataset.alive = "true";
    this.#dress();
    this.#see(this.#isNear);
  }

  // --- For the modules in kinds/

  /** Make a tile, which draws an array of numbers as a picture in the colours of the theme. @param {Ink} ink @param {string} name @param {number} [side] */
  tile(ink, name, side) {
    const tile = new Tile(ink, name, side);
    tile.dress(this.#theme);
    this.#tiles.push(tile);
    return tile;
  }

  /** Show a text about the state of the figure. "" removes it. @param {string} text */
  say(text) {
    write(this.status, text);
  }

  /** Report the change of a control to the page, and update the links below the figure. */
  changed() {
    this.dispatchEvent(new CustomEvent("change", { bubbles: true, detail: this.values }));
    this.#link();
  }

  /**
   * Ask the engine a question. Questions of figures on the screen are answered first. The figure shows errors, and the
   * progress while a model is loaded. `take` gets the pieces of the answer until a newer question has the same slot. Resolves to whether the answer is complete.
   * @param {string} slot @param {import("./engine.js").Verb} verb @param {object} values @param {(piece: any) => void} take @param {import("./engine.js").How} [how]
   */
  async ask(slot, verb, values, take, how) {
    const engine = /** @type {Engine} */ (this.engine);
    const ref = how?.model ?? "mnist-tiny";
    if (!engine.has(ref)) {
      this.say(WORDS.noModel);
      return false;
    }
    this.#count(1);
    this.#waits.set(slot, ref);
    const question = {};
    this.#newest.set(slot, question);
    /** Remove the progress text when the first piece of the answer has arrived. */
    const arrive = () => {
      if (this.#waits.delete(slot)) this.say("");
    };
    try {
      return await engine.ask(
        `${this.#id} ${slot}`,
        verb,
        values,
        (piece) => {
          if (this.#newest.get(slot) !== question) return;
          arrive();
          this.dataset.answers = String(Number(this.dataset.answers ?? 0) + 1);
          take(piece);
        },
        { ...how, behind: how?.behind || !this.#isOnScreen() },
      );
    } catch (error) {
      this.#waits.delete(slot);
      const words = await import("../words/units.js").catch(() => null); // loaded on demand, because errors are rare
      if (words) this.say(words.failure(error));
      else this.#offer(() => this.#update());
      return false;
    } finally {
      this.#count(-1);
    }
  }

  /** The number of questions that have no complete answer yet. */
  #open = 0;

  /** The newest question of each slot. @type {Map<string, object>} */
  #newest = new Map();

  /** Change the number of open questions. @param {number} more 1 for a new question, −1 when one has ended */
  #count(more) {
    this.#open += more;
    this.dataset.busy = String(this.#open > 0);
  }

  /** Return whether a part of the figure is on the screen. Questions of other figures wait for this figure's. */
  #isOnScreen() {
    const { top, bottom } = this.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  }

  #id = String(Math.random());
  /** The model of each question that has no answer yet, by the question's slot. @type {Map<string, string>} */
  #waits = new Map();

  // --- Visibility, theme, links

  /** If the figure is near the screen, load it, and draw it if the reader's picture has changed. @param {boolean} isNear */
  #see(isNear) {
    this.#isNear = isNear;
    if (!isNear) return;
    this.begin();
    if (!this.#isAlive || !this.#isDue) return;
    this.#isDue = false;
    this.#update();
  }

  /** Apply a theme. @param {Theme} [theme] by default the theme of the page */
  #dress(theme = themeOf(this)) {
    this.#theme = theme;
    this.body.classList.toggle("dark", theme === "dark");
    for (const tile of this.#tiles) tile.dress(theme);
  }

  /** Update the line with the link to the lab and the button for embedding; both contain the current values. Return the line. */
  #link() {
    const { lab, frame, base } = this.given;
    const make = WORDS.lab[this.name];
    const old = this.body.querySelector(".lab");
    const line = /** @type {HTMLElement} */ (old ?? el("p", { class: "lab" }));
    const parts = [];
    if (lab && make) {
      const { text, query } = make(/** @type {any} */ (this.values));
      const address = new URL(`?${new URLSearchParams(query)}`, new URL(lab, base));
      const to = el("a", { href: address.href }, text);
      if (window.parent !== window) to.target = "_blank";
      parts.push(to);
    }
    if (frame && window.parent === window)
      parts.push(button(null, () => this.#embed(new URL(frame, base)), WORDS.embed));
    line.replaceChildren(...parts);
    return line;
  }

  /** Copy the HTML that shows this figure in another page. @param {URL} address of the page of one figure */
  async #embed(address) {
    const values = Object.entries(this.values).map(([name, value]) => [name, String(value)]);
    address.search = String(new URLSearchParams([["name", this.name], ...values]));
    if (picture.whose !== "ours") address.hash = `picture=${await textOf(picture.x)}`;
    const { height } = this.getBoundingClientRect();
    const line = WORDS.frame(address.href, Math.ceil(height) + FRAME_EXTRA, WORDS.names[this.name]);
    const isCopied = await navigator.clipboard?.writeText(line).then(
      () => true,
      () => false,
    );
    this.say(isCopied ? WORDS.embedded : line);
  }
}

/** Return the theme of the page around an element: light or dark as its `color-scheme` says; if `color-scheme` allows both, the theme of the system. @param {Element} element @returns {Theme} */
function themeOf(element) {
  const schemes = getComputedStyle(element).colorScheme.split(" ");
  if (!schemes.includes("dark")) return "light";
  return !schemes.includes("light") || system().matches ? "dark" : "light";
}

customElements.define("ddpm-figure", Figure);
