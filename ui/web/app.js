// The page: its places and their parts, the address, the menu for taking things away, what the server tells of its models.
import { Client } from "./shared/client.js";
import { all, button, el, find, within } from "./shared/dom.js";
import { linked, linkTo } from "./shared/link.js";
import { ShareMenu } from "./shared/share.js";

/** @import { Values } from "./shared/client.js" */
/** @import { About, FieldForm, ModelChoice } from "./shared/form.js" */
/** @import { Eager } from "./shared/panel.js" */
/** @import { Item } from "./shared/share.js" */
/** @import { Lesson } from "./places/course/bar.js" */

/**
 * What the server gives the page: `App._page` of ui/server.py.
 * @typedef {object} Given
 * @property {string} first checkpoint
 * @property {boolean} public
 * @property {boolean} takesAny
 * @property {{ upload: number }} limits bytes
 * @property {ModelChoice[]} models
 * @property {{ note: string, engine: string }} device
 * @property {Record<string, FieldForm[]>} forms of each part
 * @property {Record<string, any>} initial of each part: `Place.initial`
 */

/**
 * A part of the page, made by `mount(lab, part)` of its module.
 * @typedef {object} Part
 * @property {HTMLElement} element
 * @property {(values: Values, eager: Eager) => unknown} set values from a link, a lesson or a preset; eager: run them
 * @property {() => void} [show] it is on screen now
 * @property {() => void} [hide]
 * @property {() => Item[]} [items] what can be taken away
 * @property {(event: KeyboardEvent) => boolean} [key] a key of the page was pressed; whether it is taken
 */

/** @typedef {{ name: string, title: string, module: string }} PartPlan */

/** @type {{ name: string, title: string, parts: PartPlan[] }[]} */
const PLACES = [
  { name: "watch", title: "Watch", parts: [{ name: "watch", title: "", module: "watch" }] },
  {
    name: "compare",
    title: "Compare",
    parts: [
      { name: "compare", title: "A and B", module: "compare" },
      { name: "grid", title: "Grid", module: "grid" },
      { name: "plane", title: "In the plane", module: "plane" },
    ],
  },
  {
    name: "inside",
    title: "Look inside",
    parts: [
      { name: "forward", title: "What noise destroys", module: "forward" },
      { name: "latents", title: "What a noisy picture remembers", module: "latents" },
      { name: "repair", title: "What was erased", module: "repair" },
      { name: "likelihood", title: "What it costs in bits", module: "likelihood" },
    ],
  },
  { name: "train", title: "Train", parts: [{ name: "train", title: "", module: "train" }] },
  { name: "course", title: "Course", parts: [{ name: "course", title: "", module: "course" }] },
];

/** Modules with a style of their own. */
const STYLED = new Set(["compare", "grid", "plane", "forward", "latents", "repair", "likelihood", "train", "course"]);

export class Lab {
  client = new Client();
  /** @type {Given} */
  given = JSON.parse(find(document, "#given", HTMLElement).textContent ?? "");
  share = new ShareMenu(find(document, "#share", HTMLElement));
  /** Whether the page was loaded again: a run of before may go on. */
  reloaded = /** @type {any} */ (performance.getEntriesByType("navigation")[0])?.type === "reload";
  /** The model that was chosen last. @type {About | null} */
  model = null;
  /** @type {string} the part on screen */
  part = "";
  /** @type {Map<string, Promise<Part>>} */
  #parts = new Map();
  /** @type {Part | null} */
  #shown = null;
  #place = find(document, "#place", HTMLElement);
  #lessonNow = el("small", null); // beside Course
  #plans = PLACES.map((place) => ({ ...place, parts: place.parts.filter(({ name }) => this.has(name)) })).filter(
    ({ parts }) => parts.length,
  );

  constructor() {
    this.#showDevice();
    const nav = find(document, "#places", HTMLElement);
    for (const { name, title, parts } of this.#plans) {
      const open = () => this.open(this.#last.get(name) ?? parts[0].name, null, { push: true });
      nav.append(button({ "data-place": name }, open, title, ...(name === "course" ? [this.#lessonNow] : [])));
    }
    addEventListener("popstate", () => this.follow({ back: true }));
    // Of a row of places only the one on screen is a stop of Tab; arrows go to its neighbours.
    find(document, "#navs", HTMLElement).addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const row = all(within(event, "nav") ?? document, "button", HTMLButtonElement);
      const at = row.indexOf(/** @type {HTMLButtonElement} */ (event.target));
      if (by && at >= 0) row[(at + by + row.length) % row.length].focus();
    });
    document.addEventListener("keydown", (event) => {
      const typing = within(event, "input:not([type=range]):not([type=checkbox]), textarea, select");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.#shown?.key?.(event)) event.preventDefault();
    });
    this.refresh();
  }

  /** The part of each place that was shown last. @type {Map<string, string>} */
  #last = new Map();

  /** Whether this page has a part. @param {string} part */
  has(part) {
    return part in this.given.initial;
  }

  /**
   * Show what the address says. A lesson without a part opens its own, with its values and those of the address.
   * @param {{ back?: boolean }} [how] back: a step in the history, so that parts may have other values now
   */
  follow({ back = false } = {}) {
    const { part, values, lesson: name } = linked(location.href);
    /** @type {Lesson | undefined} */
    const lesson = this.given.initial.course.lessons.find((/** @type {Lesson} */ one) => one.name === name);
    const shown = part ? (this.has(part) ? part : "watch") : (lesson?.part ?? "watch");
    const wanted = part ? values : { ...lesson?.values, ...values };
    const eager = Boolean(part) && Object.keys(values).some((field) => this.#names.has(field));
    return this.open(shown, back || lesson ? this.whole(shown, wanted) : wanted, {
      eager,
      lesson: lesson ? name : null,
    });
  }

  /** All fields of a part: as on a new page, but for these values. @param {string} part @param {Values} values @returns {Values} */
  whole(part, values) {
    const fields = this.given.forms[part] ?? [];
    const usual = Object.fromEntries(fields.map((field) => [field.name, field.default ?? ""]));
    return { ...usual, ...values };
  }

  /**
   * Show a part.
   * @param {string} name
   * @param {Values | null} values for its fields; null leaves them as they are
   * @param {{ push?: boolean, eager?: Eager, lesson?: string | null }} [how] push: a step of the browser's history; eager:
   * run the values if that is quick; lesson: the one whose bar stands above it, null for none
   */
  async open(name, values, { push = false, eager = false, lesson = this.lesson } = {}) {
    const place = this.#plans.find(({ parts }) => parts.some((part) => part.name === name)) ?? this.#plans[0];
    const plan = place.parts.find((part) => part.name === name) ?? place.parts[0];
    const before = this.#shown;
    this.part = plan.name;
    this.#last.set(place.name, plan.name);
    this.#mark(place.name, plan.name, place.parts);
    this.#teach(lesson);
    if (push) {
      const url = linkTo(location.href, plan.name, values ?? {}, this.given.forms[plan.name] ?? [], this.#names);
      if (lesson) url.searchParams.set("lesson", lesson);
      else url.searchParams.delete("lesson");
      history.pushState(null, "", url);
    }
    const fresh = !this.#parts.has(plan.name);
    const part = await this.#load(plan);
    if (this.part !== plan.name) return;
    if (before !== part) {
      before?.hide?.();
      if (before) before.element.hidden = true;
      part.element.hidden = false;
      this.#shown = part;
      this.share.show(() => [...this.#items(), ...(part.items?.() ?? [])]);
      part.show?.();
    }
    if (values || fresh) await part.set(values ?? {}, eager); // it learns of its model, too
    document.title = `${plan.title || place.title} · DDPM Lab`;
  }

  /** @param {PartPlan} plan @returns {Promise<Part>} */
  #load(plan) {
    let part = this.#parts.get(plan.name);
    if (!part) {
      this.#style(plan.module);
      part = import(`./places/${plan.module}.js`).then(({ mount }) => mount(this, plan.name));
      this.#parts.set(plan.name, part);
      part.then(
        ({ element }) => {
          element.hidden = this.part !== plan.name;
          this.#withhold(element);
          this.#place.append(element);
        },
        (error) => {
          console.error(error);
          this.#parts.delete(plan.name);
          this.say("This part of the page could not be loaded: try again.", true);
        },
      );
    }
    return part;
  }

  /** Load a module's style, once. @param {string} module */
  #style(module) {
    if (STYLED.delete(module))
      document.head.append(
        el("link", { rel: "stylesheet", href: new URL(`places/${module}.css`, import.meta.url).href }),
      );
  }

  // --- The course

  /** The name of the lesson whose bar is shown. @type {string | null} */
  lesson = null;
  /** Names of the fields that a teacher's link shows; null for all. */
  only = new URLSearchParams(location.search).get("only")?.split(",") ?? null;

  /** @param {string | null} lesson */
  async #teach(lesson) {
    this.lesson = lesson;
    /** @type {Lesson[]} */
    const lessons = this.given.initial.course.lessons;
    const at = lesson ? lessons.findIndex(({ name }) => name === lesson) : 0;
    this.#lessonNow.textContent = ` ${at + 1} of ${lessons.length} · ${lessons[at].minutes} min`;
    const bar = find(document, "#course-bar", HTMLElement);
    bar.hidden = !lesson;
    if (!lesson) return;
    this.#style("course");
    const { draw } = await import("./places/course/bar.js");
    if (this.lesson === lesson) draw(this, bar, lesson);
  }

  /** The controls of a part, by the names of their fields. @param {HTMLElement} element @returns {[string, HTMLElement][]} */
  #controls(element) {
    const names = this.#names;
    const found = all(element, "[data-name]", HTMLElement);
    return found.flatMap((control) => {
      const { name = "" } = control.dataset;
      return names.has(name) ? [/** @type {[string, HTMLElement]} */ ([name, control])] : [];
    });
  }

  /** Hide the controls that a teacher's link does not show. @param {HTMLElement} element of a part */
  #withhold(element) {
    const { only } = this;
    if (!only) return;
    this.#style("course");
    for (const [name, control] of this.#controls(element)) control.classList.toggle("withheld", !only.includes(name));
  }

  /** Name and label of each control of the part on screen. @returns {[string, string][]} */
  get controls() {
    return this.#controls(this.#place).flatMap(([name, control]) => {
      const field = this.given.forms[this.part]?.find((one) => one.name === name);
      if (!field || !this.#shown?.element.contains(control)) return [];
      return [[name, `${field.label}${name.endsWith("_b") ? " (B)" : ""}`]];
    });
  }

  /** @param {string} place @param {string} shown @param {PartPlan[]} parts */
  #mark(place, shown, parts) {
    for (const button of all(document, "#places > button", HTMLElement)) {
      button.setAttribute("aria-current", String(button.dataset.place === place));
      button.tabIndex = button.dataset.place === place ? 0 : -1;
    }
    document.querySelector("#parts")?.remove();
    if (parts.length < 2) return;
    const nav = el("nav", { id: "parts", "aria-label": "Parts of this place" });
    for (const { name, title } of parts) {
      const attributes = { "aria-current": name === shown, "data-part": name, tabindex: name === shown ? 0 : -1 };
      nav.append(button(attributes, () => this.open(name, null, { push: true }), title));
    }
    find(document, "#places", HTMLElement).after(nav);
  }

  get #names() {
    return new Set(Object.values(this.given.forms).flatMap((fields) => fields.map(({ name }) => name)));
  }

  /** Put what is chosen into the address, while that part is shown. @param {string} part @param {Values} values */
  remember(part, values) {
    if (part === this.part)
      history.replaceState(null, "", linkTo(location.href, part, values, this.given.forms[part] ?? [], this.#names));
  }

  /** Ask what is known of the models by now. */
  async refresh() {
    const got = await this.client.ask("lab", "models");
    if (got.error !== undefined) return;
    Object.assign(this.given, { models: got.models, device: got.device });
    this.#showDevice();
    dispatchEvent(new CustomEvent("models"));
    if (!got.known) setTimeout(() => this.refresh(), 2000);
  }

  #showDevice() {
    const device = find(document, "#device", HTMLElement);
    device.textContent = this.given.device.note;
    device.title = this.given.device.engine;
  }

  /** @returns {Item[]} what every part has */
  #items() {
    return [{ title: "Copy link", copy: () => location.href, what: "The link:" }];
  }

  /** Say something to screen readers, and to all where that is asked for. @param {string} text @param {boolean} [aloud] */
  say(text, aloud = false) {
    const said = find(document, "#said", HTMLElement);
    said.textContent = text;
    said.classList.toggle("shown", aloud && Boolean(text));
    if (aloud) setTimeout(() => said.classList.remove("shown"), 8000);
  }
}

const lab = new Lab();
Object.assign(window, { lab }); // for tests, and for the curious
await lab.follow();
document.documentElement.dataset.ready = "true";
