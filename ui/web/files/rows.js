// The files of rows of pictures in the parts Latents and Repair: the final pictures as PNG, their trajectory as GIF or
// WebP.

import { grid, opaque, scaled } from "../pictures/compose.js";
import { urlSafe } from "../pictures/text.js";
import { thin } from "../plans/kept.js";
import { UserError } from "../process/errors.js";
import { round } from "../process/floats.js";
import { json, typed } from "../words/literal.js";
import { NOTHING } from "../words/wrong.js";
import { ANIMATED } from "./animations.js";
import { enlargement } from "./labels.js";
import { png } from "./png.js";
import { MOMENTS } from "./record.js";

/** @import { Request } from "../plans/plan.js" */
/** @import { RowsPlan } from "../plans/rows.js" */
/** @import { File, Rest } from "./file.d.ts" */
/** @import { Picture } from "../pictures/resize.js" */

/** Pictures, by the number of their row or step. @typedef {Iterable<[number: number, Picture[]]>} Numbered */
/**
 * A run to be saved. rows: the final pictures of each finished row. frames: for each row, the pictures of x̂_0 at each
 * stored step.
 * @typedef {{ plan: RowsPlan, rows: Numbered, frames: Iterable<[row: number, Numbered]> }} RowsRun
 */

/**
 * Make a file of a run. Throw a UserError if no row is finished.
 * @param {string} kind "png", "gif" or "webp" @param {RowsRun} run @param {unknown} _ @param {Rest} rest
 * @returns {Promise<File>}
 */
export async function save(kind, run, _, rest) {
  const { stem, request } = run.plan;
  if (!sortByNumber(run.rows).length) throw new UserError(NOTHING.row);
  const about = settings(request);
  if (kind === "png") return [`${stem}.png`, await png(last(run), about)];
  const moments = thin(film(run), MOMENTS[kind]);
  return [`${stem}.${kind}`, await ANIMATED[kind](frames(moments, kind), moments.length, about, rest)];
}

/** Yield the enlarged pictures of an animation. @param {Picture[]} pictures @param {string} kind "gif" or "webp" */
function* frames(pictures, kind) {
  for (const one of pictures) yield scaled(opaque(one), enlargement(kind, one, pictures.length));
}

/** Sort entries by their numbers. @template T @param {Iterable<[number, T]>} found @returns {[number, T][]} */
const sortByNumber = (found) => [...found].sort(([a], [b]) => a - b);

/** Return the final pictures of all finished rows as one picture. @param {RowsRun} run */
const last = ({ plan, rows }) =>
  grid(
    sortByNumber(rows).flatMap(([, pictures]) => pictures),
    plan.columns,
  );

/**
 * Return the pictures of an animation: at each moment, the x̂_0 of all finished rows. All rows start and end together,
 * whatever their number of steps.
 * @param {RowsRun} run @returns {Picture[]}
 */
export function film(run) {
  const ended = new Set(sortByNumber(run.rows).map(([row]) => row));
  const done = sortByNumber(run.frames).filter(([row]) => ended.has(row));
  if (!done.length) return [last(run)]; // without stored steps, the animation has one moment, t = 0
  const ways = done.map(([, frames]) => sortByNumber(frames).map(([, pictures]) => pictures));
  const end = Math.max(...ways.map(({ length }) => length)) - 1;
  return Array.from({ length: end + 1 }, (_, moment) => {
    const at = (/** @type {unknown[]} */ { length }) => round((moment * (length - 1)) / Math.max(end, 1));
    return grid(
      ways.flatMap((way) => way[at(way)]),
      run.plan.columns,
    );
  });
}

const PICTURES = ["picture", "picture_b"];

/**
 * Return the settings as JSON. A visitor's own picture is written only as "own", without its pixels.
 * @param {Request} request
 */
export function settings(request) {
  const written = Object.entries(typed(request)).map(([name, value]) => {
    if (PICTURES.includes(name)) return [name, value ? "own" : "sample"];
    if (value instanceof Uint8Array) return [name, urlSafe(value)];
    return [name, Array.isArray(value) ? value.join(", ") : value];
  });
  return json(Object.fromEntries(written));
}
