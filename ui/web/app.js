// The page: it shows places and their parts, and handles the address, the menu Share and the list of models.

import { all, button, el, find, isShown, sheet, within, write } from "./drawing/dom.js";
import { onArrows } from "./drawing/hands.js";
import { linkTo, readLink } from "./form/link.js";
import { attempt, TRAINED } from "./messages/client.js";
import { revived } from "./messages/packing.js";
import { figureOf, formsFor, mountOf, partsOf, plansOf } from "./parts/index.js";
import { Projector } from "./player/projector.js";
import { continueWithout } from "./process/errors.js";
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
 * The data with which the page starts: `App.given` of ui/serving/server.py, or its version by ui/static.
 * @typedef {object} Given
 * @property {string} client path of the module with `connect` (see messages/client.js)
 * @property {string} [knowledge] folder of the files that ui/static has written for a page without a server
 * @property {import("./local/facts.js").WrittenFacts} [known] the facts of the first checkpoint, if it is small
 * @property {string} [precision] the number format with which a page without a server computes
 * @property {string} first name of the first checkpoint
 * @property {string} [frame] address of the page of one figure, if other sites may show it
 * @property {string} [figures] address of the module that defines <ddpm-figure> for other sites
 * @property {boolean} public
 * @property {boolean} takesAny
 * @property {ModelChoice[]} models
 * @property {Device} device
 * @property {Record<string, FieldForm[]>} forms fields of the form of each part
 * @property {import("./words/catalogue.js").Words} words
 * @property {Record<string, any>} initial data of the parts that need more than a form: `Part.initial`
 * @property {string[]} [recordings] names of the parts that have only a recording on this page
 * @property {Record<string, string>} [recorded] for each of these parts, the reason why it can't run here
 */

/**
 * A part of the page, made by `mount(page, part)` of its module.
 * @typedef {object} Part
 * @property {HTMLElement} element
 * @property {(values: Values, cause: Cause) => unknown} set sets values from a link, a lesson or a preset
 * @property {(step: number) => void} [rest] sets the step, from 1, at which the next run stops playing; 0: the last
 * step
 * @property {() => void} [show] called when the part comes on screen
 * @property {() => void} [hide] called when the part leaves the screen
 * @property {() => Values} [values] returns the values of the form, if the address has them only after a run
 * @property {() => Values} [ran] returns the values of the run on screen
 * @property {() => Item[]} [items] returns the entries of the menu Share
 * @property {() => string} [title] returns a title of a few words for the run on screen
 * @property {() => Promise<Slide>} [slide] returns the run on screen as a slide
 * @property {(event: KeyboardEvent) => boolean} [key] handles a key; returns whether the part uses it
 */

/**
 * An entry of the page's bar. parts: the title of each of its parts, by name.
 * @typedef {{ name: string, title: string, parts: Record<string, string> }} Place
 */

/** @type {Place[]} */
const PLACES = Object.entries(TITLES).map(([name, title]) => ({ name, title, parts: partsOf(name) }));

/** Return the place of a part. For an unknown part, return the first place. @param {string} part */
const placeOf = (part) => PLACES.find(({ parts }) => Object.hasOwn(parts, part)) ?? PLACES[0];

const WALL = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"/></svg>`;

/**
 * Return the complete answer to a request that index.html has sent, or "" if the request fails.
 * @param {XMLHttpRequest} request @returns {Promise<string>}
 */
const answerOf = (request) =>
  new Promise((resolve) => {
    const end = () => resolve(request.status === 200 ? request.responseText : "");
    if (request.readyState === 4) end();
    else request.addEventListener("loadend", end);
  });

/** Key in `localStorage`. Its value is "off" if the visitor has switched off the shortcuts of a single letter. */
const SINGLE = "lab-keys";
const AGAIN = 2000; // ms between attempts to reach a server that does not answer

export class Page {
  share = new ShareMenu(find(document, "#share"), (text) => this.say(text, true));
  /** Whether the visitor has reloaded the page. After a reload, an earlier run may still be going on. */
  reloaded = /** @type {any} */ (performance.getEntriesByType("navigation")[0])?.type === "reload";
  /** The model that was chosen last. @type {About | null} */
  model = null;
  /** Name of the part on screen. */
  part = "";
  title = ""; // title of the part on screen
  /** @type {Map<string, Promise<Part>>} */
  #mounted = new Map();
  /** Parts whose values have not been set yet. @type {Set<Part>} */
  #fresh = new Set();
  /** @type {Part | null} */
  #shown = null;
  #place = find(document, "#place");
  #lessonNow = el("small", null); // shows the number of the open lesson, beside the place Course
  #row = ""; // name of the place whose parts the buttons below the bar open

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
    // The Tab key stops only at the current button of a row; arrow keys go to its neighbours.
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
    // A print shows all charts, and the address of the run.
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

  #address = el("a", { id: "address" }); // the address of the run, which only prints show
  #single = el("input", { type: "checkbox" }); // whether shortcuts of a single letter work; speech input could press them by mistake
  #keys;
  #showKeys = () => this.#keys.showModal();
  #projector = new Projector(this, this.#showKeys);

  #wall = button({ class: "button wide", "aria-label": WORDS.projector, title: WORDS.wall }, () => this.project());

  /** Enter or leave the projector view. A small window, which has no button for this view, can't enter it. */
  project() {
    if (this.#projector.root) this.#projector.hide();
    else if (this.#shown && isShown(this.#wall)) {
      const asked = all(document, "#course-bar:not(.elsewhere) .question").find(isShown);
      this.#projector.show(this.#shown.element, this.#shown.title?.() || this.title, asked?.textContent ?? "");
    }
  }

  /** Handle a key of the page. @param {string} key @returns {boolean} whether the page uses the key */
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
      place.focus(); // the new part hides the element that had the focus
    } else return false;
    return true;
  }

  /** Return the address under which others in the room can open this page, with its QR code, or the reason why they can't. @param {URL} url */
  async invitation(url) {
    const got = await this.client.ask("engine", "room", { page: url.href });
    const { address = null, code = "", why = null } = got.error === undefined ? got : {};
    return {
      code,
      why: why ? WORDS.room[why] : "",
      address: Object.assign(new URL(address ?? url), { search: url.search, hash: url.hash }).href,
    };
  }

  /** Name of the part that was last shown, by place. @type {Map<string, string>} */
  #last = new Map();

  /** Return whether this page offers a part. @param {string} part */
  has(part) {
    return Object.hasOwn(this.given.forms, part) || Object.hasOwn(this.given.initial, part);
  }

  /**
   * Show the part that the address names, with the address's values. If the address names a lesson but no part, show
   * the lesson's part with the lesson's values.
   * @param {{ back?: boolean }} [how] back: whether the visitor moved in the browser's history, so that all values must
   * be set
   */
  follow({ back = false } = {}) {
    const { part, values, lesson: name } = readLink(location.href);
    /** @type {Lesson | undefined} */
    const lesson = this.given.initial.course.lessons.find((/** @type {Lesson} */ one) => one.name === name);
    const shown = part ? (this.has(part) ? part : "watch") : (lesson?.part ?? "watch");
    const wanted = part ? values : { ...lesson?.values, ...values };
    const asked = part && Object.keys(values).some((field) => this.#names.has(field));
    return this.open(shown, back || lesson ? this.whole(shown, wanted) : wanted, {
      cause: asked && !this.only ? (back ? "change" : "link") : "", // a teacher's link (`only` is set) starts no run: pupils press Run
      lesson: lesson ? name : null,
    });
  }

  /**
   * Return values for all fields of a part: the given values, and defaults for the other fields.
   * @param {string} part @param {Values} values @returns {Values}
   */
  whole(part, values) {
    const fields = this.given.forms[part] ?? [];
    return Object.fromEntries(fields.map(({ name, default: usual }) => [name, values[name] ?? usual ?? ""]));
  }

  /**
   * Show a part.
   * @param {string} name
   * @param {Values | null} values for the part's fields; null leaves the fields as they are
   * @param {{ push?: boolean, cause?: Cause, lesson?: string | null, step?: number }} [how] push: whether to add a step
   * to the browser's history. lesson: name of the lesson whose bar is shown, null for none. step: as for `Part.rest`.
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
    const part = await this.#load(shown).catch(() => null); // #load has reported the error
    if (this.part !== shown) return;
    if (!part) {
      // The previous part is still on screen, so restore its address and marks.
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
      if (wall) this.project(); // the projector view stays open when a press on a cell of the part Grid opens another part
    }
    part.rest?.(step);
    if (this.#fresh.delete(part) || values) await part.set(values ?? {}, cause); // a new part needs this call even without values, as the call sets its model
    this.title = place.parts[shown] || place.title;
    document.title = WORDS.title(this.title);
  }

  /** Load and build a part, unless it exists. @param {string} name @returns {Promise<Part>} */
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

  /** Return a module. If it can't be loaded, tell the visitor and return null. @template T @param {Promise<T>} module */
  loaded(module) {
    return module.catch((error) => {
      console.error(error);
      this.say(WORDS.unloaded, true);
      return null;
    });
  }

  // --- The course

  /** The bar that draws lessons, null before the first lesson. @type {Bar | null} */
  #bar = null;
  /** The name of the lesson whose bar is shown. @type {string | null} */
  lesson = null;
  /** Names of the fields that a teacher's link shows; null if all are shown. */
  only = new URLSearchParams(location.search).get("only")?.split(",") ?? null;

  /** Show the bar of a lesson. @param {string | null} lesson name; null hides the bar */
  async #teach(lesson) {
    this.lesson = lesson;
    /** @type {Lesson[]} */
    const lessons = this.given.initial.course.lessons;
    const at = lessons.findIndex(({ name }) => name === lesson);
    const row = lessons.filter(({ screen }) => Boolean(screen) === Boolean(lessons[at]?.screen)); // the tour and the course each number their lessons from 1
    this.#lessonNow.textContent = lesson ? WORDS.lesson(row.indexOf(lessons[at]) + 1, row.length) : "";
    const bar = find(document, "#course-bar");
    const held = bar.contains(document.activeElement);
    bar.hidden = !lesson;
    bar.classList.toggle("elsewhere", lessons[at]?.part !== this.part);
    if (!lesson) {
      this.#bar?.clear();
      if (held) find(document, "#place").focus({ preventScroll: true }); // else the focus would be lost with the hidden bar
      return;
    }
    const module = await this.loaded(import("./parts/course/bar.js"));
    if (!module) return;
    this.#bar ??= new module.Bar(this, bar);
    if (this.lesson === lesson) this.#bar.show(lesson);
    const { activeElement: now } = document;
    if (held && !(now && bar.contains(now) && isShown(now))) find(bar, "h2").focus(); // because the button that had the focus is gone
  }

  /** Return the controls of a part with the names of their fields. @param {HTMLElement} element @returns {(readonly [string, HTMLElement])[]} */
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
    for (const box of all(element, ".how", HTMLDetailsElement)) box.open = true; // so that the remaining controls inside are visible
  }

  /** Name and label of each control of the part on screen. @returns {[string, string][]} */
  get controls() {
    return this.#controls(this.#place).flatMap(([name, control]) => {
      const field = this.given.forms[this.part]?.find((one) => one.name === name);
      if (!field || !this.#shown?.element.contains(control) || control.closest("[hidden]")) return [];
      return [[name, field.lane === "b" ? FORM.laneB(field.label) : field.label]];
    });
  }

  /** Mark a place and the part on screen in the rows of buttons. @param {Place} place */
  #mark({ name, parts }) {
    /** @param {HTMLElement} one @param {boolean} current */
    const mark = (one, current) => {
      one.setAttribute("aria-current", String(current));
      one.tabIndex = current ? 0 : -1;
    };
    for (const one of all(document, "#places > button")) mark(one, one.dataset.place === name);
    const shown = Object.entries(parts).filter(([part]) => this.has(part));
    const row = find(document, "#parts");
    row.hidden = shown.length < 2; // a place with one part needs no buttons
    const tab = find(document, `#places > [data-place=${name}]`);
    row.style.setProperty("--under", `${tab.offsetLeft}px`); // the row stands below the button of its place if there is room
    const held = row.matches(":focus-within");
    const fresh = this.#row !== name; // an unchanged row keeps its buttons, as WebKit loses the focus of a replaced button
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

  /** Names of the fields of all parts. */
  get #names() {
    return new Set(Object.values(this.given.forms).flatMap((fields) => fields.map(({ name }) => name)));
  }

  /** Return the address of a part with these values. @param {string} part @param {Values} values */
  link(part, values) {
    return linkTo(location.href, part, values, this.given.forms[part] ?? [], this.#names);
  }

  /** Write values into the address, if their part is on screen. @param {string} part @param {Values} values */
  remember(part, values) {
    if (part === this.part) history.replaceState(null, "", this.link(part, values));
  }

  /** The address of the part on screen, with the values of its form, even if no run has used these values yet. */
  get chosen() {
    const values = this.#shown?.values?.();
    return values ? this.link(this.part, values) : new URL(location.href);
  }

  /**
   * Return the recorded run of a part (from `python -m ui.recorded`), null if the run can't be loaded. `seen` of the
   * result: for how many seconds index.html has already played the run. `uncover()` of the result removes the picture
   * of index.html; the part calls it after its first picture.
   * @param {string} part @returns {Promise<any>}
   */
  async example(part) {
    /** @type {XMLHttpRequest & { began?: number } | null} */
    const early = part === "watch" ? /** @type {any} */ (window).recorded : null;
    const url = new URL(`parts/${part}/example.json`, import.meta.url);
    const asked = early ? answerOf(early) : fetch(url).then((answer) => (answer.ok ? answer.text() : ""));
    const text = await asked.catch(continueWithout("the recorded example", ""));
    const shown = document.querySelector(".early");
    const uncover = () => shown?.remove();
    const seen = shown && early?.began ? (Date.now() - early.began) / 1000 : 0;
    if (!text || part !== "watch") uncover();
    return text ? { ...JSON.parse(text, revived), seen, uncover } : null;
  }

  /**
   * Ask a question and return the answer. While the server does not answer, tell the visitor and repeat the question.
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

  /** Update the list of models. Repeat this every 2 s until the engine has read all models. */
  async refresh() {
    const got = await this.ask("engine", "models", {});
    if (got.error !== undefined) return;
    const own = attempt(() => localStorage.getItem(TRAINED)) ? await import("./run/own.js") : null;
    const models = [...got.models, ...((await own?.choices()) ?? [])];
    Object.assign(this.given, { models, device: got.device });
    dispatchEvent(new CustomEvent("models"));
    if (!got.known) setTimeout(() => this.refresh(), 2000);
  }

  /** Return the address of the run that a part shows. @param {Part} part */
  #link(part) {
    return part.ran ? this.link(this.part, part.ran()).href : location.href;
  }

  /**
   * Return the entries of the menu Share. The first is the link; the last belong to no run.
   * @param {Part} part @returns {Item[]}
   */
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

  /**
   * Return the menu's entries that copy HTML for showing this part on other sites. Entries with `written` are finished
   * while the menu is already open.
   * @param {Part} part @returns {Item[]}
   */
  #embeds(part) {
    const { frame, figures } = this.given;
    if (!frame) return [{ title: SHARE.embed, disabled: SHARE.noEmbed }];
    const shown = figureOf(this.part, part.ran?.() ?? part.values?.() ?? {});
    const link = this.#link(part);
    const module = import("./run/embed.js");
    const entry = (/** @type {string} */ title, /** @type {(_: Awaited<typeof module>) => string} */ write) => {
      const done = (/** @type {string} */ text) => [{ title, copy: () => text, what: SHARE.theLine }];
      return { title, written: module.then(write).then(done, () => [{ title, disabled: WORDS.unloaded }]) };
    };
    const element = shown && figures ? [entry(SHARE.embedFigure, ({ elementOf }) => elementOf(shown, figures))] : [];
    return [entry(SHARE.embed, ({ frameOf }) => frameOf(shown, link, frame)), ...element];
  }

  /** The timer that hides the newest visible sentence. @type {ReturnType<typeof setTimeout> | undefined} */
  #hides;

  /** Announce a text to screen readers, or show it to all visitors. The two kinds of text have separate elements, so neither replaces the other. @param {string} text @param {boolean} [aloud] whether to show the text */
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
/** Load the client that computes in this browser, for a page with a server. */
const browser = async () => (await import("./local/client.js")).connect(given);
const recorded = Object.fromEntries((given.recordings ?? []).map((part) => [part, RECORDED[part]]));
const page = new Page({ ...given, forms, recorded }, connect(given, browser));
Object.assign(window, { page }); // for tests and the browser console
await page.follow();
document.documentElement.dataset.ready = "true";
