// Files of rows of pictures: the final ones as PNG, their way as GIF or WebP.

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

/** Pictures by the number of a row or a step. @typedef {Iterable<[number: number, Picture[]]>} Numbered */
/** rows: the final pictures of each row that is done. frames: the x̂_0 of each row and kept step. @typedef {{ plan: RowsPlan, rows: Numbered, frames: Iterable<[row: number, Numbered]> }} RowsRun */

/**
 * A file: "png", "gif" or "webp". Throws where no row is done yet.
 * @param {string} kind @param {RowsRun} run @param {unknown} _ @param {Rest} rest
 * @returns {Promise<File>}
 */
export async function save(kind, run, _, rest) {
  const { stem, request } = run.plan;
  if (!inOrder(run.rows).length) throw new UserError(NOTHING.row);
  const about = settings(request);
  if (kind === "png") return [`${stem}.png`, await png(last(run), about)];
  const moments = thin(film(run), MOMENTS[kind]);
  return [`${stem}.${kind}`, await ANIMATED[kind](frames(moments, kind), moments.length, about, rest)];
}

/** @param {Picture[]} pictures @param {string} kind */
function* frames(pictures, kind) {
  for (const one of pictures) yield scaled(opaque(one), enlargement(kind, one, pictures.length));
}

/** By their numbers. @template T @param {Iterable<[number, T]>} found @returns {[number, T][]} */
const inOrder = (found) => [...found].sort(([a], [b]) => a - b);

/** All rows that are done. @param {RowsRun} run */
const last = ({ plan, rows }) =>
  grid(
    inOrder(rows).flatMap(([, pictures]) => pictures),
    plan.columns,
  );

/** The rows' x̂_0 at each moment; all run at once, from their first step to their last. @param {RowsRun} run @returns {Picture[]} */
export function film(run) {
  const ended = new Set(inOrder(run.rows).map(([row]) => row));
  const done = inOrder(run.frames).filter(([row]) => ended.has(row));
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

const PICTURES = ["picture", "picture_b"];

/** The settings as JSON. A picture of one's own is only said to be one. @param {Request} request */
export function settings(request) {
  const written = Object.entries(typed(request)).map(([name, value]) => {
    if (PICTURES.includes(name)) return [name, value ? "own" : "sample"];
    if (value instanceof Uint8Array) return [name, urlSafe(value)];
    return [name, Array.isArray(value) ? value.join(", ") : value];
  });
  return json(Object.fromEntries(written));
}
