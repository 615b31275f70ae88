// Check the values of fields. Values come from the page, a script or an address.

import { UserError } from "../process/errors.js";
import { ANY } from "../words/units.js";
import { FIELD } from "../words/wrong.js";
import { strokes } from "./touch.js";

/** @import { FieldForm } from "../form/form.js" */
/** @import { Request } from "./plan.js" */

const LONGEST = 300; // largest length of a checkpoint's name, in characters
const LONGEST_CLASS = 200; // largest length of a class name, in characters; the longest name in ImageNet has 121
const SHOWN = 40; // an error message quotes at most this many characters of a wrong value
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const CELLS = 32; // number of cells on each side of the grid for erasing
export const POINTS = 200; // the largest number of points in a drawing

/** The error for a wrong value: a sentence, and the name of the field. */
export class Wrong extends UserError {
  /** All errors that the check found, with this error among them. The form marks every wrong field. @type {Wrong[]} */
  all = [this];

  /** @param {string} field @param {string} sentence */
  constructor(field, sentence) {
    super(sentence);
    this.field = field;
  }
}

/**
 * Call all functions, and return their results. If some functions throw a Wrong, throw the first Wrong, whose
 * property `all` contains all of them.
 * @template T @param {(() => T)[]} acts @returns {T[]}
 */
export function together(acts) {
  /** @type {T[]} */
  const results = [];
  /** @type {Wrong[]} */
  const wrong = [];
  for (const act of acts)
    try {
      results.push(act());
    } catch (error) {
      if (error instanceof Wrong) wrong.push(...error.all);
      // Errors of other kinds may be consequences of a wrong value, so they are thrown only if no value is wrong
      else if (!wrong.length) throw error;
    }
  if (wrong.length) throw Object.assign(wrong[0], { all: wrong });
  return results;
}

/** Count the characters of a text. An emoji counts as one character. @param {string} text */
const length = (text) => [...text].length;

/** Quote a wrong value for a sentence. @param {unknown} value */
export function shown(value) {
  const letters = [...String(value ?? "").trim()];
  if (!letters.length) return FIELD.nothing;
  return letters.length <= SHOWN ? `'${letters.join("")}'` : `'${letters.slice(0, SHOWN - 3).join("")}…'`;
}

/**
 * Return the path that a visitor names. Throws for a path on another machine (`\\host\share`). Any website can link
 * to such a path, and Windows sends the user's identity to that machine as soon as a program looks for the folder.
 * @param {unknown} path
 */
function localPath(path) {
  const text = String(path || "");
  if (/^[\\/]([\\/]|\?\?)/.test(text.trim())) throw new UserError(FIELD.far(shown(text)));
  return text;
}

/** Check the name of a checkpoint that a visitor has written, and return the name. @param {FieldForm} field @param {unknown} value */
function reference({ title }, value) {
  const text = localPath(value).trim();
  if (!text || length(text) > LONGEST) throw new UserError(FIELD.reference(title));
  return text;
}

/** Check that a value is one of the field's names. @param {FieldForm} field @param {unknown} value */
function choice({ title, names = [] }, value) {
  if (typeof value === "string" && names.includes(value)) return value;
  throw new UserError(FIELD.choice(title, shown(value), names));
}

/** Check a class, which is a name or a number. @param {FieldForm} field @param {unknown} value */
function className({ title }, value) {
  const text = String(value === "" ? ANY : (value ?? ANY)).trim();
  if (length(text) > LONGEST_CLASS) throw new UserError(FIELD.long(title, LONGEST_CLASS, length(text)));
  return text;
}

/** Check that a value is true, false or null. null means that the checkpoint decides. @param {FieldForm} field @param {unknown} value */
function onOff({ title }, value) {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  if (value === null || value === "") return null;
  throw new UserError(FIELD.onOff(title, shown(value)));
}

/** Return a number's text; "" if the value is neither a number nor a text. @param {unknown} value */
const digits = (value) => (typeof value === "string" || typeof value === "number" ? String(value).trim() : "");

/** Check a whole number and its limits. @param {FieldForm} field @param {unknown} value */
function whole({ title, low = 0, high = 0, allowed }, value) {
  const text = digits(value);
  const number = Number(text);
  if (/^-?\d{1,30}$/.test(text) && low <= number && number <= high) return number;
  throw new UserError(FIELD.whole(title, allowed || FIELD.range(low, high), shown(value)));
}

/** Check a number and its limits. @param {FieldForm} field @param {unknown} value @returns {number | null} null if the field is left empty */
function decimal({ title, low = 0, high = 1, open }, value) {
  if (open && (value === null || value === "")) return null;
  const text = digits(value);
  const number = Number(text);
  if (DECIMAL.test(text) && low <= number && number <= high) return number;
  throw new UserError(FIELD.number(title, low, high, shown(value)));
}

/**
 * Check a prompt, and return it in one line without broken characters.
 * @param {FieldForm} field
 * @param {unknown} value
 */
function prompt({ title, most = LONGEST }, value) {
  const letters = String(value || "").replace(/\p{Cs}/gu, ""); // remove halves of surrogate pairs, which are no characters
  const text = letters.trim().replace(/\s+/g, " ");
  if (length(text) > most) throw new UserError(FIELD.long(title, most, length(text)));
  return text;
}

/**
 * Check a list of whole numbers, and remove duplicates.
 * @param {FieldForm} field
 * @param {unknown} value
 * @returns {number[]}
 */
function wholes({ title, most = 0, example, may_be_empty }, value) {
  const text = typeof value === "string" || Array.isArray(value) ? String(value) : "";
  const parts = text.split(/[\s,;]+/).filter(Boolean);
  if (parts.every((part) => /^\d{1,6}$/.test(part)) && parts.length <= most && (parts.length || may_be_empty))
    return [...new Set(parts.map(Number))];
  throw new UserError(FIELD.wholes(title, most, example, shown(value)));
}

/**
 * Check a list of times, and remove duplicates. A number is a time t; all numbers after a σ are noise levels, so "σ
 * 80, 10" is two levels.
 * @param {FieldForm} field @param {unknown} value @returns {(number | string)[]} t, or "σ 80"
 */
function levels({ title, most = 0, example }, value) {
  const text = typeof value === "string" || Array.isArray(value) ? String(value) : "";
  const parts = text
    .replace(/sigma|σ/gi, " σ ")
    .split(/[\s,;=]+/)
    .filter(Boolean);
  const from = parts.indexOf("σ");
  const all = parts.filter((part) => part !== "σ").map(Number);
  if (all.some((one) => !(one >= 0 && one < Infinity)) || all.length > most || parts.at(-1) === "σ")
    throw new UserError(FIELD.times(title, most, example, shown(value)));
  return [...new Set(all.map((one, i) => (from >= 0 && i >= from ? `σ ${one}` : one)))];
}

/**
 * Check the erased cells, and return them as bytes. The text has one bit for each of CELLS × CELLS cells, row by row,
 * as base64url; it is empty if nothing is erased.
 * @param {unknown} value
 */
function cells(value) {
  const text = String(value || "");
  const bits = /^([\w-]{4})*([\w-]{2}==|[\w-]{3}=)?$/.test(text)
    ? atob(text.replaceAll("-", "+").replaceAll("_", "/"))
    : "?";
  if (bits && bits.length !== CELLS ** 2 / 8) throw new UserError(FIELD.cells);
  return Uint8Array.from(bits, (letter) => letter.charCodeAt(0));
}

/**
 * Check the points that a visitor drew in the plane, such as "12,-30 4,5". They are written in hundredths, inside
 * [−1, 1]².
 * @param {unknown} value
 * @returns {[number, number][]}
 */
function points(value) {
  const parts = String(value || "")
    .split(/\s+/)
    .filter(Boolean);
  if (!parts.every((part) => /^-?\d{1,3},-?\d{1,3}$/.test(part))) throw new UserError(FIELD.points(shown(value)));
  // + 0 turns −0 into 0
  const drawn = parts.map(
    (part) => /** @type {[number, number]} */ (part.split(",").map((number) => Number(number) / 100 + 0)),
  );
  if (drawn.length > POINTS || drawn.flat().some((number) => Math.abs(number) > 1))
    throw new UserError(FIELD.drawing(POINTS, shown(value)));
  return drawn;
}

/** Check the text of a picture, a drawing, strokes or erased cells. @param {FieldForm} field @param {unknown} value */
function picture({ title, holds }, value) {
  if (holds === "strokes") return strokes(title, value);
  if (holds === "cells") return cells(value);
  return holds === "points" ? points(value) : text(value);
}

/** Convert a value to a text without spaces around it. @param {unknown} value */
const text = (value) => String(value || "").trim();

/** @type {Record<FieldForm["kind"], (field: FieldForm, value: unknown) => unknown>} */
const KINDS = {
  reference,
  choice,
  classname: className,
  switch: onOff,
  whole,
  seed: whole,
  number: decimal,
  text: (_, value) => text(value),
  prompt,
  wholes,
  levels,
  picture,
};

/** Check the value of a field, and return the value in the form that planners use. Throws a Wrong for a value that is not allowed. @param {FieldForm} field @param {unknown} value */
export function checked(field, value) {
  try {
    return KINDS[field.kind](field, value);
  } catch (error) {
    if (!(error instanceof UserError)) throw error; // any other error is a fault in our code
    throw new Wrong(field.name, error.message);
  }
}

/**
 * Check the values of a form, by the names of their fields, and return them as a request. Fields without a value get
 * their default. Throws a Wrong for the first wrong value; its property `all` contains the errors of all wrong
 * values.
 * @param {FieldForm[]} form @param {Record<string, unknown>} values
 * @returns {Request}
 */
export function check(form, values) {
  const fields = new Map(form.map((field) => [field.name, field]));
  /** @type {Request} */
  const request = Object.fromEntries(form.map((field) => [field.name, checked(field, field.default)]));
  together(
    Object.entries(values).map(([name, value]) => () => {
      const field = fields.get(name);
      if (field) request[name] = checked(field, value);
    }),
  );
  return request;
}
