// Saves the points of both clouds as a CSV file.

import { UserError } from "../../process/errors.js";
import { asFloat } from "../../words/literal.js";
import { NOTHING } from "../../words/wrong.js";

/** @import { File } from "../../files/file.d.ts" */
/** @import { Request } from "../../plans/plan.js" */

/**
 * Return a CSV file with the points at t = 0 of the lanes that have finished. Throws a UserError if no lane has
 * finished.
 * @param {string} _ the format, which is "csv"
 * @param {{ plan: { request: Request }, clouds: Iterable<[lane: number, points: Float32Array]> }} run points: x₁ and x₂ of
 * each point in turn
 * @returns {File}
 */
export function save(_, { plan, clouds }) {
  const rows = [...clouds]
    .toSorted(([a], [b]) => a - b)
    .flatMap(([lane, x]) =>
      Array.from({ length: x.length / 2 }, (_, i) => `${"AB"[lane]},${asFloat(x[2 * i])},${asFloat(x[2 * i + 1])}\n`),
    );
  if (!rows.length) throw new UserError(NOTHING.cloud);
  const { shape, seed } = plan.request;
  return [`${shape}-seed-${seed}.csv`, `lane,x1,x2\n${rows.join("")}`];
}
