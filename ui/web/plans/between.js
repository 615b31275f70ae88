// Between words: a square of pictures between four texts, all from one noise; coarse first, then ever finer.

import { UserError } from "../process/errors.js";
import { literal } from "../words/literal.js";
import { PART } from "../words/wrong.js";
import { pictureSize } from "./facts.js";
import { byKind, stepKind } from "./plan.js";
import { chainOf, rows, stemOf } from "./rows.js";
import { copied, lines, rowsHead, rowsSaved } from "./scripts.js";

/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Facts, Planner, Request, StepKind } from "./plan.js" */
/** @import { Options, RowsPlan } from "./rows.js" */

/** corners: the texts, in words. kindOf: of the steps of so many cells at once. @typedef {RowsPlan & { corners: string[], kindOf: (cells: number[]) => StepKind }} BetweenPlan */

export const SIDE = 7; // pictures
const WHAT = "between-words"; // in the names of files

/** The cells in the order in which they are computed: corners, what lies half-way between them, then each row. @type {number[][]} */
export const STAGES = stages();

function stages() {
  const places = Array.from({ length: SIDE }, (_, i) => i);
  const crossed = (/** @type {number[]} */ at) => at.flatMap((row) => at.map((column) => SIDE * row + column));
  const all = [
    crossed([0, SIDE - 1]),
    crossed([0, (SIDE - 1) / 2, SIDE - 1]),
    ...places.map((row) => places.map((column) => SIDE * row + column)),
  ];
  return all.map((stage, i) => stage.filter((cell) => !all.slice(0, i).flat().includes(cell)));
}

/** @param {Request} request @param {Facts[]} models @param {Catalogue} catalogue @returns {BetweenPlan} */
function plan(request, [model], catalogue) {
  if (!model.takes_words) throw new UserError(PART.between);
  const { a, b, c, d, checkpoint } = request;
  const {
    chain,
    options: { prompts: _, ...options },
  } = chainOf({ ...request, prompt: a, count: 1 }, model, catalogue);
  const corners = [a, b, c, d].map((text) => catalogue.prompt(checkpoint, text));
  const kindOf = (/** @type {number[]} */ { length }) =>
    stepKind(checkpoint, length * (options.guidance === null ? 1 : 2));
  return {
    ...{ request, model, options, corners, kindOf, columns: SIDE, stem: stemOf(request, WHAT, catalogue) },
    steps: byKind(...STAGES.map((cells) => /** @type {[StepKind, number]} */ ([kindOf(cells), chain.steps]))),
    about: () => ({ python: copied(() => script(request, model, options, corners)) }),
    shown: ({ unknown }) => ({ kind: "plan", side: SIDE, size: pictureSize(model), corners, unknown }),
  };
}

/** @type {Planner<BetweenPlan>} */
export const planner = { ...rows, images: () => SIDE, plan };

/** A script that repeats the square with ddpm_core. @param {Request} request @param {Facts} model @param {Options} options @param {string[]} corners */
function script({ checkpoint, seed }, model, options, corners) {
  return lines(
    ...rowsHead(checkpoint, model, options),
    `square = ddpm_core.word_square(${literal(corners)}, ${SIDE})`,
    `images = ddpm_core.sample(model, [${seed}] * len(square), prompts=square, **options)`,
    `rows = [images[i : i + ${SIDE}] for i in range(0, len(images), ${SIDE})]`,
    rowsSaved(SIDE, WHAT),
  );
}
