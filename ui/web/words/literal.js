// Writes values as Python does, for scripts and files.

import { floatText } from "./floats.js";

/** Python code that is written unchanged: a float, a tuple, a range, a name. */
class Code {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

/** Mark a text as Python code. @param {string} text */
export const code = (text) => new Code(text);

/** Write a number as a float, even if it is whole: 1.0. @param {number} x */
export const asFloat = (x) => code(floatText(x));

/** The arguments of a run that are floats in Python. */
const FLOATS = ["eta", "guidance", "snr", "S_churn", "S_min", "S_max", "S_noise"];

/** Mark the arguments that are floats in Python, so that 1 is written as 1.0. @param {Record<string, unknown>} given @returns {Record<string, unknown>} */
export const typed = (given) =>
  Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      FLOATS.includes(name) && typeof value === "number" ? asFloat(value) : value,
    ]),
  );

/** Write a tuple. @param {unknown[]} values */
export const tuple = (values) => code(values.length === 1 ? `(${literal(values[0])},)` : `(${list(values)})`);

/** Write consecutive whole numbers as a `range`. @param {number} first @param {number} count */
export const range = (first, count) => code(`range(${first}, ${first + count})`);

/**
 * Write a value as Python's `repr` does. Whole numbers become ints, arrays lists, objects and Maps dictionaries. Only a
 * Map may have keys that are no strings.
 * @param {unknown} value @returns {string}
 */
export function literal(value) {
  if (value instanceof Code) return value.text;
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${list(value)}]`;
  if (typeof value === "object") return `{${pairs(value).join(", ")}}`;
  return Number.isInteger(value) ? String(value) : floatText(Number(value));
}

/** Write values with commas between them. @param {unknown[]} values */
const list = (values) => values.map(literal).join(", ");

/** Write the entries of a dictionary. @param {object} value */
const pairs = (value) =>
  [...(value instanceof Map ? value : Object.entries(value))].map(([key, one]) => `${literal(key)}: ${literal(one)}`);

/** Write the keyword arguments of a call. @param {Record<string, unknown>} values */
export const keywords = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${literal(value)}`)
    .join(", ");

/**
 * Write JSON as Python does, with spaces after commas and floats such as 1.0. With an indent, each value has its own line.
 * @param {unknown} value @param {number} [indent] @returns {string}
 */
export function json(value, indent = 0, depth = 0) {
  if (value instanceof Code) return value.text;
  if (typeof value === "number" && !Number.isInteger(value)) return floatText(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value ?? null);
  const all = Array.isArray(value);
  const parts = all
    ? value.map((one) => json(one, indent, depth + 1))
    : Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${json(one, indent, depth + 1)}`);
  const line = (/** @type {number} */ n) => (indent && parts.length ? `\n${" ".repeat(indent * n)}` : "");
  const inside = parts.join(indent ? `,${line(depth + 1)}` : ", ");
  return `${all ? "[" : "{"}${line(depth + 1)}${inside}${line(depth)}${all ? "]" : "}"}`;
}

/**
 * Escape characters outside ASCII: some are invisible, and some look like ASCII, so they could hide in a script.
 * @param {string} text
 */
export const ascii = (text) => text.replace(/[^\0-\x7f]/gu, escaped);

/** Write a text as a Python string, as `repr` does. @param {string} text */
function quoted(text) {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inside = text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t")
    .replaceAll(quote, `\\${quote}`)
    .replace(/(?! )[\p{C}\p{Z}]/gu, escaped);
  return quote + inside + quote;
}

/** Write a character as a Python escape. @param {string} letter */
function escaped(letter) {
  const digits = Number(letter.codePointAt(0)).toString(16);
  if (digits.length < 3) return `\\x${digits.padStart(2, "0")}`;
  return digits.length < 5 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}
