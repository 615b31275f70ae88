// The form of a part, from what ui/fields.py says of its fields: a control for each, its value as the server wants it, and
// what a model changes about it.
import { button, el } from "./dom.js";

/** @import { Values } from "./client.js" */

/**
 * A field as `Field.form` of ui/fields.py describes it.
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

/** @typedef {{ ref: string, label: string, group: string, about: string, ready: boolean, picture?: string }} ModelChoice */

/**
 * What a form offers for a model: `about_model` of ui/offers.py. Without `here` its files are not on the server's machine,
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

/** A control: its element, and how its value is read and set. */
/** @typedef {{ element: HTMLElement, get: () => any, set: (value: any) => void, offer?: (about: About) => void, inputs: () => HTMLElement[] }} Control */

const FEW = 5; // names of a choice that stand side by side
const SHORT = 60; // letters of all of them
const SEEDS = 1000; // that the dice draws from: short ones can be told to a neighbour

let ids = 0; // of controls, so that each has its own

/** @param {[title: string, value: string][]} options */
const selectOf = (options) => el("select", null, ...options.map(([title, value]) => el("option", { value }, title)));

export class Form {
  /** @type {Map<string, Control>} */
  #controls = new Map();
  /** @type {Map<string, HTMLElement>} */
  #places = new Map();
  /** The suffixes of the lanes whose models take words. @type {Set<string>} */
  #told = new Set();

  /**
   * @param {FieldForm[]} fields
   * @param {{ models: ModelChoice[], takesAny: boolean }} given
   * @param {(name: string, done: boolean) => void} changed a field was changed by the user; done: not while a slider moves
   */
  constructor(fields, given, changed) {
    this.fields = fields;
    this.given = given;
    this.changed = changed;
    for (const field of fields) {
      if (field.kind === "picture") continue;
      const control = this.#control(field);
      this.#controls.set(field.name, control);
      const place = this.#labelled(field, control);
      place.hidden = field.kind === "prompt" || field.name === "attention"; // until a model takes words
      this.#places.set(field.name, place);
    }
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
    return Object.fromEntries([...this.#controls].map(([name, { get }]) => [name, get()]));
  }

  /** @param {string} name */
  value(name) {
    return this.#controls.get(name)?.get();
  }

  /** Values from a link, a lesson or a preset; fields that are not named stay as they are. @param {Values} values */
  set(values) {
    for (const [name, value] of Object.entries(values))
      if (value !== undefined && value !== null) this.#controls.get(name)?.set(value);
  }

  /** All fields as they are on a new page. */
  reset() {
    this.set(Object.fromEntries(this.fields.map((field) => [field.name, field.default ?? ""])));
  }

  /** A model is known: offer what it has. `suffix`: of the lane whose model it is. @param {About} about */
  offer(about, suffix = "") {
    for (const { name } of this.fields) {
      const own = suffix ? name.endsWith(suffix) : !name.endsWith("_b");
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

  /** Other models can be chosen now. @param {ModelChoice[]} models */
  list(models) {
    this.given.models = models;
    for (const { name, kind } of this.fields) {
      if (kind !== "reference") continue;
      const select = this.#controls.get(name)?.inputs()[0];
      if (select instanceof HTMLSelectElement) this.#fillModels(select, name);
    }
  }

  // --- Controls

  /** @param {FieldForm} field @param {Control} control */
  #labelled(field, control) {
    const { name, label, help, kind } = field;
    const id = `f${++ids}`;
    const grouped = control.inputs().length > 1;
    const title = grouped ? el("legend", null, label) : el("label", { for: id, class: "name" }, label);
    if (!grouped) control.inputs()[0].id = id;
    const box = el(grouped ? "fieldset" : "div", { class: `field field-${kind}`, "data-name": name });
    if (kind === "switch") {
      box.append(el("div", { class: "row" }, control.element, title));
      if (help) box.append(el("p", { class: "info" }, help));
      return box;
    }
    box.append(title);
    if (help) box.append(el("p", { class: "info", id: `${id}-help` }, help));
    if (help) for (const input of control.inputs()) input.setAttribute("aria-describedby", `${id}-help`);
    box.append(control.element);
    return box;
  }

  /** @param {FieldForm} field @returns {Control} */
  #control(field) {
    switch (field.kind) {
      case "reference":
        return this.#model(field);
      case "choice":
        return this.#choice(field);
      case "classname":
        return this.#class(field);
      case "switch":
        return this.#checkbox(field);
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

  /** @param {FieldForm} field @param {HTMLElement} input */
  #listen({ name }, input) {
    input.addEventListener("change", () => this.changed(name, true));
    if (input.matches("[type=text], [type=number], [type=range]"))
      input.addEventListener("input", () => this.changed(name, false));
  }

  /** @param {FieldForm} field @param {"text" | "number"} type @returns {Control} */
  #input(field, type) {
    const input = el("input", { type, value: field.default ?? "", autocomplete: "off", spellcheck: false });
    if (type === "number") Object.assign(input, { min: field.low, max: field.high, step: field.step ?? 1 });
    if (field.placeholder) input.placeholder = field.placeholder;
    this.#listen(field, input);
    /** @param {unknown} value */
    const set = (value) => {
      input.value = String(value);
    };
    return { element: input, get: () => input.value.trim(), set, inputs: () => [input] };
  }

  /** Words, for a model that takes any; others are sent none. @param {FieldForm} field @returns {Control} */
  #prompt(field) {
    const control = this.#input(field, "text");
    const input = /** @type {HTMLInputElement} */ (control.element);
    Object.assign(input, { maxLength: field.most, enterKeyHint: "go" });
    const list = el("datalist", { id: `f${++ids}` });
    input.setAttribute("list", list.id);
    const suffix = field.name.endsWith("_b") ? "_b" : "";
    return {
      ...control,
      element: el("div", null, input, list),
      get: () => (this.#told.has(suffix) ? control.get() : ""),
      offer: ({ prompts }) => list.replaceChildren(...prompts.map((value) => el("option", { value }))),
    };
  }

  /** @param {FieldForm} field @returns {Control} */
  #seed(field) {
    const control = this.#input(field, "text");
    const [input] = control.inputs();
    input.setAttribute("inputmode", "numeric");
    /** @param {number} seed */
    const take = (seed) => {
      control.set(seed);
      this.changed(field.name, true);
    };
    const attributes = { class: "button dice", title: "Another seed", tabindex: -1 };
    const dice = button(attributes, () => take(Math.floor(Math.random() * SEEDS)), "⚄ Another");
    input.addEventListener("keydown", ({ key }) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[key];
      if (by) take(Math.max(0, Number(control.get()) + by));
    });
    return { ...control, element: el("div", { class: "row" }, input, dice) };
  }

  /** @param {FieldForm} field @returns {Control} */
  #slider(field) {
    const number = this.#input(field, "number");
    const box = /** @type {HTMLInputElement} */ (number.element);
    const step = field.step ?? 1;
    const logarithmic = (field.high ?? 0) > 100;
    const range = el("input", { type: "range", class: "slider", "aria-label": field.label, tabindex: -1 });
    /** The slider's own scale. @param {number} value */
    const toRange = (value) => (logarithmic ? Math.log(Math.max(1, value)) : value);
    /** @param {number} at */
    const fromRange = (at) => (logarithmic ? Math.round(Math.exp(at)) : at);
    const draw = () => {
      const [low, high] = [Number(box.min), Number(box.max)];
      const ends = { min: toRange(low), max: toRange(high), step: logarithmic ? 0.001 : step };
      Object.assign(range, ends);
      range.value = String(toRange(Number(box.value)));
      range.setAttribute("aria-valuetext", box.value || (field.open ?? ""));
      const share = (toRange(Number(box.value)) - ends.min) / (ends.max - ends.min || 1);
      range.style.setProperty("--at", `${100 * Math.min(1, Math.max(0, share))}%`);
      for (const preset of presets) {
        preset.setAttribute("aria-pressed", String(preset.value === box.value));
        preset.hidden = Number(preset.value) > high || Number(preset.value) < low;
      }
    };
    const presets = (field.presets ?? []).map((value) => {
      const choose = () => {
        set(value);
        this.changed(field.name, true);
      };
      return button({ class: "preset", value, tabindex: -1 }, choose, String(value)); // the number says it, too
    });
    /** @param {unknown} value */
    const set = (value) => {
      box.value = String(value);
      draw();
    };
    range.addEventListener("input", () => {
      box.value = String(Number(fromRange(Number(range.value)).toFixed(4)));
      draw();
      this.changed(field.name, false);
    });
    range.addEventListener("change", () => this.changed(field.name, true));
    box.addEventListener("input", draw);
    if (field.open) box.placeholder = field.open;
    if ((field.high ?? 0) > 100_000) box.max = "1000"; // until a model is known
    draw();
    /** @param {About} about */
    const offer = ({ steps: [low, high, usual] }) => {
      Object.assign(box, { min: low, max: high });
      if (Number(box.value) < low || Number(box.value) > high) box.value = String(usual);
      draw();
    };
    const element = el("div", { class: "slide" }, el("div", { class: "row" }, range, box));
    if (presets.length) element.prepend(el("div", { class: "presets" }, ...presets));
    if (field.name.startsWith("steps")) return { element, get: number.get, set, inputs: () => [box], offer };
    if (field.name !== "count") return { element, get: number.get, set, inputs: () => [box] };
    let touched = false; // else there are as many as the model is quick for
    for (const input of [range, box])
      input.addEventListener("input", () => {
        touched = true;
      });
    return {
      element,
      get: number.get,
      set(value) {
        touched = true;
        set(value);
      },
      inputs: () => [box],
      offer({ count }) {
        if (!touched && count <= Number(box.max)) set(count);
      },
    };
  }

  /** @param {FieldForm} field @returns {Control} */
  #checkbox(field) {
    const input = el("input", { type: "checkbox" });
    let touched = field.default !== null;
    input.checked = field.default ?? true;
    input.addEventListener("change", () => {
      touched = true;
    });
    this.#listen(field, input);
    return {
      element: input,
      get: () => (touched ? input.checked : null),
      set: (value) => {
        touched = value !== "" && value !== null;
        input.checked = value === true || value === "true";
      },
      offer: ({ clip }) => {
        if (field.name.startsWith("clip") && !touched) input.checked = clip;
      },
      inputs: () => [input],
    };
  }

  /** What a model has of a choice, or null where it has no say. @param {FieldForm} field */
  #offers(field) {
    const base = field.name.replace(/_b$/, "");
    const has = base === "sampler" ? "samplers" : base === "variance" ? "variances" : null;
    return has && ((/** @type {About} */ about) => about[has].filter(([, name]) => field.names?.includes(name)));
  }

  /** @param {FieldForm} field @returns {Control} */
  #choice(field) {
    const titles = titled(field).map(([title]) => title);
    const few = titles.length <= FEW && titles.join("").length <= SHORT;
    const control = few ? this.#radios(field) : this.#select(field);
    const { sentences = {} } = field;
    if (!Object.keys(sentences).length) return control;
    const said = el("p", { class: "info", id: `f${++ids}-said` });
    for (const input of control.inputs()) input.setAttribute("aria-describedby", said.id);
    const tell = () => {
      said.textContent = sentences[control.get()] ?? "";
    };
    control.element.addEventListener("change", tell);
    tell();
    /** @param {unknown} value */
    const set = (value) => {
      control.set(value);
      tell();
    };
    return { ...control, set, element: el("div", { class: "explained" }, control.element, said) };
  }

  /** @param {FieldForm} field @returns {Control} */
  #radios(field) {
    const group = `f${++ids}`;
    const box = el("div", { class: "choice" });
    let wanted = String(field.default); // may be of a model that is not known yet
    /** @param {[string, string][]} options */
    const fill = (options) => {
      box.replaceChildren(
        ...options.map(([title, value]) => {
          const input = el("input", { type: "radio", name: group, value });
          input.checked = value === wanted;
          input.addEventListener("change", () => {
            wanted = value;
          });
          this.#listen(field, input);
          return el("label", null, input, el("span", null, title));
        }),
      );
    };
    const inputs = () => /** @type {HTMLInputElement[]} */ ([...box.querySelectorAll("input")]);
    fill(titled(field));
    const of = this.#offers(field);
    const usual = el("p", { class: "usual", hidden: true });
    return {
      element: field.name.startsWith("variance") ? el("div", { class: "explained" }, box, usual) : box,
      get: () => wanted,
      set: (value) => {
        wanted = String(value);
        for (const input of inputs()) input.checked = input.value === wanted;
      },
      ...(of && {
        offer: (about) => {
          const options = of(about);
          if (!options.some(([, name]) => name === wanted)) wanted = options[0][1];
          fill(options);
          usual.textContent = `This model’s default: ${options.find(([, name]) => name === about.variance)?.[0] ?? ""}`;
          usual.hidden = !options.some(([, name]) => name === about.variance);
        },
      }),
      inputs: () => (inputs().length > 1 ? inputs() : [...inputs(), box]),
    };
  }

  /** @param {FieldForm} field @returns {Control} */
  #select(field) {
    const select = selectOf(titled(field));
    let wanted = ""; // may be of a model that is not known yet
    select.addEventListener("change", () => {
      wanted = select.value;
    });
    this.#listen(field, select);
    const of = this.#offers(field);
    /** @param {unknown} value */
    const set = (value) => {
      wanted = String(value);
      select.value = wanted;
    };
    set(field.default);
    return {
      element: select,
      get: () => wanted,
      set,
      ...(of && {
        offer: (about) => {
          const options = of(about);
          select.replaceChildren(...selectOf(options).children);
          set(options.some(([, name]) => name === wanted) ? wanted : options[0][1]);
        },
      }),
      inputs: () => [select],
    };
  }

  /** @param {FieldForm} field @returns {Control} */
  #class(field) {
    const select = selectOf([["any", "any"]]);
    this.#listen(field, select);
    let wanted = String(field.default); // may be a class of a model that is not known yet
    select.addEventListener("change", () => {
      wanted = select.value;
    });
    return {
      element: select,
      get: () => wanted,
      set: (value) => {
        wanted = String(value);
        select.value = wanted;
      },
      offer: ({ labels }) => {
        select.replaceChildren(...selectOf(labels.map((name) => [name, name])).children);
        if (!labels.includes(wanted)) wanted = labels[0] ?? "any";
        select.value = wanted;
      },
      inputs: () => [select],
    };
  }

  /** @param {FieldForm} field @returns {Control} */
  #model(field) {
    const select = el("select", { class: "models" });
    const other = el("input", { type: "text", placeholder: "owner/name, or a folder", "aria-label": "Another model" });
    const buttons = el("div", { class: "pictures" });
    this.#fillModels(select, field.name);
    const ready = this.given.models.filter(({ picture }) => picture);
    const draw = () => {
      other.hidden = select.value !== "";
      for (const button of buttons.querySelectorAll("button"))
        button.setAttribute("aria-pressed", String(button.value === select.value));
    };
    if (!field.name.endsWith("_b"))
      buttons.append(
        ...ready.slice(0, 3).map(({ ref, label, picture = "" }) => {
          const choose = () => {
            set(ref);
            this.changed(field.name, true);
          };
          const shown = [el("img", { src: picture, alt: "" }), el("span", null, label)];
          return button({ value: ref, tabindex: -1 }, choose, ...shown);
        }),
      );
    /** @param {unknown} value */
    const set = (value) => {
      const text = String(value);
      const listed = [...select.options].some((option) => option.value === text && text !== "");
      if (!listed && text) select.prepend(el("option", { value: text }, text));
      select.value = text;
      draw();
    };
    select.addEventListener("change", () => {
      draw();
      if (select.value) this.changed(field.name, true);
      else other.focus();
    });
    other.addEventListener("change", () => {
      if (!other.value.trim()) return;
      set(other.value.trim());
      other.value = "";
      this.changed(field.name, true);
    });
    set(field.default);
    return {
      element: el("div", { class: "model" }, buttons, select, other),
      get: () => select.value,
      set,
      inputs: () => [select],
    };
  }

  /** @param {HTMLSelectElement} select @param {string} name */
  #fillModels(select, name) {
    const now = select.value;
    const groups = [...new Set(this.given.models.map(({ group }) => group))];
    select.replaceChildren(
      ...(name.endsWith("_b") ? [el("option", { value: "same" }, "As A")] : []),
      ...groups.map((group) => {
        const options = this.given.models.filter((model) => model.group === group);
        return el("optgroup", { label: group }, ...options.map(modelOption));
      }),
      ...(this.given.takesAny ? [el("option", { value: "" }, "Another one…")] : []),
    );
    const listed = [...select.options].some((option) => option.value === now);
    if (!listed && now) select.prepend(el("option", { value: now }, now));
    if (now) select.value = now;
  }
}

/** @param {ModelChoice} model */
function modelOption({ ref, label, about, ready }) {
  const option = el("option", { value: ref }, about ? `${label} · ${about}` : label);
  option.disabled = !ready;
  return option;
}

/** @param {FieldForm} field @returns {[title: string, name: string][]} */
const titled = ({ names = [], titles = {} }) => names.map((name) => [titles[name] ?? name, name]);
