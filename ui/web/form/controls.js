// Makes the controls of a form, one for each kind of field in plans/fields.js. A field may depend on a property of the
// model, which the field's `follows` names; `offer` of its control applies this property.

import { button, el, option, write } from "../drawing/dom.js";
import { aboutOf, nameOf as titleOfModel } from "../words/checkpoints.js";
import { FORM } from "../words/page.js";
import { SAME } from "../words/units.js";

/** @import { ModelChoice } from "../messages/protocol.d.ts" */
/** @import { About, FieldForm, Form } from "./form.js" */

/**
 * A control of a form.
 * @typedef {object} Control
 * @property {HTMLElement} element
 * @property {HTMLElement | null} input the element of the label; null for a group
 * @property {() => any} get returns the value
 * @property {(value: any) => void} set sets the value, without reporting a change
 * @property {(about: About) => void} [offer] adapts the control to a model
 * @property {() => void} [list] updates the list of models
 * @property {HTMLElement} [typed] the box for a value that the list lacks
 * @property {(is: boolean) => void} [refuse] shows that the value is impossible (true) or possible again (false)
 * @property {() => string} [missing] returns a sentence about what must be chosen first, or ""
 */

const FEW = 7; // a choice with more names becomes a list
const MANY = 100; // a model with more classes gets a text box instead of a list
const SHORT = 50; // a choice becomes a list if its names have more letters in total
const SHORTEST = 20; // if a model's class names have more letters in total, they are shown as a list, else as tiles
const SEEDS = 1000; // the dice choose seeds below this number, because short seeds are easy to pass on

let ids = 0;
/** Return an id that no other element has. */
export const newId = () => `f${++ids}`;

/** Make the control of a field, by its kind. @param {FieldForm} field @param {Form} form @returns {Control} */
export function makeControl(field, form) {
  switch (field.kind) {
    case "reference":
      return model(field, form);
    case "choice":
      return choice(field, form);
    case "classname":
      return className(field, form);
    case "switch":
      return toggle(field, form);
    case "whole":
    case "number":
      return field.slider || field.kind === "number" ? slider(field, form) : input(field, form, "number");
    case "seed":
      return seed(field, form);
    case "prompt":
      return prompt(field, form);
    default:
      return input(field, form, "text");
  }
}

/** Make a text box or a number box. @param {FieldForm} field @param {Form} form @param {"text" | "number"} type */
function input({ name, default: usual, low, high, step, placeholder, follows }, form, type) {
  const box = el("input", { type, value: usual ?? "", autocomplete: "off", spellcheck: false });
  if (type === "number") Object.assign(box, { min: low, max: high, step: step ?? 1 });
  if (placeholder) box.placeholder = placeholder;
  box.addEventListener("change", () => form.changed(name, true));
  box.addEventListener("input", () => form.changed(name, false));
  /** Set the text of the box. @param {unknown} value */
  const set = (value) => {
    box.value = String(value);
  };
  /** Show the model's own value as the placeholder of an empty box. @param {Record<string, any>} about */
  const offer = (about) => {
    if (follows) box.placeholder = about[follows].join(", ");
  };
  return { element: box, input: box, get: () => box.value.trim(), set, offer };
}

/**
 * Make the control of a prompt. Its value is "" for a model that takes no prompt.
 * @param {FieldForm} field
 * @param {Form} form
 * @returns {Control}
 */
function prompt(field, form) {
  const { input: box, get, set } = input(field, form, "text");
  const list = el("datalist", { id: newId() });
  Object.assign(box, { maxLength: field.most, enterKeyHint: "go" });
  box.setAttribute("list", list.id);
  return {
    element: el("div", null, box, list),
    input: box,
    get: () => (form.shows(field) ? get() : ""),
    set,
    offer: (/** @type {Record<string, any>} */ about) =>
      list.replaceChildren(...about[field.follows].map((/** @type {string} */ value) => el("option", { value }))),
  };
}

/** Make a number box with dice for another seed. @param {FieldForm} field @param {Form} form @returns {Control} */
function seed(field, form) {
  const { input: box, get, set } = input(field, form, "text");
  box.inputMode = "numeric";
  /** Set a seed, and report the change. @param {number} seed */
  const take = (seed) => {
    set(seed);
    form.changed(field.name, true);
  };
  const attributes = { class: "button dice", title: FORM.seed, tabindex: -1 };
  /** Return a random seed that differs from the seed in the box, so that each press changes something. */
  const another = () => {
    const drawn = Math.floor(Math.random() * (SEEDS - 1));
    return drawn < Number(get()) ? drawn : drawn + 1;
  };
  const dice = button(attributes, () => take(another()), FORM.dice);
  box.addEventListener("keydown", ({ key }) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[key];
    if (by) take(Math.max(0, (Number(get()) || 0) + by));
  });
  return { element: el("div", { class: "row" }, box, dice), input: box, get, set };
}

/** Make a slider with a number box beside it. @param {FieldForm} field @param {Form} form @returns {Control} */
function slider(field, form) {
  const { name, label, step = 1, low = 0, high = 0, open = "", follows } = field;
  const { input: box, get } = input(field, form, "number");
  const logarithmic = low > 0 && high > 100;
  const range = el("input", { type: "range", class: "slider", "aria-label": label, tabindex: -1 });
  /** Convert a value to the slider's scale, which may be logarithmic. @param {number} value */
  const toRange = (value) => (logarithmic ? Math.log(Math.max(1, value)) : value);
  /** Convert a position of the slider to a value. @param {number} at */
  const fromRange = (at) => (logarithmic ? Math.round(Math.exp(at)) : Number(at.toFixed(4)));
  /** Show the number of the box on the slider and its presets. */
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
  /** Set the number, and show it. @param {unknown} value */
  const set = (value) => {
    box.value = String(value);
    draw();
  };
  const presets = (field.presets ?? []).map((value) => {
    const choose = () => {
      set(value);
      form.changed(name, true);
    };
    // the Tab key skips the presets, because the number's box takes every value
    return button({ class: "preset", value, tabindex: -1 }, choose, String(value));
  });
  range.addEventListener("input", () => {
    set(fromRange(Number(range.value)));
    form.changed(name, false);
  });
  range.addEventListener("change", () => form.changed(name, true));
  box.addEventListener("input", draw);
  box.placeholder = open;
  if (high > 100_000) box.max = "1000"; // the true limit is set once a model is known
  draw();
  const element = el("div", { class: "slide" }, el("div", { class: "row" }, range, box));
  if (presets.length) element.prepend(el("div", { class: "presets" }, ...presets));
  /**
   * Apply the model's limits; a number outside becomes the model's usual number. If the model suggests a single number
   * instead of limits, set this number unless somebody has chosen one.
   * @param {Record<string, any>} about
   */
  const offer = (about) => {
    const known = about[follows];
    if (Array.isArray(known)) {
      const [min, max, suited] = known;
      Object.assign(box, { min, max });
      set(Number(box.value) < min || Number(box.value) > max ? suited : box.value);
    } else if (known <= Number(box.max) && !form.isChosen(name)) set(known);
  };
  return { element, input: box, get, set, offer };
}

/** Make a checkbox. @param {FieldForm} field @param {Form} form @returns {Control} */
function toggle({ name, default: usual, follows }, form) {
  const box = el("input", { type: "checkbox" });
  box.checked = usual ?? true;
  box.addEventListener("change", () => form.changed(name, true));
  return {
    element: box,
    input: box,
    get: () => (usual !== null || form.isChosen(name) ? box.checked : null),
    set: (value) => {
      box.checked = value === true || value === "true";
    },
    offer: (/** @type {Record<string, any>} */ about) => {
      if (follows && !form.isChosen(name)) box.checked = about[follows];
    },
  };
}

/**
 * Make the control of a choice of names. Few short names are shown side by side; many or long names are a list.
 * @param {FieldForm} field
 * @param {Form} form
 * @returns {Control}
 */
function choice({ name, kind, default: usual, names, titles = {}, sentences = {}, follows }, form) {
  const all = names ?? [String(usual)];
  /** @type {Record<string, string>} */
  let own = {}; // the chosen model's own titles of names; they replace `titles`
  /** Return the title of a name. */
  const titled = (/** @type {string} */ name) => [own, titles].find((all) => Object.hasOwn(all, name))?.[name] ?? name;
  const few = kind === "choice" && all.length <= FEW && all.map(titled).join("").length <= SHORT;
  const box = el(few ? "div" : "select", few ? { class: "choice" } : null);
  const group = newId();
  const said = el("p", { class: "info" });
  let wanted = String(usual); // kept even if it is not offered, because a model that is not loaded yet may offer it
  /** Choose a name, and show the sentence about it. @param {unknown} value */
  const set = (value) => {
    wanted = String(value);
    if (box instanceof HTMLSelectElement) box.value = wanted;
    for (const input of box.querySelectorAll("input")) input.checked = input.value === wanted;
    write(said, Object.hasOwn(sentences, wanted) ? sentences[wanted] : "");
    said.hidden = !said.textContent;
  };
  /** Show the offered names. @param {string[]} offered */
  const fill = (offered) => {
    const shown = offered.map((value) =>
      few
        ? el("label", null, el("input", { type: "radio", name: group, value }), el("span", null, titled(value)))
        : option(titled(value), value),
    );
    box.replaceChildren(...shown);
    set(wanted);
  };
  fill(all);
  box.addEventListener("change", ({ target }) => {
    set(/** @type {HTMLInputElement} */ (target).value);
    form.changed(name, true);
  });
  const explained = Object.keys(sentences).length > 0;
  return {
    element: explained ? el("div", { class: "explained" }, box, said) : box,
    input: few ? null : box,
    get: () => wanted,
    set,
    offer: (/** @type {Record<string, any>} */ about) => {
      if (!follows) return;
      /** @type {string[]} */
      const known = about[follows];
      const offered = known.filter((name) => names?.includes(name) ?? true);
      own = about.titles[follows] ?? {};
      if (!offered.includes(wanted)) wanted = offered[0] ?? usual;
      fill(offered);
    },
  };
}

/**
 * Make the control of a class: tiles, a list, or a text box for more classes than fit into a list.
 * @param {FieldForm} field
 * @param {Form} form
 * @returns {Control}
 */
function className(field, form) {
  const listed = choice(field, form);
  const list = el("datalist", { id: newId() });
  const typed = el("input", { type: "text", "aria-label": field.label, autocomplete: "off", spellcheck: false });
  typed.placeholder = FORM.name;
  typed.setAttribute("list", list.id);
  const found = el("div", { hidden: true }, typed, list);
  const group = newId();
  const tiles = el("div", { class: "choice tiles", role: "radiogroup", "aria-label": field.label, hidden: true });
  tiles.addEventListener("change", ({ target }) => {
    listed.set(/** @type {HTMLInputElement} */ (target).value);
    form.changed(field.name, true);
  });
  /** @type {string[]} */
  let known = [];
  // the event "input" also comes after each letter, when the typed text may not be a class yet
  typed.addEventListener("change", () => form.changed(field.name, true));
  typed.addEventListener("input", () => known.includes(typed.value) && form.changed(field.name, true));
  /** Return the class that is chosen or typed, or the default if the text box is empty. */
  const get = () => (found.hidden ? listed.get() : typed.value.trim() || String(field.default));
  /** Choose a class in the list, the tiles and the text box. @param {unknown} value */
  const set = (value) => {
    listed.set(value);
    typed.value = String(value);
    for (const one of tiles.querySelectorAll("input")) one.checked = one.value === String(value);
  };
  /** Whether the model has a class with this name or number. @param {string} text */
  const has = (text) =>
    Number(text) < known.length || known.some((name) => name === text || name.split(", ").includes(text));
  return {
    element: el("div", null, tiles, listed.element, found),
    input: listed.input,
    get,
    set,
    offer: (/** @type {any} */ about) => {
      const wanted = get();
      known = about[field.follows];
      found.hidden = known.length <= MANY;
      tiles.hidden = known.join("").length > SHORTEST;
      listed.element.hidden = !found.hidden || !tiles.hidden;
      const tile = (/** @type {string} */ value) =>
        el("label", null, el("input", { type: "radio", name: group, value }), el("span", null, value));
      tiles.replaceChildren(...(tiles.hidden ? [] : known.map(tile)));
      list.replaceChildren(...(found.hidden ? [] : known.map((value) => el("option", { value }))));
      if (found.hidden) {
        listed.set(wanted);
        listed.offer?.(about);
        set(listed.get());
      } else set(has(wanted) ? wanted : known[0]);
    },
  };
}

/**
 * Return the name to show for a model that the list lacks: for a folder the last part of its path, else the model's
 * ref.
 * @param {string} ref
 */
const nameOf = (ref) => (/^([/\\~.]|[a-z]:)/i.test(ref) && ref.split(/[/\\]/).findLast(Boolean)) || ref;

/**
 * Make the options of a list of models, in groups.
 * @param {Form} form
 * @param {boolean} isSecond whether the list belongs to lane B, which can have the model of lane A
 */
function modelOptions({ models, given }, isSecond) {
  const titleOf = (/** @type {ModelChoice} */ model) => FORM.groups[model.group](model);
  const groups = [...new Set(models.map(titleOf))].map((label) => {
    const members = models.filter((model) => titleOf(model) === label);
    const options = members.map((model) => {
      const [name, about] = [model.label ?? titleOfModel(model.ref), aboutOf(model)];
      return new Option(about ? `${name} · ${about}` : name, model.ref);
    });
    return el("optgroup", { label }, ...options);
  });
  const same = isSecond ? [new Option(FORM.same, SAME)] : [];
  return [...same, ...groups, ...(given.takesAny ? [new Option(FORM.other, "")] : [])];
}

/**
 * Make the control of a model. The visitor chooses the model from a list or types its name.
 * @param {FieldForm} field
 * @param {Form} form
 * @returns {Control}
 */
function model({ name, default: usual, lane }, form) {
  const select = el("select", { class: "models" });
  const other = el("input", { type: "text", placeholder: FORM.ref, "aria-label": FORM.model });
  const note = el("p", { class: "info", role: "status", hidden: true });
  const picture = el("img", { alt: "", hidden: true });
  /** Select a model, and add it to the list if the list lacks it. @param {unknown} value */
  const set = (value) => {
    const text = String(value);
    if (text && ![...select.options].some(({ value }) => value === text)) {
      const option = new Option(nameOf(text), text);
      option.title = text;
      select.prepend(option);
    }
    select.value = text;
    other.hidden = text !== "" && text !== other.value.trim(); // the typed text stays visible until the model is known
    const src = form.models.find(({ ref }) => ref === text)?.picture;
    picture.hidden = !src;
    if (src) picture.src = src;
  };
  /** Choose a model, and report the change; for "", let the visitor type a name. @param {string} ref */
  const take = (ref) => {
    set(ref);
    if (ref) form.changed(name, true);
    else other.focus();
  };
  /** Update the list of models, and keep the selected model. */
  const list = () => {
    const now = select.value;
    select.replaceChildren(...modelOptions(form, lane === "b"));
    set(now);
  };
  select.addEventListener("change", () => take(select.value));
  other.addEventListener("change", () => {
    const ref = other.value.trim();
    if (ref) take(ref);
  });
  list();
  set(usual);
  /** Show the note about a model. @param {About} about */
  const showNote = (about) => {
    write(note, about.note);
    note.hidden = !about.note || select.value === SAME;
  };
  const element = el("div", { class: "model" }, el("div", { class: "row" }, picture, select), other, note);
  /** Keep the typed text visible while the visitor has to correct it. @param {boolean} is whether the model is refused */
  const refuse = (is) => {
    const own = is && form.given.takesAny && ![SAME, ...form.models.map(({ ref }) => ref)].includes(select.value);
    other.value = own ? select.value : "";
    other.hidden = !own && select.value !== "";
  };
  return { element, input: select, typed: other, get: () => select.value, set, list, offer: showNote, refuse };
}
