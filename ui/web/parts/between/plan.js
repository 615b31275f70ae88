// The planner of "Between words": a square of pictures that blend four texts, all from the same noise. The corners are
// computed first, then the cells half-way between the corners, then all other cells. So the visitor soon sees the whole
// range.

import { pictureSize } from "../../plans/facts.js";
import { byKind, stepKind } from "../../plans/plan.js";
import { chainOf, laneAsked, rows, stemOf } from "../../plans/rows.js";
import { copied, lines, rowsHead, rowsSaved } from "../../plans/scripts.js";
import { UserError } from "../../process/errors.js";
import { CELLS, SIDE, STAGES } from "../../process/square.js";
import { literal } from "../../words/literal.js";
import { PART } from "../../words/wrong.js";

/** @import { Catalogue } from "../../words/catalogue.js" */
/** @import { Facts, Planner, Request, StepKind } from "../../plans/plan.js" */
/** @import { Options, RowsPlan } from "../../plans/rows.js" */

/** The plan of a square. corners: the texts of the corners, with each emoji replaced by its word. @typedef {RowsPlan & { corners: string[] }} BetweenPlan */

const WHAT = "between-words"; // the part's name in file names

/** Make the plan. Throws a UserError if the model takes no text. @param {Request} request @param {Facts[]} models @param {Catalogue} catalogue @returns {BetweenPlan} */
function plan(request, [model], catalogue) {
  if (!model.takes_words) throw new UserError(PART.between);
  const { a, b, c, d, checkpoint } = request;
  const {
    chain,
    options: { prompts: _, ...options },
  } = chainOf({ ...request, prompt: a, count: 1 }, model, catalogue);
  const corners = [a, b, c, d].map((text) => catalogue.prompt(checkpoint, text));
  const { steps } = chain;
  const kinds = STAGES.map((cells) => kindOf({ request, options }, cells));
  return {
    ...{ request, refs: [checkpoint], images: SIDE, model, options, corners, columns: SIDE },
    stem: stemOf(request, WHAT, catalogue),
    steps: byKind(...kinds.map((kind) => /** @type {[StepKind, number]} */ ([kind, steps]))),
    strands: [CELLS.map((cell, turn) => ({ cost: kindOf({ request, options }, [cell]).batch * steps, turn }))],
  };
}

/** Return the kind of a step that computes these cells in one batch. The page estimates the time for each kind of step. Guidance doubles the batch. @param {{ request: Request, options: Omit<Options, "prompts"> }} plan @param {number[]} cells */
export const kindOf = ({ request: { checkpoint }, options: { guidance } }, { length }) =>
  stepKind(checkpoint, length * (guidance === null ? 1 : 2));

/** @type {Planner<BetweenPlan>} */
export const planner = {
  ...rows,
  plan,
  scripts: (plan) => ({ python: copied(() => script(plan)) }),
  shown: ({ model, corners }, { unknown }) => ({
    ...{ kind: "plan", side: SIDE, size: pictureSize(model), corners, unknown },
  }),
  asked: (plan) => ({ ...laneAsked(plan), corners: plan.corners, seed: plan.request.seed }),
};

/** Return a Python script that computes the same square with ddpm_core. @param {BetweenPlan} plan */
function script({ request: { checkpoint, seed }, model, options, corners }) {
  return lines(
    ...rowsHead(checkpoint, model, options),
    `square = ddpm_core.word_square(${literal(corners)}, ${SIDE})`,
    `images = ddpm_core.sample(model, [${seed}] * len(square), prompts=square, **options)`,
    `rows = [images[i : i + ${SIDE}] for i in range(0, len(images), ${SIDE})]`,
    rowsSaved(SIDE, WHAT),
  );
}

/** Import the module that writes the run's files. */
export const files = () => import("../../files/rows.js");
