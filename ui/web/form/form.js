// The form of a part. It makes a control for each field of plans/forms.js (Train's fields come from the server), shows
// the fields that apply, and adapts them to the chosen model. It refers to no field by its name.

import { el, isShown, write } from "../drawing/dom.js";
import { attempt } from "../messages/client.js";
import { FORM, RUN } from "../words/page.js";
import { SAME } from "../words/units.js";
import { makeControl, newId } from "./controls.js";

/** @import { Values } from "../messages/client.js" */
/** @import { ExamplePicture, ModelChoice, ShippedSet } from "../messages/protocol.d.ts" */
/** @import { Control } from "./controls.js" */

/**
 * A field: one of plans/forms.js, or of `Request.form` of ui/forms/fields.py.
 * @typedef {object} FieldForm
 * @property {string} name
 * @property {string} title its name in a sentence
 * @property {"reference" | "choice" | "classname" | "switch" | "whole" | "seed" | "number" | "text" | "prompt" | "wholes" | "levels" | "picture"} kind
 * @property {string} label
 * @property {string} help
 * @property {boolean} more whether it stands behind "More"
 * @property {string} follows the property of About that it offers, or begins with
 * @property {Condition[] | null} shown_if one of them must hold
 * @property {"" | "a" | "b"} lane "" for both
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
 * @property {string} [allowed] how the limits of a whole number are said, where "low to high" is not enough
 * @property {number} [most] letters of a prompt, or numbers of a list
 * @property {string} [example] of a list
 * @property {boolean} [may_be_empty] whether a list may
 * @property {string} [open] what no number means
 * @property {"strokes" | "cells" | "points"} [holds] what a picture is a text of, where it is none of pixels
 */

/** Conditions on other fields: the value that a field must have, or (true, false) whether it must have one. "model": the property that the model must have. @typedef {Record<string, string | boolean>} Condition */

/**
 * What a form offers for a model: `aboutOf` of plans/facts.js. Without `here` its files are not on the server's machine,
 * and the rest is not known.
 * @typedef {object} About
 * @property {string} ref
 * @property {string} name
 * @property {boolean} here
 * @property {number} count
 * @property {string} [download]
 * @property {string} revision
 * @property {number} size of its pictures, pixels a side
 * @property {number} channels of its pictures
 * @property {number} T
 * @property {number[]} times of a latent's rows where none are chosen
 * @property {[least: number, most: number, usual: number]} steps
 * @property {string[]} samplers
 * @property {string} note what is special about its choices, or ""
 * @property {string[]} variances
 * @property {Record<string, Record<string, string>>} titles of what it offers, where it calls that otherwise
 * @property {string} variance its own
 * @property {string[]} classes empty for a model without classes
 * @property {boolean} latent
 * @property {string[]} prompts to try; empty for a model that takes no words
 * @property {boolean} clip
 * @property {boolean} student
 * @property {ShippedSet | null} set of pictures that comes with the page
 * @property {ExamplePicture[]} examples
 */

/** The mistake in the value of a field. @typedef {{ field: string, error: string }} Mistake */

/** Check whether a field can take a value from an address. @param {FieldForm} field @param {string} value */
function fits({ kind, names, low = 0, high = 0, open }, value) {
  if (kind === "choice") return names?.includes(value);
  if (kind === "wholes") return /^[\d\s,;]*$/.test(value);
  if (kind === "levels") return /^([\d\s,;.=+]|e-?\d|sigma|σ)*$/i.test(value);
  if (!["whole", "seed", "number"].includes(kind)) return true;
  if (!value.trim()) return open !== undefined;
  // JavaScript would read 0x10 as a number, but no field takes it
  return !/^0[box]/i.test(value.trim()) && Number(value) >= low && Number(value) <= high;
}

// The browser's storage keeps under this key whether the settings of Watch are open; other parts append their name
const HOW = "lab-how";

/** Until a model is known, the form assumes that it has classes and no prompts. @type {Record<string, unknown[]>} */
const UNKNOWN = { classes: ["any"], prompts: [] };

export class Form {
  /** @type {Map<string, Control>} */
  #controls = new Map();
  /** @type {Map<string, HTMLElement>} */
  #places = new Map();
  /** The facts of the models that have been loaded, by the names of their fields. @type {Map<string, About>} */
  #known = new Map();
  /** Names of the fields whose value somebody chose; the others have the model's own. @type {Set<string>} */
  #chosen = new Set();
  /** The mistakes that are marked. @type {Mistake[]} */
  mistakes = [];

  /**
   * @param {FieldForm[]} fields
   * @param {{ models: ModelChoice[], takesAny: boolean }} given
   * @param {(name: string, done: boolean) => void} [changed] the visitor changed a field; done: false while a slider moves
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

  /** A sentence that asks the visitor to choose what is missing, or "". */
  get missing() {
    const controls = [...this.#controls.values()].filter(({ element }) => !element.hidden);
    return controls.map((control) => control.missing?.()).find(Boolean) ?? "";
  }

  /** Whether a field has a control. @param {string} name */
  has(name) {
    return this.#places.has(name);
  }

  /** The control of a field with its label. @param {string} name */
  place(name) {
    const place = this.#places.get(name);
    if (!place) throw new Error(`there is no field ${name}`);
    return place;
  }

  /**
   * Lay out the fields that everybody needs, and the others behind More.
   * @param {(field: FieldForm) => boolean} [wanted] all fields where it is left out
   * @param {(field: FieldForm) => boolean} [first] the fields that are needed at once; a line with their values hides the others
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

  /** @returns {Values} */
  get values() {
    return Object.fromEntries([...this.#controls].map(([name, control]) => [name, control.get()]));
  }

  /**
   * The values for an address. Models of the Hub carry the revision that was loaded, so that the link always opens the
   * same one.
   */
  get pinned() {
    const { values } = this;
    for (const [name, { ref, revision }] of this.#known)
      if (revision && values[name] === ref && !ref.includes("@")) values[name] = `${ref}@${revision}`;
    return values;
  }

  /** @param {string} name */
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

  /** Open the folded sections that hide those of these fields whose values are unusual. @param {Values} values */
  unfold(values) {
    for (const { name, kind, default: usual } of this.fields) {
      const unusual = kind !== "picture" && name in values && String(values[name]) !== String(usual ?? "");
      if (unusual) uncover(this.place(name));
    }
  }

  /**
   * Name those of these values that the form could not take. A sentence to the visitor lists them.
   * @param {Values} values
   */
  impossible(values) {
    const fields = this.fields.filter(({ name, kind }) => !["picture", "reference"].includes(kind) && values[name]);
    const others = fields.filter(({ name }) => String(values[name]) !== String(this.value(name)));
    return others.map(({ name, label }) => `${label}: ${values[name]}`);
  }

  // --- What is wrong

  /** Mark a field and say beside it what is wrong with its value. @param {string} name @param {string} sentence "" where nothing is wrong */
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

  /** Return the sentence that names the fields to correct, null unless the visitor can see all these fields. @param {Mistake[]} mistakes */
  waits(mistakes) {
    if (!mistakes.length || !mistakes.every(({ field }) => this.has(field) && isShown(this.place(field)))) return null;
    const fields = mistakes.flatMap(({ field }) => this.fields.find(({ name }) => name === field) ?? []);
    return RUN.correct(fields.map(({ lane, label }) => (lane === "b" ? FORM.laneB(label) : label)));
  }

  // --- What a model changes

  /** The model field that determines a field's limits: that of its lane, or the first one. @param {FieldForm} field */
  #modelOf({ lane }) {
    return this.references.find((one) => one.lane === lane) ?? this.references[0];
  }

  /** The refs in the fields of models; null where lane B has the model of lane A. @returns {(string | null)[]} */
  get refs() {
    return this.references.map(({ name }) => this.value(name)).map((ref) => (ref === SAME ? null : ref));
  }

  /**
   * A model is known: offer what it has. Where this model can't have a value that somebody chose, say beside the field
   * that it has changed.
   * @param {FieldForm} reference its field @param {About} about
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

  /** Say beside a field that its value has changed. @param {string} name @param {string} text "" where it has not */
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
    const holds = (/** @type {[string, string | boolean]} */ [name, wanted]) =>
      name === "model"
        ? model[String(wanted)].length > 0
        : wanted === (typeof wanted === "boolean" ? this.#isSet(name) : this.value(name));
    return field.shown_if?.some((condition) => Object.entries(condition).every(holds)) ?? true;
  }

  /** Whether a field has an unusual value, or still needs one. @param {string} name */
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

  /** The models that the visitor can choose. A form without a prompt offers only models of pixels. */
  get models() {
    return this.given.models.filter((model) => model.ready && this.takes(model));
  }

  /** Whether the form is for such a model: a prompt that is always shown needs a model that takes one. @param {{ latent: boolean }} model */
  takes({ latent }) {
    const prompts = this.fields.filter(({ kind }) => kind === "prompt");
    return latent ? prompts.length > 0 : prompts.every(({ shown_if }) => shown_if);
  }

  /** Replace the list of models, because other models can be chosen now. @param {ModelChoice[]} models */
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
 * Hide fields behind a line that says how a run goes. It stays open or closed as the visitor leaves it.
 * @param {HTMLElement[]} places @param {string} [part] all of whose fields these are: a wide window shows them at first
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

/** The control of a field with its label and its help. @param {FieldForm} field @param {Control} control */
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
