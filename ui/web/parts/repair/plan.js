// The planner of "Fill in what was erased": each row completes the same damaged picture by one method.

import { asText, fromText, urlSafe } from "../../pictures/text.js";
import { byKind, stepKind } from "../../plans/plan.js";
import {
  chainOf,
  checkPixels,
  GRADIENT,
  laneAsked,
  rows,
  seedsOfColumns,
  shownRows,
  stemOf,
  strandsOfRows,
  strandsOfSources,
} from "../../plans/rows.js";
import { copied, lines, picture, rowsHead, rowsSaved } from "../../plans/scripts.js";
import { UserError } from "../../process/errors.js";
import { chain, checkNoMemory } from "../../process/runs.js";
import { SAMPLERS } from "../../process/samplers.js";
import { literal, range } from "../../words/literal.js";
import { COMPLETED, METHOD, ofSeed } from "../../words/rows.js";
import { PART } from "../../words/wrong.js";

/** @import { Chain } from "../../process/runs.js" */
/** @import { Catalogue } from "../../words/catalogue.js" */
/** @import { Facts, Planner, Request } from "../../plans/plan.js" */
/** @import { RowsPlan, Source } from "../../plans/rows.js" */

const GRID = 32; // cells on each side of the grid in which the brush erases, for every size of the model's pictures
export const SHRUNK = 4; // the factor by which the task "downsample" shrinks pictures
export const BLUR = 2; // the standard deviation of the Gaussian of the task "blur", in pixels

/**
 * The methods. takes: the cost of one step, in plain evaluations of the network. alters: whether the method changes the
 * state between steps or repeats parts of the chain. Samplers that remember earlier steps don't support such methods.
 * @type {Record<string, { takes: number, alters: boolean }>}
 */
const METHODS = {
  ddnm: { takes: 1, alters: false },
  replacement: { takes: 1, alters: true },
  repaint: { takes: 10, alters: true },
  pigdm: { takes: GRADIENT, alters: false },
  dps: { takes: GRADIENT, alters: true },
};

/** Return the one or two methods of a request. @param {Request} request @returns {string[]} */
export const methods = ({ method, method_b }) => (method_b === "none" ? [method] : [method, method_b]);

/** Return 1 for each pixel that is left, and 0 for each erased pixel. Throws a UserError if all pixels or none are erased. @param {Request} request @param {number} size */
export function known({ hidden }, size) {
  /** Return the row or column of cells that contains the row or column i of pixels. */
  const at = (/** @type {number} */ i) => Math.floor(((i + 0.5) * GRID) / size);
  const left = Uint8Array.from({ length: size * size }, (_, i) => {
    const cell = at(Math.floor(i / size)) * GRID + at(i % size);
    return 1 - (((hidden[cell >> 3] ?? 0) >> (7 - (cell & 7))) & 1);
  });
  if (left.includes(0) && left.includes(1)) return left;
  throw new UserError(PART.erased);
}

/** Throw a UserError if the task is impossible with the model's pictures. @param {Request} request @param {Facts} model */
function checkTask(request, { image_size: size, channels }) {
  const { task } = request;
  if (task === "grey" && channels < 3) throw new UserError(PART.grey);
  if (task === "downsample" && size % SHRUNK) throw new UserError(PART.shrunk(SHRUNK));
  if (task === "mask") known(request, size);
}

/** Return the source of the whole picture: the visitor's own picture, or the seed from which the model draws a picture. @param {Request} request @returns {Source} */
export const sourceOf = ({ picture, seed }) => ({ own: picture, seed });

/** Make the plan. Throws a UserError if the request is impossible. @param {Request} request @param {Facts[]} models @param {Catalogue} catalogue @returns {RowsPlan} */
function plan(request, [model], catalogue) {
  checkPixels(model, PART.repair);
  if (request.picture) fromText(request.picture, model);
  const { options } = chainOf(request, model, catalogue);
  const { steps } = options;
  const each = SAMPLERS[options.sampler].evaluations?.(model) ?? 1;
  const way = chain(model.process, options);
  checkTask(request, model);
  for (const method of methods(request)) checkMethod(method, way, catalogue);
  const { checkpoint, count, task } = request;
  // The number of evaluations that one picture needs, for each row
  const evaluations = methods(request).map((method) => steps * each * METHODS[method].takes);
  const all = evaluations.reduce((sum, row) => sum + row);
  return {
    ...{ request, refs: [checkpoint], images: count, model, options, columns: count },
    stem: stemOf(request, task, catalogue),
    steps: byKind([stepKind(checkpoint), request.picture ? 0 : steps * each], [stepKind(checkpoint, count), all]),
    strands: [strandsOfSources(options, [sourceOf(request)]), strandsOfRows(count, evaluations)],
  };
}

/**
 * Throw a UserError if the method alters the state between steps but the sampler does not allow this, or if the method
 * needs gradients but the page has no server. The browser can't compute gradients.
 * @param {string} method @param {Chain} way @param {Catalogue} catalogue
 */
function checkMethod(method, way, { words }) {
  const { alters, takes } = METHODS[method];
  if (takes === GRADIENT && words.static) throw new UserError(PART.gradients);
  if (!alters) return;
  checkNoMemory(way);
  if (!way.advance) throw new UserError(PART.ownState);
}

/** @type {Planner<RowsPlan>} */
export const planner = {
  ...rows,
  plan,
  scripts: (plan) => ({ python: copied(() => script(plan)) }),
  shown({ request, model, options: { steps } }) {
    const titles = methods(request).map((method) => METHOD[method]);
    const columns = seedsOfColumns(request).map(ofSeed);
    return shownRows(model, { titles, ...COMPLETED, columns, steps: titles.map(() => steps) });
  },
  asked: ({ request, ...plan }) => ({
    ...laneAsked(plan),
    ...{ source: sourceOf(request), task: request.task, methods: methods(request), seeds: seedsOfColumns(request) },
    hidden: request.task === "mask" ? urlSafe(request.hidden) : "",
  }),
};

/** Return a Python script that computes the same rows with ddpm_core. @param {RowsPlan} plan */
function script({ request, model, options }) {
  const { seed, count, task, checkpoint } = request;
  const { image_size: size, channels } = model;
  const head = rowsHead(checkpoint, model, options);
  const source = request.picture
    ? picture("picture", request.picture, [1, size, size, channels])
    : [`picture = ddpm_core.sample(model, [${seed}], **options)`];
  const left = task === "mask" ? picture("known", asText(known(request, size)), [size, size]) : [];
  /** @type {Record<string, string>} */
  const measured = {
    mask: "mask(known)",
    blur: `blur(restore.gaussian_kernel(${BLUR}, ${size}), ${size})`,
    grey: `grey(channels=${channels})`,
    downsample: `downsample(${SHRUNK})`,
  };
  return lines(
    ...(request.picture || task === "mask" ? ["import base64", "import zlib", ""] : []),
    ...head.toSpliced(4, 0, "from ddpm_core import restore"),
    ...source,
    ...left,
    `A = restore.${measured[task]}`,
    "y, rows = A(ddpm_core.from_uint8(picture)), []",
    `for method in ${literal(methods(request))}:`,
    `    *_, last = restore.restore(model, y, A, method, ${range(seed + 1, count)}, **options)`,
    "    rows.append(ddpm_core.to_uint8(last.x))",
    rowsSaved(count, task),
  );
}

/** Import the module that writes the run's files. */
export const files = () => import("../../files/rows.js");
