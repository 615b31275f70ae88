// The page: its places and their parts, the address, the menu Share, and the list of models.

import { all, button, el, find, isShown, sheet, within, write } from "./drawing/dom.js";
import { onArrows } from "./drawing/hands.js";
import { linkTo, readLink } from "./form/link.js";
import { attempt, TRAINED } from "./messages/client.js";
import { revived } from "./messages/packing.js";
import { formsFor, mountOf, partsOf, plansOf } from "./parts/index.js";
import { Projector } from "./player/projector.js";
import { without } from "./process/errors.js";
import { Knowledge } from "./run/knowledge.js";
import { ShareMenu } from "./run/share.js";
import { isTrainedHere } from "./words/catalogue.js";
import { FORM, keysOf, RECORDED, SHARE, PLACES as TITLES, WORDS } from "./words/page.js";
import { spoken } from "./words/symbols.js";

/** @import { Ask, Client, Values } from "./messages/client.js" */
/** @import { About, FieldForm } from "./form/form.js" */
/** @import { Device, ModelChoice } from "./messages/protocol.d.ts" */
/** @import { Cause } from "./run/panel.js" */
/** @import { Slide } from "./run/slide.js" */
/** @import { Item } from "./messages/client.js" */
/** @import { Bar, Lesson } from "./parts/course/bar.js" */

/**
 * What the page is given at its start: `App.given` of ui/serving/server.py, or what ui/static makes of it.
 * @typedef {object} Given
 * @property {string} client the module that computes: see messages/client.js
 * @property {string} [knowledge] the folder of what Python has written for a page without a server
 * @property {import("./local/facts.js").WrittenFacts} [known] the same of the first checkpoint, where that is small
 * @property {string} [precision] in which a page without a server computes
 * @property {string} first checkpoint
 * @property {string} [frame] the page of one figure, if other sites may show it
 * @property {string} [figures] the module that defines <ddpm-figure> for other sites
 * @property {boolean} public
 * @property {boolean} takesAny
 * @property {ModelChoice[]} models
 * @property {Device} device
 * @property {Record<string, FieldForm[]>} forms of each part
 * @property {import("./words/catalogue.js").Words} words
 * @property {Record<string, any>} initial of each part that needs something besides its form: `Part.initial`
 * @property {string[]} [recordings] parts that have nothing but a recording here
 * @property {Record<string, string>} [recorded] the same, with the reason
 */

/**
 * A part of the page, made by `mount(page, part)` of its module.
 * @typedef {object} Part
 * @property {HTMLElement} element
 * @property {(values: Values, cause: Cause) => unknown} set values from a link, a lesson or a preset
 * @property {(step: number) => void} [rest] says at which step the next run comes to rest, from 1; 0 for the last one
 * @property {() => void} [show] it is on screen now
 * @property {() => void} [hide]
 * @property {() => Values} [values] what is chosen, where the address has it only after a run
 * @property {() => Values} [ran] the values of what is shown
 * @property {() => Item[]} [items] what can be taken away
 * @property {() => string} [title] what is shown, in a few words
 * @property {() => Promise<Slide>} [slide] what is shown, for a slide
 * @property {(event: KeyboardEvent) => boolean} [key] answers a key; returns whether it was for the part
 */

/** parts: names of parts, and what they are called beside others. @typedef {{ name: string, title: string, parts: Record<string, string> }} Place */

/** @type {Place[]} */
const PLACES = Object.entries(TITLES).map(([name, title]) => ({ name, title, parts: partsOf(name) }));

/** @param {string} part */
const placeOf = (part) => PLACES.find(({ parts }) => Object.hasOwn(parts, part)) ?? PLACES[0];

const WALL = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"/></svg>`;

/** The whole answer to a request that index.html has sent; "" where it fails. @param {XMLHttpRequest} request @returns {Promise<string>} */
const answerOf = (request) =>
  new Promise((resolve) => {
    const end = () => resolve(request.status === 200 ? request.responseText : "");
    if (request.readyState === 4) end();
    else request.addEventListener("loadend", end);
  });

const SINGLE = "lab-keys"; // kept: "off" where single letters are no keys
const AGAIN = 2000; // ms until a server that does not answer is asked again

export class Page {
  share = new ShareMenu(find(document, "#share"), (text) => this.say(text, true));
  /** Whether the visitor reloaded the page. Then a run from before the reload may still be going on. */
  reloaded = /** @type {any} */ (performance.getEntriesByType("navigation")[0])?.type === "reload";
  /** The model that was chosen last. @type {About | null} */
  model = null;
  /** @type {string} the part on screen */
  part = "";
  title = ""; // of that part
  /** @type {Map<string, Promise<Part>>} */
  #mounted = new Map();
  /** Parts that know no model yet. @type {Set<Part>} */
  #fresh = new Set();
  /** @type {Part | null} */
  #shown = null;
  #place = find(document, "#place");
  #lessonNow = el("small", null); // beside Course
  #row = ""; // the place whose parts stand in a row

  /** @param {Given} given @param {Client} client */
  constructor(given, client) {
    this.given = given;
    this.client = client;
    this.knowledge = new Knowledge(given.words, given.forms, plansOf, this.ask, given.precision);
    const nav = find(document, "#places");
    const places = PLACES.filter(({ parts }) => Object.keys(parts).some((part) => this.has(part)));
    for (const { name, title, parts } of places) {
      const first = Object.keys(parts).find((part) => this.has(part)) ?? name;
      const open = () => this.open(this.#last.get(name) ?? first, null, { push: true });
      nav.append(button({ "data-place": name }, open, title, ...(name === "course" ? [this.#lessonNow] : [])));
    }
    addEventListener("popstate", () => this.follow({ back: true }));
    // In a row of places, Tab stops at the one on screen only; arrows go to its neighbours.
    for (const row of ["#places", "#parts"]) onArrows(find(document, row), "ArrowLeft", "ArrowRight");
    document.addEventListener("keydown", (event) => {
      const typing = within(event, "dialog:modal, input:not([type=range]):not([type=checkbox]), textarea, select");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key.trim().length === 1 && !this.#single.checked) return;
      if (this.#key(event.key.toLowerCase()) || this.#shown?.key?.(event)) event.preventDefault();
    });
    this.#single.checked = attempt(() => localStorage.getItem(SINGLE)) !== "off";
    this.#single.addEventListener("change", () =>
      attempt(() => localStorage.setItem(SINGLE, this.#single.checked ? "on" : "off")),
    );
    const letters = el("label", { class: "row" }, this.#single, WORDS.letters);
    const keys = keysOf(places.map(({ title }) => title)).flatMap(([keys, what, behind]) => [
      el("dt", { class: behind ? "behind" : "" }, keys),
      el("dd", { class: behind ? "behind" : "" }, what),
    ]);
    this.#keys = sheet("keys", WORDS.keys, el("h2", null, WORDS.keys), el("dl", null, ...keys), letters);
    document.body.append(this.#keys);
    this.#wall.innerHTML = WALL;
    find(document, "#share").prepend(
      button({ class: "button wide", title: WORDS.keys }, this.#showKeys, "?"),
      this.#wall,
    );
    // Paper shows the numbers, too, and where to find what it shows.
    document.body.append(this.#address);
    addEventListener("beforeprint", () => {
      if (this.#shown) this.#address.href = this.#address.textContent = this.#link(this.#shown);
      for (const chart of all(document, "#place > :not([hidden]) .chart:not([open])", HTMLDetailsElement)) {
        chart.open = true;
        chart.classList.add("for-paper");
      }
    });
    addEventListener("afterprint", () => {
      for (const chart of all(document, ".for-paper", HTMLDetailsElement)) {
        chart.open = false;
        chart.classList.remove("for-paper");
      }
    });
    this.refresh();
  }

  #address = el("a", { id: "address" }); // on paper alone
  #single = el("input", { type: "checkbox" }); // whether one letter alone is a key: speech input types letters
  #keys;
  #showKeys = () => this.#keys.showModal();
  #projector = new Projector(this, this.#showKeys);

  #wall = button({ class: "button wide", "aria-label": WORDS.projector, title: WORDS.wall }, () => this.project());

  /** Show the part on screen on a wall, or no more; a small window has no room for it. */
  project() {
    if (this.#projector.root) this.#projector.hide();
    else if (this.#shown && isShown(this.#wall)) {
      const asked = all(document, "#course-bar:not(.elsewhere) .question").find(isShown);
      this.#projector.show(this.#shown.element, this.#shown.title?.() || this.title, asked?.textContent ?? "");
    }
  }

  /** Answer a key of the page. @param {string} key @returns {boolean} whether it was one */
  #key(key) {
    const wall = this.#projector.root;
    const place = all(document, "#places > button")[Number(key) - 1];
    if (key === "escape" && this.share.close()) return true;
    if (key === "?") this.#showKeys();
    else if (key === "f" || (key === "escape" && wall)) this.project();
    else if (wall) return this.#projector.key(key);
    else if (key === "r") all(document, ".run").find(isShown)?.click();
    else if (key === "s") this.share.toggle();
    else if (place) {
      place.click();
      place.focus(); // what had the focus is hidden now
    } else return false;
    return true;
  }

  /** The address under which others can open this page, with its QR code; or why they can't. @param {URL} url */
  async invitation(url) {
    const got = await this.client.ask("engine", "room", { page: url.href });
    const { address = null, code = "", why = null } = got.error === undefined ? got : {};
    return {
      code,
      why: why ? WORDS.room[why] : "",
      address: Object.assign(new URL(address ?? url), { search: url.search, hash: url.hash }).href,
    };
  }

  /** The part of each place that was shown last. @type {Map<string, string>} */
  #last = new Map();

  /** Whether this page has a part. @param {string} part */
  has(part) {
    return Object.hasOwn(this.given.forms, part) || Object.hasOwn(this.given.initial, part);
  }

  /**
   * Show what the address says. A lesson without a part opens its own, with its values and those of the address.
   * @param {{ back?: boolean }} [how] back: a step in the history, so that parts may have other values now
   */
  follow({ back = false } = {}) {
    const { part, values, lesson: name } = readLink(location.href);
    /** @type {Lesson | undefined} */
    const lesson = this.given.initial.course.lessons.find((/** @type {Lesson} */ one) => one.name === name);
    const shown = part ? (this.has(part) ? part : "watch") : (lesson?.part ?? "watch");
    const wanted = part ? values : { ...lesson?.values, ...values };
    const asked = part && Object.keys(values).some((field) => this.#names.has(field));
    return this.open(shown, back || lesson ? this.whole(shown, wanted) : wanted, {
      cause: asked && !this.only ? (back ? "change" : "link") : "", // a class presses Run itself
      lesson: lesson ? name : null,
    });
  }

  /** All fields of a part: as on a new page, but for these values. @param {string} part @param {Values} values @returns {Values} */
  whole(part, values) {
    const fields = this.given.forms[part] ?? [];
    return Object.fromEntries(fields.map(({ name, default: usual }) => [name, values[name] ?? usual ?? ""]));
  }

  /**
   * Show a part.
   * @param {string} name
   * @param {Values | null} values for its fields; null leaves them as they are
   * @param {{ push?: boolean, cause?: Cause, lesson?: string | null, step?: number }} [how] push: a step of the browser's history; lesson: the one whose bar stands above it, null for none; step: at which its run comes to rest
   */
  async open(name, values, { push = false, cause = "", lesson = this.lesson, step = 0 } = {}) {
    const place = placeOf(this.has(name) ? name : "");
    const shown = this.has(name) && name in place.parts ? name : "watch";
    const { part: left, lesson: taught } = this;
    const at = location.href;
    const before = this.#shown;
    this.part = shown;
    this.#last.set(place.name, shown);
    this.#mark(place);
    this.#teach(lesson);
    if (push) {
      const url = this.link(shown, values ?? {});
      if (lesson) url.searchParams.set("lesson", lesson);
      else url.searchParams.delete("lesson");
      history.pushState(null, "", url);
    }
    const part = await this.#load(shown).catch(() => null); // it has said why
    if (this.part !== shown) return;
    if (!part) {
      // The place before is still shown.
      history.replaceState(null, "", at);
      Object.assign(this, { part: left });
      this.#mark(placeOf(left));
      return this.#teach(taught);
    }
    if (before !== part) {
      const wall = this.#projector.root;
      if (wall) this.#projector.hide();
      before?.hide?.();
      if (before) before.element.hidden = true;
      part.element.hidden = false;
      this.#shown = part;
      this.share.show(() => this.#items(part));
      part.show?.();
      if (wall) this.project(); // a cell of a grid is pressed there
    }
    part.rest?.(step);
    if (this.#fresh.delete(part) || values) await part.set(values ?? {}, cause); // it learns of its model, too
    this.title = place.parts[shown] || place.title;
    document.title = WORDS.title(this.title);
  }

  /** @param {string} name @returns {Promise<Part>} */
  #load(name) {
    let part = this.#mounted.get(name);
    if (!part) {
      part = mountOf(name).then(({ mount }) => mount(this, name));
      this.#mounted.set(name, part);
      part.then(
        (made) => {
          const { element } = made;
          this.#fresh.add(made);
          element.hidden = this.part !== name;
          this.#withhold(element);
          const place = placeOf(name);
          element.prepend(el("h2", { class: "unseen" }, place.parts[name] || place.title));
          this.#place.append(element);
        },
        (error) => {
          console.error(error);
          this.#mounted.delete(name);
          this.say(WORDS.unloaded, true);
        },
      );
    }
    return part;
  }

  // --- The course

  /** The bar that draws lessons, null before the first lesson. @type {Bar | null} */
  #bar = null;
  /** The name of the lesson whose bar is shown. @type {string | null} */
  lesson = null;
  /** Names of the fields that a teacher's link shows; null for all. */
  only = new URLSearchParams(location.search).get("only")?.split(",") ?? null;

  /** @param {string | null} lesson */
  async #teach(lesson) {
    this.lesson = lesson;
    /** @type {Lesson[]} */
    const lessons = this.given.initial.course.lessons;
    const at = lessons.findIndex(({ name }) => name === lesson);
    const row = lessons.filter(({ screen }) => Boolean(screen) === Boolean(lessons[at]?.screen)); // the tour, or the course
    this.#lessonNow.textContent = lesson ? WORDS.lesson(row.indexOf(lessons[at]) + 1, row.length) : "";
    const bar = find(document, "#course-bar");
    const held = bar.contains(document.activeElement);
    bar.hidden = !lesson;
    bar.classList.toggle("elsewhere", lessons[at]?.part !== this.part);
    if (!lesson) {
      this.#bar?.clear();
      if (held) find(document, "#place").focus({ preventScroll: true }); // the focus would be lost with the bar
      return;
    }
    const { Bar } = await import("./parts/course/bar.js");
    this.#bar ??= new Bar(this, bar);
    if (this.lesson === lesson) this.#bar.show(lesson);
    const { activeElement: now } = document;
    if (held && !(now && bar.contains(now) && isShown(now))) find(bar, "h2").focus(); // what was pressed is gone
  }

  /** The controls of a part, by the names of their fields. @param {HTMLElement} element @returns {(readonly [string, HTMLElement])[]} */
  #controls(element) {
    const found = all(element, "[data-name]").map(
      (control) => /** @type {const} */ ([control.dataset.name ?? "", control]),
    );
    return found.filter(([name]) => this.#names.has(name));
  }

  /** Hide the controls that a teacher's link does not show. @param {HTMLElement} element of a part */
  #withhold(element) {
    const { only } = this;
    if (!only) return;
    for (const [name, control] of this.#controls(element)) control.classList.toggle("withheld", !only.includes(name));
    for (const box of all(element, ".how", HTMLDetailsElement)) box.open = true; // what is left is to be seen
  }

  /** Name and label of each control of the part on screen. @returns {[string, string][]} */
  get controls() {
    return this.#controls(this.#place).flatMap(([name, control]) => {
      const field = this.given.forms[this.part]?.find((one) => one.name === name);
      if (!field || !this.#shown?.element.contains(control) || control.closest("[hidden]")) return [];
      return [[name, field.lane === "b" ? FORM.laneB(field.label) : field.label]];
    });
  }

  /** @param {Place} place */
  #mark({ name, parts }) {
    /** @param {HTMLElement} one @param {boolean} current */
    const mark = (one, current) => {
      one.setAttribute("aria-current", String(current));
      one.tabIndex = current ? 0 : -1;
    };
    for (const one of all(document, "#places > button")) mark(one, one.dataset.place === name);
    const shown = Object.entries(parts).filter(([part]) => this.has(part));
    const row = find(document, "#parts");
    row.hidden = shown.length < 2; // there is nothing to choose
    const tab = find(document, `#places > [data-place=${name}]`);
    row.style.setProperty("--under", `${tab.offsetLeft}px`); // it stands under its place where it has room
    const held = row.matches(":focus-within"); // one of the buttons before
    const fresh = this.#row !== name; // for the same row the buttons stay, as WebKit loses the focus of a button that is replaced
    if (fresh)
      row.replaceChildren(
        ...(row.hidden ? [] : shown).map(([part, title]) =>
          button({ "data-part": part }, () => this.open(part, null, { push: true }), title),
        ),
      );
    this.#row = name;
    for (const one of all(row, "button")) mark(one, one.dataset.part === this.part);
    if (fresh && held) all(row, "[tabindex='0']")[0]?.focus();
  }

  get #names() {
    return new Set(Object.values(this.given.forms).flatMap((fields) => fields.map(({ name }) => name)));
  }

  /** The address of a part with these values. @param {string} part @param {Values} values */
  link(part, values) {
    return linkTo(location.href, part, values, this.given.forms[part] ?? [], this.#names);
  }

  /** Put what is chosen into the address, while that part is shown. @param {string} part @param {Values} values */
  remember(part, values) {
    if (part === this.part) history.replaceState(null, "", this.link(part, values));
  }

  /** The address of the part on screen with the values of its form, whether they were run or not. */
  get chosen() {
    const values = this.#shown?.values?.();
    return values ? this.link(this.part, values) : new URL(location.href);
  }

  /**
   * The recorded run of a part, which `python -m ui.recorded` has made. seen: seconds for which index.html has shown it.
   * uncover: removes the picture that index.html shows; to be called once the part shows its own.
   * @param {string} part @returns {Promise<any>}
   */
  async example(part) {
    /** @type {XMLHttpRequest & { began?: number } | null} */
    const early = part === "watch" ? /** @type {any} */ (window).recorded : null;
    const url = new URL(`parts/${part}/example.json`, import.meta.url);
    const asked = early ? answerOf(early) : fetch(url).then((answer) => (answer.ok ? answer.text() : ""));
    const text = await asked.catch(without("the recorded example", ""));
    const shown = document.querySelector(".early");
    const uncover = () => shown?.remove();
    const seen = shown && early?.began ? (Date.now() - early.began) / 1000 : 0;
    if (!text || part !== "watch") uncover();
    return text ? { ...JSON.parse(text, revived), seen, uncover } : null;
  }

  /**
   * The answer to a question; while there is no server it asks again, and says so.
   * @type {Ask}
   */
  ask = async (/** @type {any} */ ...question) => {
    for (let waits = false; ; waits = true) {
      /** @type {any} */
      const got = await this.client.ask(.../** @type {[any, any, any]} */ (question));
      if (!got.lost) {
        if (waits) this.say(WORDS.again, true);
        return got;
      }
      this.say(WORDS.lost, true);
      await new Promise((later) => setTimeout(later, AGAIN));
    }
  };

  /** Ask what is known of the models by now. */
  async refresh() {
    const got = await this.ask("engine", "models", {});
    if (got.error !== undefined) return;
    const own = attempt(() => localStorage.getItem(TRAINED)) ? await import("./run/own.js") : null;
    const models = [...got.models, ...((await own?.choices()) ?? [])];
    Object.assign(this.given, { models, device: got.device });
    dispatchEvent(new CustomEvent("models"));
    if (!got.known) setTimeout(() => this.refresh(), 2000);
  }

  /** The address of what a part shows. @param {Part} part */
  #link(part) {
    return part.ran ? this.link(this.part, part.ran()).href : location.href;
  }

  /** Return the items of the Share menu: first the link, last the items that belong to no run. @param {Part} part @returns {Item[]} */
  #items(part) {
    const copy = () => this.#link(part);
    const here = Object.values(part.ran?.() ?? part.values?.() ?? {}).find(isTrainedHere);
    const link = { title: SHARE.link, copy, what: SHARE.theLink };
    const all = [...(part.items?.() ?? []), ...(here ? [] : this.#embeds(part))];
    const items = [...all.filter(({ research }) => !research), ...all.filter(({ research }) => research)];
    const last = this.client.items;
    if (!here) return [link, ...items, ...last];
    const [own, ref] = [() => import("./run/own.js"), String(here)];
    const model = { title: SHARE.model, save: async () => (await own()).save(ref) };
    const remove = { title: SHARE.remove, apart: true, save: async () => (await own()).remove(this, ref) };
    return [{ ...link, disabled: SHARE.onlyHere }, model, ...items, ...last, remove];
  }

  /** The lines that show this part in other people's pages. They are written while the menu is open. @param {Part} part @returns {Item[]} */
  #embeds(part) {
    const { frame = "", figures = "" } = this.given;
    const item = { title: SHARE.embed, disabled: frame ? SHARE.writing : SHARE.noEmbed };
    if (!frame) return [item];
    const values = part.ran?.() ?? part.values?.() ?? {};
    const make = async () => {
      const { embeds } = await import("./run/embed.js");
      return embeds(this.part, values, this.#link(part), { frame, figures });
    };
    return [{ ...item, written: make().catch(() => [{ ...item, disabled: WORDS.unloaded }]) }];
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} the newest sentence to all disappears */
  #hides;

  /** Say something to screen readers, or to all. Each has its own place, so that both are heard. @param {string} text @param {boolean} [aloud] to all */
  say(text, aloud = false) {
    if (!aloud) {
      find(document, "#heard").textContent = spoken(text);
      return;
    }
    const said = find(document, "#said");
    write(said, text);
    said.classList.toggle("shown", Boolean(text));
    clearTimeout(this.#hides);
    this.#hides = setTimeout(() => said.classList.remove("shown"), 8000);
  }
}

/** @type {Given} */
const given = JSON.parse(find(document, "#given").textContent ?? "");
const forms = formsFor(
  given.first,
  given.models.map(({ ref }) => ref),
);
const { connect } = await import(`./${given.client}`);
/** Load the engine that computes in this browser, beside a server. */
const browser = async () => (await import("./local/client.js")).connect(given);
const recorded = Object.fromEntries((given.recordings ?? []).map((part) => [part, RECORDED[part]]));
const page = new Page({ ...given, forms, recorded }, connect(given, browser));
Object.assign(window, { page }); // for tests, and for the curious
await page.follow();
document.documentElement.dataset.ready = "true";
