// Writes and reads the address of the page: a part, and the values of its form that differ from the defaults. Short
// values stand in the query. Long values, such as pictures, stand after the #, which browsers send to no server.

/** @import { Values } from "../messages/client.js" */
/** @import { FieldForm } from "./form.js" */

const RENAMED = new Map([
  ["denoise", "watch"],
  ["learn", "course"],
]);

/**
 * Return the address of a part with these values. Other keys of the current address, such as __theme, stay.
 * @param {string | URL} now the current address
 * @param {string} part
 * @param {Values} values
 * @param {FieldForm[]} fields of the part
 * @param {Iterable<string>} names of all parts' fields
 */
export function linkTo(now, part, values, fields, names) {
  const url = new URL(now);
  for (const name of names) url.searchParams.delete(name);
  url.searchParams.set("tab", part);
  const long = new URLSearchParams();
  for (const { name, kind, lane, default: usual } of fields) {
    const value = values[name];
    // the default model differs between apps, so a link always names the model
    const begins = kind === "reference" && lane !== "b";
    const isUsual = String(value) === String(usual ?? "") && !begins;
    if (value === undefined || value === null || isUsual) continue;
    (kind === "picture" ? long : url.searchParams).set(name, String(value));
  }
  url.hash = long.size ? String(long) : "";
  return url;
}

/**
 * Return the part, the values (as text) and the lesson of an address. The part is "" if the address has only a lesson.
 * Former names of parts are understood, too.
 * @param {string | URL} address
 * @returns {{ part: string, values: Record<string, string>, lesson: string | null }}
 */
export function readLink(address) {
  const url = new URL(address);
  const { lesson = null, tab = lesson ? "" : "watch", ...query } = Object.fromEntries(url.searchParams);
  let part = RENAMED.get(tab) ?? tab;
  if (part === "watch" && query.compare === "true") part = "compare";
  return { part, values: { ...query, ...Object.fromEntries(new URLSearchParams(url.hash.slice(1))) }, lesson };
}
