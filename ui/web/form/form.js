// The form of a part. It makes a control for each field, shows the fields that apply, and adapts them to the chosen
// model. It refers to no field by its name. A ref is the name by which a model is loaded. A lane is one of the runs A
// and B that a part compares.

import { el, isShown, write } from "../drawing/dom.js";
import { attempt } from "../messages/client.js";
import { FORM, RUN } from "../words/page.js";
import { SAME } from "../words/units.js";
import { makeControl, newId } from "./controls.js";

/** @import { Values } from "../messages/client.js" */
/** @import { ExamplePicture, ModelChoice, ShippedSet } from "../messages/protocol.d.ts" */
/** @import { Control } from "./controls.js" */

/**
 * A field of a form: see plans/forms.js, and `Request.form` of ui/forms/fields.py.
 * @typedef {object} FieldForm
 * @property {string} name
 * @property {string} title the field's name in a sentence
 * @property {"reference" | "choice" | "classname" | "switch" | "whole" | "seed" | "number" | "text" | "prompt" | "wholes" | "levels" | "picture"} kind
 * @property {string} label the name beside the control
 * @property {string} help an explanation below the label, or ""
 * @property {boolean} more whether the field is behind "More"
 * @property {string} follows the property of About with the field's limits, choices or default; "" for none
 * @property {Condition[] | null} shown_if the field is shown if one of these conditions holds; null: it is always shown
 * @property {"" | "a" | "b"} lane the run, A or B, that the field belongs to; "" for both runs
 * @property {any} default
 * @property {string[]} [names] the values of a choice
 * @property {Record<string, string>} [titles] the titles of names, if they differ
 * @property {Record<string, string>} [sentences] what each name means
 * @property {number} [low] the smallest number
 * @property {number} [high] the largest number
 * @property {number} [step] the distance of two positions of the slider
 * @property {number[]} [presets] numbers with a button each
 * @property {boolean} [slider] whether a whole number has a slider
 * @property {string} [placeholder]
 * @property {string} [allowed] the limits of a whole number in words, if "low to high" is not enough
 * @property {number} [most] the limit for the letters of a prompt, or for the numbers of a list
 * @property {string} [example] an example of a list
 * @property {boolean} [may_be_empty] whether a list may be empty
 * @property {string} [open] the meaning of an empty number, in words
 * @property {"strokes" | "cells" | "points"} [holds] what the text of a picture contains, if not pixels
 */

/**
 * Conditions on other fields, by their names. A text: the field must have this value. True: the field's value must
 * differ from its default. False: the value must be the default. For the name "model", the text is a property that the
 * model must have.
 * @typedef {Record<string, string | boolean>} Condition
 */

/**
 * What a form offers for a model: see `aboutOf` of plans/facts.js. If `here` is false, the engine lacks the model's
 * files, and only some properties are known.
 * @typedef {object} About
 * @property {string} ref
 * @property {string} name
 * @property {boolean} here whether the engine has the model's files
 * @property {number} count the default number of pictures
 * @property {string} [download] the size of the download, in words
 * @property {string} revision the loaded revision on the Hub, or ""
 * @property {number} size of its pictures, pixels a side
 * @property {number} channels of its pictures
 * @property {number} T
 * @property {number[]} times the default times t of the rows in the part Latents
 * @property {[least: number, most: number, usual: number]} steps
 * @property {string[]} samplers
 * @property {string} note a sentence about unusual choices, or ""
 * @property {string[]} variances
 * @property {Record<string, Record<string, string>>} titles the model's own titles, by property and name
 * @property {string} variance the model's default
 * @property {string[]} classes empty for a model without classes
 * @property {boolean} latent
 * @property {string[]} prompts to try; empty for a model that takes no words
 * @property {boolean} clip
 * @property {boolean} student
 * @property {ShippedSet | null} set the set of pictures that comes with the page
 * @property {ExamplePicture[]} examples
 */

/** A mistake in the value of a field. error: what is wrong, as a sentence. @typedef {{ field: string, error: string }} Mistake */

/** Return whether a field can take a value from an address. @param {FieldForm} field @param {string} value */
function fits({ kind, names, low = 0, high = 0, open }, value) {
  if (kind === "choice") return names?.includes(value);
  if (kind === "wholes") return /^[\d\s,;]*$/.test(value);
  if (kind === "levels") return /^([\d\s,;.=+]|e-?\d|sigma|σ)*$/i.test(value);
  if (!["whole", "seed", "number"].includes(kind)) return true;
  if (!value.trim()) return open !== undefined;
  // JavaScript reads 0x10 as a number, but no field takes such a number
  return !/^0[box]/i.test(value.trim()) && Number(value) >= low && Number(value) <= high;
}

// the key under which the browser stores whether the settings of Watch are open; other parts append their name
const HOW = "lab-how";

/**
 * Until a model is known, the form assumes that the model has classes and no prompts.
 * @type {Record<string, unknown[]>}
 */
const UNKNOWN = { classes: ["any"], prompts: [] };

export class Form {
  /** @type {Map<string, Control>} */
  #controls = new Map();
  /** @type {Map<string, HTMLElement>} */
  #places = new Map();
  /** The facts of each chosen model, by the name of the field that chooses it. @type {Map<string, About>} */
  #known = new Map();
  /** Names of the fields whose value somebody chose; the other fields follow the model. @type {Set<string>} */
  #chosen = new Set();
  /** The mistakes that are marked beside their fields. @type {Mistake[]} */
  mistakes = [];

  /**
   * @param {FieldForm[]} fields
   * @param {{ models: ModelChoice[], takesAny: boolean }} given
   * @param {(name: string, done: boolean) => void} [changed] called when the visitor has changed a field; done: false while a slider moves
   */
  constructor(fields, given, changed = () => {}) {
    this.fields = fields;
    this.given = given;
    this.references = fields.filter(({ kind }) => kind === "reference");
    this.changed = (/** @type {string} */ name, /** @type {boolean} */ done) => {
      this.#chosen.add(name);
      this.#tell(name, "");
      this.reveal();
      changed(name, done);
    };
    for (const field of fields) {
      if (field.kind === "picture") continue;
      const control = makeControl(field, this);
      this.#controls.set(field.name, control);
      this.#places.set(field.name, withLabel(field, control));
    }
    this.reveal();
  }

  /** Use a control that the part has made for a field. @param {string} name @param {Control} control */
  adopt(name, control) {
    this.#controls.set(name, control);
    this.#places.set(name, control.element);
    this.reveal();
  }

  /** The sentence that asks the visitor to choose a missing value, or "". */
  get missing() {
    const controls = [...this.#controls.values()].filter(({ element }) => !element.hidden);
    return controls.map((control) => control.missing?.()).find(Boolean) ?? "";
  }

  /** Whether a field has a control. @param {string} name */
  has(name) {
    return this.#places.has(name);
  }

  /** Return the element that contains a field's control and label. @param {string} name */
  place(name) {
    const place = this.#places.get(name);
    if (!place) throw new Error(`there is no field ${name}`);
    return place;
  }

  /**
   * Lay out the fields. Fields that few visitors need are behind More.
   * @param {(field: FieldForm) => boolean} [wanted] chooses the fields, by default all fields
   * @param {(field: FieldForm) => boolean} [first] chooses the fields that stay visible; the other fields fold into one
   * line
   */
  layout(wanted = () => true, first = undefined) {
    const shown = this.fields.filter((field) => field.kind !== "picture" && wanted(field));
    const places = (/** @type {FieldForm[]} */ fields) => fields.map(({ name }) => this.place(name));
    const rest = places(shown.filter(({ more }) => more));
    const more = rest.length ? [el("details", { class: "more" }, el("summary", null, FORM.more), ...rest)] : [];
    const usual = shown.filter((field) => !field.more);
    if (!first) return el("div", { class: "fields" }, ...places(usual), ...more);
    const later = places(usual.filter((field) => !first(field)));
    return el("div", { class: "fields" }, ...places(usual.filter(first)), fold([...later, ...more]));
  }

  /** The values of all fields, by their names. @returns {Values} */
  get values() {
    return Object.fromEntries([...this.#controls].map(([name, control]) => [name, control.get()]));
  }

  /**
   * The values for an address. Models of the Hub have the loaded revision in their name, so that the link always opens
   * the same weights.
   */
  get pinned() {
    const { values } = this;
    for (const [name, { ref, revision }] of this.#known)
      if (revision && values[name] === ref && !ref.includes("@")) values[name] = `${ref}@${revision}`;
    return values;
  }

  /** Return the value of a field. @param {string} name */
  value(name) {
    return this.#controls.get(name)?.get();
  }

  /** Whether somebody chose the value of a field. @param {string} name */
  isChosen(name) {
    return this.#chosen.has(name);
  }

  /** Set values from a link, a lesson, a preset or an example; the other fields stay as they are. @param {Values} values @param {boolean} [chosen] whether somebody chose them */
  set(values, chosen = true) {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined || value === null) continue;
      const field = this.fields.find((one) => one.name === name);
      if (field && !fits(field, String(value))) continue;
      if (value === "") this.#chosen.delete(name);
      else if (chosen) this.#chosen.add(name);
      this.#controls.get(name)?.set(value);
      if (this.has(name)) this.#tell(name, "");
    }
    this.reveal();
  }

  /** Set all fields but the models and the seed to their usual values. */
  reset() {
    this.#chosen.clear();
    const fields = this.fields.filter(({ kind }) => !["reference", "seed"].includes(kind));
    this.set(Object.fromEntries(fields.map(({ name, default: usual }) => [name, usual ?? ""])), false);
  }

  /** Open the folded sections in which one of these values differs from the default. @param {Values} values */
  unfold(values) {
    for (const { name, kind, default: usual } of this.fields) {
      const unusual = kind !== "picture" && name in values && String(values[name]) !== String(usual ?? "");
      if (unusual) uncover(this.place(name));
    }
  }

  /**
   * Return the values that the form could not take, each as "label: value".
   * @param {Values} values
   */
  impossible(values) {
    const fields = this.fields.filter(({ name, kind }) => !["picture", "reference"].includes(kind) && values[name]);
    const others = fields.filter(({ name }) => String(values[name]) !== String(this.value(name)));
    return others.map(({ name, label }) => `${label}: ${values[name]}`);
  }

  // --- What is wrong

  /** Mark a field, and show beside it what is wrong with its value. @param {string} name @param {string} sentence "" removes the mark */
  mark(name, sentence) {
    const place = this.place(name);
    const control = this.#controls.get(name);
    const input = control?.input ?? place;
    let note = place.querySelector(":scope > .mistake");
    if (!note) {
      if (!sentence) return;
      note = el("p", { class: "wrong mistake", id: newId(), role: "status" });
      place.append(note);
      const others = input.getAttribute("aria-describedby") ?? "";
      input.setAttribute("aria-describedby", `${others} ${note.id}`.trim());
    }
    if (sentence && note.textContent !== sentence) uncover(place);
    write(note, sentence);
    for (const box of [control?.input, control?.typed]) {
      if (sentence) box?.setAttribute("aria-invalid", "true");
      else box?.removeAttribute("aria-invalid");
    }
    control?.refuse?.(Boolean(sentence));
  }

  /** Mark the fields of these mistakes, and no others. @param {Mistake[]} mistakes */
  markAll(mistakes) {
    const shown = mistakes.filter(({ field }) => this.has(field));
    for (const { field } of this.mistakes) if (!shown.some((one) => one.field === field)) this.mark(field, "");
    for (const { field, error } of shown) this.mark(field, error);
    this.mistakes = shown;
  }

  /** Return the sentence that names the fields to correct; null unless all these fields are visible. @param {Mistake[]} mistakes */
  correctionOf(mistakes) {
    if (!mistakes.length || !mistakes.every(({ field }) => this.has(field) && isShown(this.place(field)))) return null;
    const fields = mistakes.flatMap(({ field }) => this.fields.find(({ name }) => name === field) ?? []);
    return RUN.correct(fields.map(({ lane, label }) => (lane === "b" ? FORM.laneB(label) : label)));
  }

  // --- What a model changes

  /**
   * Return the field that chooses the model on which a field depends: the model of the field's lane, A or B, or the
   * first model.
   * @param {FieldForm} field
   */
  #modelOf({ lane }) {
    return this.references.find((one) => one.lane === lane) ?? this.references[0];
  }

  /**
   * The refs of the chosen models: names or folders of checkpoints. Lane B's ref is null if lane B uses lane A's model.
   * @returns {(string | null)[]}
   */
  get refs() {
    return this.references.map(({ name }) => this.value(name)).map((ref) => (ref === SAME ? null : ref));
  }

  /**
   * Adapt the fields to a model. If this changes a value that somebody chose, show the old value beside the field.
   * @param {FieldForm} reference the model's field @param {About} about
   */
  offer(reference, about) {
    this.#known.set(reference.name, about);
    for (const field of this.fields) {
      const { name } = field;
      if (this.#modelOf(field) !== reference) continue;
      const before = this.value(name);
      this.#controls.get(name)?.offer?.(about);
      const now = this.value(name);
      if (this.isChosen(name) && String(now) !== String(before)) this.#tell(name, FORM.was(before));
    }
    this.reveal();
  }

  /**
   * Write a note about a changed value beside a field.
   * @param {string} name @param {string} text "" removes the note
   */
  #tell(name, text) {
    const place = this.place(name);
    const note = place.querySelector(":scope > .changed") ?? el("p", { class: "changed", role: "status" });
    if (text && !note.parentElement) place.append(note);
    write(note, text);
  }

  /** Whether a field is shown. @param {FieldForm} field */
  shows(field) {
    /** @type {Record<string, any>} */
    const model = this.#known.get(this.#modelOf(field)?.name) ?? UNKNOWN;
    /** Return whether a condition is met. */
    const holds = (/** @type {[string, string | boolean]} */ [name, wanted]) =>
      name === "model"
        ? model[String(wanted)].length > 0
        : wanted === (typeof wanted === "boolean" ? this.#isSet(name) : this.value(name));
    return field.shown_if?.some((condition) => Object.entries(condition).every(holds)) ?? true;
  }

  /** Whether the value of a field differs from the default, or is still missing. @param {string} name */
  #isSet(name) {
    const usual = this.fields.find((field) => field.name === name)?.default ?? "";
    const control = this.#controls.get(name);
    return Boolean(control?.missing?.()) || String(control?.get() ?? usual) !== String(usual);
  }

  /** Show only the fields that apply to the current values. */
  reveal() {
    for (const field of this.fields) {
      const place = this.#places.get(field.name);
      if (place && field.shown_if) place.hidden = !this.shows(field);
    }
  }

  /** The models that the visitor can choose. */
  get models() {
    return this.given.models.filter((model) => model.ready && this.takes(model));
  }

  /**
   * Return whether the form can use a model. A latent model takes a prompt, so it needs a field for the prompt. A field
   * for the prompt that is always shown needs a latent model.
   * @param {{ latent: boolean }} model
   */
  takes({ latent }) {
    const prompts = this.fields.filter(({ kind }) => kind === "prompt");
    return latent ? prompts.length > 0 : prompts.every(({ shown_if }) => shown_if);
  }

  /** Replace the list of models. @param {ModelChoice[]} models */
  list(models) {
    this.given.models = models;
    for (const { list } of this.#controls.values()) list?.();
  }
}

/** Open every folded section around an element. @param {HTMLElement} place */
function uncover(place) {
  for (let at = place.closest("details"); at; at = at.parentElement?.closest("details") ?? null) at.open = true;
}

/**
 * Fold fields into one line with their values. The browser stores whether the visitor has opened the line.
 * @param {HTMLElement[]} places the fields @param {string} [part] name of the part, if `places` are all its fields; in
 * a wide window they are open at first
 */
export function fold(places, part = "") {
  const key = part ? `${HOW}-${part}` : HOW;
  const line = el("summary", null, FORM.how, el("span", { class: "values" }));
  const box = el("details", { class: part ? "how all" : "how" }, line, ...places);
  const usual = part && matchMedia("(min-width: 901px)").matches ? "open" : "closed";
  box.open = (attempt(() => localStorage.getItem(key)) ?? usual) === "open";
  line.addEventListener("click", () => attempt(() => localStorage.setItem(key, box.open ? "closed" : "open")));
  return box;
}

/** Put a label and a help text beside the control of a field. @param {FieldForm} field @param {Control} control */
function withLabel({ name, label, help, kind }, { element, input }) {
  const id = newId();
  const title = input ? el("label", { for: id, class: "name" }, label) : el("legend", null, label);
  const box = el(input ? "div" : "fieldset", { class: `field field-${kind}`, "data-name": name });
  const info = help ? [el("p", { class: "info" }, help)] : [];
  if (kind === "switch") box.append(el("div", { class: "row" }, element, title), ...info);
  else box.append(title, ...info, element);
  if (input) input.id = id;
  const notes = [...box.querySelectorAll(".info")];
  for (const [i, note] of notes.entries()) note.id = `${id}-info-${i}`;
  if (notes.length) (input ?? box).setAttribute("aria-describedby", notes.map((note) => note.id).join(" "));
  return box;
}
