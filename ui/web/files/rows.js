// Files of rows of pictures: the final ones as PNG, their way as GIF or WebP.

import { round } from "../local/process/floats.js";
import { asFloat, json } from "../words/literal.js";
import { ANIMATED } from "./animations.js";
import { enlarged } from "./labels.js";
import { grid } from "./pictures.js";
import { png } from "./png.js";
import { urlSafe } from "./text.js";

/** @import { Request } from "../plans/plan.js" */
/** @import { RowsPlan } from "../plans/rows.js" */
/** @import { Picture } from "./pictures.js" */

/**
 * What can be saved of a run. rows: the final pictures of each row that is done, by its number. frames: the x̂_0 of each
 * row and kept step, likewise.
 * @typedef {{ plan: RowsPlan, rows: Map<number, Picture[]>, frames: Map<number, Map<number, Picture[]>> }} RowsRun
 */

/**
 * The name and the content of a file: "png", "gif" or "webp". Throws where no row is done yet.
 * @param {string} kind @param {RowsRun} run
 * @returns {Promise<[name: string, content: Uint8Array<ArrayBuffer>]>}
 */
export async function save(kind, run) {
  const { stem, request } = run.plan;
  if (!run.rows.size) throw new Error("There is no finished row of pictures yet: press Run");
  const about = settings(request);
  if (kind === "png") return [`${stem}.png`, await png(last(run), about)];
  const pictures = film(run);
  const frames = pictures.map((one) => enlarged(one));
  return [`${stem}.${kind}`, await ANIMATED[kind](frames, frames.length, about)];
}

/** By their numbers. @template T @param {Map<number, T>} found @returns {[number, T][]} */
const inOrder = (found) => [...found].sort(([a], [b]) => a - b);

/** All rows that are done. @param {RowsRun} run */
const last = ({ plan, rows }) =>
  grid(
    inOrder(rows).flatMap(([, pictures]) => pictures),
    plan.columns,
  );

/** The rows' x̂_0 at each moment; all run at once, from their first step to their last. @param {RowsRun} run @returns {Picture[]} */
export function film(run) {
  const done = inOrder(run.frames).filter(([row]) => run.rows.has(row));
  if (!done.length) return [last(run)]; // only t = 0
  const ways = done.map(([, frames]) => inOrder(frames).map(([, pictures]) => pictures));
  const end = Math.max(...ways.map(({ length }) => length)) - 1;
  return Array.from({ length: end + 1 }, (_, moment) => {
    const at = (/** @type {unknown[]} */ { length }) => round((moment * (length - 1)) / Math.max(end, 1));
    return grid(
      ways.flatMap((way) => way[at(way)]),
      run.plan.columns,
    );
  });
}

const FLOATS = ["eta", "guidance"];
const PICTURES = ["picture", "picture_b"];

/** The settings as JSON. A picture of one's own is only said to be one. @param {Request} request */
export function settings(request) {
  const written = Object.entries(request).map(([name, value]) => {
    if (PICTURES.includes(name)) return [name, value ? "own" : "sample"];
    if (FLOATS.includes(name) && value !== null) return [name, asFloat(value)];
    if (value instanceof Uint8Array) return [name, urlSafe(value)];
    return [name, Array.isArray(value) ? value.join(", ") : value];
  });
  return json(Object.fromEntries(written));
}
