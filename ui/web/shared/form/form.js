// The form of a part, from what ui/forms/fields.py says of its fields: a control for each, its value as the server wants it, and
// what a model changes about it.
import { button, el } from "../drawing/dom.js";

/** @import { Values } from "../run/client.js" */

/**
 * A field as `Field.form` of ui/forms/fields.py describes it.
 * @typedef {object} FieldForm
 * @property {string} name
 * @property {"reference" | "choice" | "classname" | "switch" | "whole" | "seed" | "number" | "text" | "prompt" | "wholes" | "picture"} kind
 * @property {string} label
 * @property {string} help
 * @property {boolean} more it stands behind "More"
 * @property {any} default
 * @property {string[]} [names] of a choice
 * @property {Record<string, string>} [titles] of names that are called otherwise
 * @property {Record<string, string>} [sentences] what each name means
 * @property {number} [low]
 * @property {number} [high]
 * @property {number} [step]
 * @property {number[]} [presets]
 * @property {boolean} [slider]
 * @property {string} [placeholder]
 * @property {number} [most] letters of a prompt
 * @property {string} [open] what no number means
 */

/** @typedef {{ ref: string, label: string, group: string, about: string, ready: boolean, latent: boolean, picture?: string }} ModelChoice */

/**
 * What a form offers for a model: `about_model` of ui/models/form_options.py. Without `here` its files are not on the server's machine,
 * and the rest is not known.
 * @typedef {object} About
 * @property {string} ref
 * @property {string} name
 * @property {boolean} here
 * @property {number} count
 * @property {string} [download]
 * @property {string} revision
 * @property {number} T
 * @property {number[]} times of a latent's rows where none are chosen
 * @property {[least: number, most: number, usual: number]} steps
 * @property {[title: string, name: string][]} samplers
 * @property {[title: string, name: string][]} variances
 * @property {string} variance its own
 * @property {string[]} labels empty for a model without classes
 * @property {boolean} latent
 * @property {string[]} prompts to try; empty for a model that takes no words
 * @property {boolean} clip
 * @property {boolean} student
 * @property {{ title: string, count: number } | null} set of pictures that comes with the page
 * @property {import("./source.js").Picture[]} examples
 */

/**
 * A control: its element, the one that its label is for (null for a group), and how its value is read and set. offer: a
 * model is known. list: other models can be chosen.
 * @typedef {object} Control
 * @property {HTMLElement} element
 * @property {HTMLElement | null} input
 * @property {() => any} get
 * @property {(value: any) => void} set
 * @property {(about: About) => void} [offer]
 * @property {() => void} [list]
 * @property {() => string} [missing] what has to be chosen first, or ""
 */

/** Whether a value from an address is one of the field's. @param {FieldForm} field @param {string} value */
function fits({ kind, names, low = 0, high = 0, open }, value) {
  if (kind === "choice") return names?.includes(value);
  if (kind === "wholes") return /^[\d\s,;]*$/.test(value);
  if (!["whole", "seed", "number"].includes(kind)) return true;
  return value.trim() ? Number(value) >= low && Number(value) <= high : open !== undefined;
}

const FEW = 5; // names of a choice that stand side by side
const SHORT = 60; // letters of all of them
const SEEDS = 1000; // that the dice draws from: short ones can be told to a neighbour

let ids = 0; // of controls, so that each has its own

export class Form {
  /** @type {Map<string, Control>} */
  #controls = new Map();
  /** @type {Map<string, HTMLElement>} */
  #places = new Map();
  /** The suffixes of the lanes whose models take words. @type {Set<string>} */
  #told = new Set();
  /** Fields with a value that somebody chose: others have the model's own. @type {Set<string>} */
  #chosen = new Set();

  /**
   * @param {FieldForm[]} fields
   * @param {{ models: ModelChoice[], takesAny: boolean }} given
   * @param {(name: string, done: boolean) => void} changed a field was changed by the user; done: not while a slider moves
   */
  constructor(fields, given, changed) {
    this.fields = fields;
    this.given = given;
    this.changed = (/** @type {string} */ name, /** @type {boolean} */ done) => {
      this.#chosen.add(name);
      changed(name, done);
    };
    for (const field of fields) {
      if (field.kind === "picture") continue;
      const control = this.#control(field);
      this.#controls.set(field.name, control);
      const place = this.#labelled(field, control);
      place.hidden = field.kind === "prompt" || field.name === "attention"; // until a model takes words
      this.#places.set(field.name, place);
    }
  }

  /** Take a control of the part's own, for a field that the form makes none for. @param {string} name @param {Control} control */
  adopt(name, control) {
    this.#controls.set(name, control);
    this.#places.set(name, control.element);
  }

  /** What has to be chosen first, or "". */
  get missing() {
    const controls = [...this.#controls.values()].filter(({ element }) => !element.hidden);
    return controls.map((control) => control.missing?.()).find(Boolean) ?? "";
  }

  /** The control of a field with its label. @param {string} name */
  place(name) {
    const place = this.#places.get(name);
    if (!place) throw new Error(`there is no field ${name}`);
    return place;
  }

  /** All of them: what everybody needs, and the rest behind More. @param {string[]} [names] those to show */
  layout(names = this.fields.map(({ name }) => name)) {
    const shown = this.fields.filter(({ name, kind }) => names.includes(name) && kind !== "picture");
    const box = el("div", { class: "fields" });
    box.append(...shown.filter(({ more }) => !more).map(({ name }) => this.place(name)));
    const rest = shown.filter(({ more }) => more).map(({ name }) => this.place(name));
    if (rest.length) box.append(el("details", { class: "more" }, el("summary", null, "More"), ...rest));
    return box;
  }

  /** @returns {Values} */
  get values() {
    return Object.fromEntries([...this.#controls].map(([name, control]) => [name, control.get()]));
  }

  /** @param {string} name */
  value(name) {
    return this.#controls.get(name)?.get();
  }

  /** Values from a link, a lesson or a preset; fields that are not named stay as they are. @param {Values} values */
  set(values) {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined || value === null) continue;
      const field = this.fields.find((one) => one.name === name);
      if (field && !fits(field, String(value))) continue;
      if (value === "") this.#chosen.delete(name);
      else this.#chosen.add(name);
      this.#controls.get(name)?.set(value);
    }
  }

  /** A model is known: offer what it has. `suffix`: of the lane whose model it is. @param {About} about */
  offer(about, suffix = "") {
    for (const { name } of this.fields) {
      const own = suffix ? name.endsWith(suffix) : !name.endsWith("_b") || !this.#controls.has("checkpoint_b");
      if (own) this.#controls.get(name)?.offer?.(about);
    }
    if (about.prompts.length) this.#told.add(suffix);
    else this.#told.delete(suffix);
    for (const name of [`prompt${suffix}`, `negative${suffix}`, `attention${suffix}`])
      if (this.#places.has(name)) this.show(name, this.#told.has(suffix));
    if (!suffix && this.#places.has("label")) this.show("label", about.labels.length > 0);
  }

  /** Show what the sampler of a lane has, and guidance where there is something to draw. @param {string} [suffix] of the lane */
  showOptions(suffix = "") {
    const sampler = this.value(`sampler${suffix}`);
    this.show(`variance${suffix}`, sampler === "ddpm");
    this.show(`eta${suffix}`, sampler === "ddim");
    const guided = this.value("label") !== "any" || this.#told.has(suffix);
    if (this.#places.has(`guidance${suffix}`)) this.show(`guidance${suffix}`, guided);
  }

  /** @param {string} name @param {boolean} shown */
  show(name, shown) {
    this.place(name).hidden = !shown;
  }

  /** Those that can be chosen: where no words are taken, only models of pixels. */
  get #models() {
    const words = this.fields.some(({ kind }) => kind === "prompt");
    return this.given.models.filter(({ ready, latent }) => ready && (words || !latent));
  }

  /** Other models can be chosen now. @param {ModelChoice[]} models */
  list(models) {
    this.given.models = models;
    for (const { list } of this.#controls.values()) list?.();
  }

  // --- Controls

  /** @param {FieldForm} field @param {Control} control */
  #labelled({ name, label, help, kind }, { element, input }) {
    const id = `f${++ids}`;
    const title = input ? el("label", { for: id, class: "name" }, label) : el("legend", null, label);
    const box = el(input ? "div" : "fieldset", { class: `field field-${kind}`, "data-name": name });
    const info = help ? [el("p", { class: "info" }, help)] : [];
    if (kind === "switch") box.append(el("div", { class: "row" }, element, title), ...info);
    else box.append(title, ...info, element);
    if (input) input.id = id;
    const said = [...box.querySelectorAll(".info")];
    for (const [i, one] of said.entries()) one.id = `${id}-info-${i}`;
    if (said.length) (input ?? box).setAttribute("aria-describedby", said.map((one) => one.id).join(" "));
    return box;
  }

  /** @param {FieldForm} field @returns {Control} */
  #control(field) {
    switch (field.kind) {
      case "reference":
        return this.#model(field);
      case "choice":
      case "classname":
        return this.#choice(field);
      case "switch":
        return this.#switch(field);
      case "whole":
      case "number":
        return field.slider || field.kind === "number" ? this.#slider(field) : this.#input(field, "number");
      case "seed":
        return this.#seed(field);
      case "prompt":
        return this.#prompt(field);
      default:
        return this.#input(field, "text");
    }
  }

  /** @param {FieldForm} field @param {"text" | "number"} type */
  #input({ name, default: usual, low, high, step, placeholder }, type) {
    const input = el("input", { type, value: usual ?? "", autocomplete: "off", spellcheck: false });
    if (type === "number") Object.assign(input, { min: low, max: high, step: step ?? 1 });
    if (placeholder) input.placeholder = placeholder;
    input.addEventListener("change", () => this.changed(name, true));
    input.addEventListener("input", () => this.changed(name, false));
    /** @param {unknown} value */
    const set = (value) => {
      input.value = String(value);
    };
    return { element: input, input, get: () => input.value.trim(), set };
  }

  /** Words, for a model that takes any; others are sent none. @param {FieldForm} field @returns {Control} */
  #prompt(field) {
    const { input, get, set } = this.#input(field, "text");
    const list = el("datalist", { id: `f${++ids}` });
    Object.assign(input, { maxLength: field.most, enterKeyHint: "go" });
    input.setAttribute("list", list.id);
    const suffix = field.name.endsWith("_b") ? "_b" : "";
    return {
      element: el("div", null, input, list),
      input,
      get: () => (this.#told.has(suffix) ? get() : ""),
      set,
      offer: ({ prompts }) => list.replaceChildren(...prompts.map((value) => el("option", { value }))),
    };
  }

  /** @param {FieldForm} field @returns {Control} */
  #seed(field) {
    const { input, get, set } = this.#input(field, "text");
    input.inputMode = "numeric";
    /** @param {number} seed */
    const take = (seed) => {
      set(seed);
      this.changed(field.name, true);
    };
    const attributes = { class: "button dice", title: "Another seed", tabindex: -1 };
    const dice = button(attributes, () => take(Math.floor(Math.random() * SEEDS)), "⚄ Another");
    input.addEventListener("keydown", ({ key }) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[key];
      if (by) take(Math.max(0, Number(get()) + by));
    });
    return { element: el("div", { class: "row" }, input, dice), input, get, set };
  }

  /** A number, as a slider with a box beside it. @param {FieldForm} field @returns {Control} */
  #slider(field) {
    const { name, label, step = 1, low = 0, high = 0, open = "" } = field;
    const { input: box, get } = this.#input(field, "number");
    const logarithmic = low > 0 && high > 100;
    const range = el("input", { type: "range", class: "slider", "aria-label": label, tabindex: -1 });
    /** The slider's own scale. @param {number} value */
    const toRange = (value) => (logarithmic ? Math.log(Math.max(1, value)) : value);
    /** @param {number} at */
    const fromRange = (at) => (logarithmic ? Math.round(Math.exp(at)) : Number(at.toFixed(4)));
    const draw = () => {
      const [low, high, at] = [box.min, box.max, box.value].map((text) => toRange(Number(text)));
      Object.assign(range, { min: low, max: high, step: logarithmic ? 0.001 : step });
      range.value = String(at);
      range.setAttribute("aria-valuetext", box.value || open);
      const share = (at - low) / (high - low || 1);
      range.style.setProperty("--at", `${100 * Math.min(1, Math.max(0, share))}%`);
      for (const preset of presets) {
        preset.setAttribute("aria-pressed", String(preset.value === box.value));
        preset.hidden = Number(preset.value) > Number(box.max) || Number(preset.value) < Number(box.min);
      }
    };
    /** @param {unknown} value */
    const set = (value) => {
      box.value = String(value);
      draw();
    };
    const presets = (field.presets ?? []).map((value) => {
      const choose = () => {
        set(value);
        this.changed(name, true);
      };
      return button({ class: "preset", value, tabindex: -1 }, choose, String(value)); // the number says it, too
    });
    range.addEventListener("input", () => {
      set(fromRange(Number(range.value)));
      this.changed(name, false);
    });
    range.addEventListener("change", () => this.changed(name, true));
    box.addEventListener("input", draw);
    box.placeholder = open;
    if (high > 100_000) box.max = "1000"; // until a model is known
    draw();
    const element = el("div", { class: "slide" }, el("div", { class: "row" }, range, box));
    if (presets.length) element.prepend(el("div", { class: "presets" }, ...presets));
    /** @param {About} about */
    const offer = ({ steps: [low, high, usual], count }) => {
      if (name.startsWith("steps")) {
        Object.assign(box, { min: low, max: high });
        set(Number(box.value) < low || Number(box.value) > high ? usual : box.value);
      }
      // As many pictures as the model is quick for
      if (name === "count" && !this.#chosen.has(name) && count <= Number(box.max)) set(count);
    };
    return { element, input: box, get, set, offer };
  }

  /** @param {FieldForm} field @returns {Control} */
  #switch({ name, default: usual }) {
    const input = el("input", { type: "checkbox" });
    input.checked = usual ?? true;
    input.addEventListener("change", () => this.changed(name, true));
    return {
      element: input,
      input,
      get: () => (usual !== null || this.#chosen.has(name) ? input.checked : null),
      set: (value) => {
        input.checked = value === true || value === "true";
      },
      offer: ({ clip }) => {
        if (name.startsWith("clip") && !this.#chosen.has(name)) input.checked = clip;
      },
    };
  }

  /** One of some names: side by side where they are few and short, else a list. @param {FieldForm} field @returns {Control} */
  #choice({ name, kind, default: usual, names = [], titles = {}, sentences = {} }) {
    const base = name.replace(/_b$/, "");
    /** @type {[title: string, value: string][]} */
    const options = kind === "classname" ? [["any", "any"]] : names.map((name) => [titles[name] ?? name, name]);
    const letters = options.map(([title]) => title).join("").length;
    const few = kind === "choice" && options.length <= FEW && letters <= SHORT;
    const box = el(few ? "div" : "select", few ? { class: "choice" } : null);
    const group = `f${++ids}`;
    const said = el("p", { class: "info" });
    let wanted = String(usual); // may be of a model that is not known yet
    /** @param {unknown} value */
    const set = (value) => {
      wanted = String(value);
      if (box instanceof HTMLSelectElement) box.value = wanted;
      for (const input of box.querySelectorAll("input")) input.checked = input.value === wanted;
      said.textContent = sentences[wanted] ?? "";
      said.hidden = !said.textContent;
    };
    /** @param {[title: string, value: string][]} options */
    const fill = (options) => {
      const shown = options.map(([title, value]) =>
        few
          ? el("label", null, el("input", { type: "radio", name: group, value }), el("span", null, title))
          : new Option(title, value),
      );
      box.replaceChildren(...shown);
      set(wanted);
    };
    fill(options);
    box.addEventListener("change", ({ target }) => {
      set(/** @type {HTMLInputElement} */ (target).value);
      this.changed(name, true);
    });
    const explained = Object.keys(sentences).length > 0;
    return {
      element: explained ? el("div", { class: "explained" }, box, said) : box,
      input: few ? null : box,
      get: () => wanted,
      set,
      offer: ({ labels, samplers, variances }) => {
        const all = { sampler: samplers, variance: variances }[base]?.filter(([, name]) => names.includes(name));
        /** @type {[title: string, value: string][] | undefined} */
        const offered = kind === "classname" ? labels.map((name) => [name, name]) : all;
        if (!offered) return;
        if (!offered.some(([, value]) => value === wanted)) wanted = offered[0]?.[1] ?? "any";
        fill(offered);
      },
    };
  }

  /** @param {FieldForm} field @returns {Control} */
  #model({ name, default: usual }) {
    const second = name.endsWith("_b");
    const select = el("select", { class: "models" });
    const other = el("input", { type: "text", placeholder: "owner/name, or a folder", "aria-label": "Another model" });
    const ready = second ? [] : this.#models.filter(({ picture }) => picture).slice(0, 3);
    const buttons = ready.map(({ ref, label, picture = "" }) => {
      const shown = [el("img", { src: picture, alt: "" }), el("span", null, label)];
      return button({ value: ref, tabindex: -1 }, () => take(ref), ...shown);
    });
    /** @param {unknown} value */
    const set = (value) => {
      const text = String(value);
      if (text && ![...select.options].some((option) => option.value === text)) select.prepend(new Option(text, text));
      select.value = text;
      other.hidden = text !== "";
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.value === text));
    };
    /** @param {string} ref */
    const take = (ref) => {
      set(ref);
      if (ref) this.changed(name, true);
      else other.focus();
    };
    const list = () => {
      const now = select.value;
      const models = this.#models;
      const groups = [...new Set(models.map(({ group }) => group))].map((group) => {
        const shown = models.filter((model) => model.group === group);
        const options = shown.map(({ ref, label, about }) => new Option(about ? `${label} · ${about}` : label, ref));
        return el("optgroup", { label: group }, ...options);
      });
      const [same, any] = [
        second ? [new Option("As A", "same")] : [],
        this.given.takesAny ? [new Option("Another one…", "")] : [],
      ];
      select.replaceChildren(...same, ...groups, ...any);
      set(now);
    };
    select.addEventListener("change", () => take(select.value));
    other.addEventListener("change", () => {
      const ref = other.value.trim();
      other.value = "";
      if (ref) take(ref);
    });
    list();
    set(usual);
    const element = el("div", { class: "model" }, el("div", { class: "pictures" }, ...buttons), select, other);
    return { element, input: select, get: () => select.value, set, list };
  }
}
