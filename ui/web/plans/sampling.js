// The planner of Watch, Compare, Grid and the sketch. The planner turns a request into lanes, which all begin with
// the same x_T.

import { UserError } from "../process/errors.js";
import { checkNoMemory } from "../process/runs.js";
import { SAMPLERS } from "../process/samplers.js";
import { sentences, unknown } from "../words/captions.js";
import { SAME, sentence } from "../words/units.js";
import { RUN } from "../words/wrong.js";
import { caption, heading, names, stepTable, summary } from "./captions.js";
import { LOSSLESS, pictureChannels, pictureSize } from "./facts.js";
import { together, Wrong } from "./fields.js";
import { NAMES_IN_B } from "./forms.js";
import { costs } from "./lanes.js";
import { stepKind } from "./plan.js";
import { args, asksFor, batch, resolved, seedsOf } from "./settings.js";
import { placed, touches } from "./touch.js";

/** @import { Row } from "../process/runs.js" */
/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Facts, Plan, Planner, Request, StepKind } from "./plan.js" */
/** @import { Arguments, Lane } from "./settings.js" */
/** @import { Touches } from "./touch.js" */

/**
 * The lanes of a plan. Each array has one entry for each lane, in the same order.
 * @typedef {object} Lanes
 * @property {Lane[]} lanes the resolved settings
 * @property {Facts[]} models
 * @property {Row[][]} rows the steps
 * @property {Arguments[]} args the arguments of ddpm_core.trajectory
 * @property {StepKind[]} kinds the kinds of the steps
 * @property {boolean} attention whether the attention to words is shown
 * @property {ReturnType<typeof opening> & { untouchable: string, split: number | null }} opening the result that the player gets before the first picture
 * @property {Touches} touches what a visitor changed by hand, in lane B
 * @property {number} shared the number of first steps that lane B shares with lane A: those before the first touch
 * @property {number} begin the first step that is computed: 0 unless the run begins at a state of an earlier run
 * @typedef {Plan & Lanes} SamplingPlan
 */

/**
 * Return whether lane B has its own value of a setting. If not, it takes lane A's value.
 * @param {Request} request
 * @param {string} name the name of lane A's field
 */
export const hasOwn = (request, name) => ![SAME, "", null, undefined].includes(request[`${name}_b`]);

/** A function that leaves out the lanes that their models can't run. Throws a UserError if no lane is left. @typedef {(lanes: Lane[], modelOf: (lane: Lane) => Facts, models: Facts[]) => Lane[]} Choose */

/** Make the planner of a part whose requests are lanes. @param {(request: Request) => Lane[]} lanesOf returns the lanes of a request @param {Choose} [choose] @returns {Planner<SamplingPlan>} */
export function ofLanes(lanesOf, choose = (lanes) => lanes) {
  const refs = (/** @type {Request} */ request) => [...new Set(lanesOf(request).map(({ checkpoint }) => checkpoint))];
  return {
    ...{ refs, scripts, shown, asked },
    summary: (request, catalogue) => summary(lanesOf(request), catalogue),
    plan(request, models, catalogue) {
      const all = refs(request);
      const modelOf = (/** @type {Lane} */ { checkpoint }) => models[all.indexOf(checkpoint)];
      const wanted = lanesOf(request);
      const lanes = choose(wanted, modelOf, models);
      const images = request.count * wanted.length;
      return { ...planned(request, lanes, lanes.map(modelOf), catalogue), refs: all, images };
    },
  };
}

/**
 * Plan a run of these lanes. Throws a UserError if it is impossible.
 * @param {Request} request @param {Lane[]} wanted @param {Facts[]} models of the lanes @param {Catalogue} catalogue
 * @returns {Omit<SamplingPlan, "refs" | "images">}
 */
function planned(request, wanted, models, catalogue) {
  checkPictures(models);
  const clip = request.clip ?? models[0].clip; // all lanes clip in the same way, so the default is that of the first model
  const settled = together(
    wanted.map((lane, i) => () => {
      return ofLaneB(wanted.length === 2 && i === 1 ? request : null, () => {
        const whole = resolved({ ...lane, clip }, models[i], catalogue);
        return { lane: whole, args: args(whole, models[i]), rows: stepTable(whole, models[i]) };
      });
    }),
  );
  const lanes = settled.map(({ lane }) => lane);
  const rows = settled.map((each) => each.rows);
  const untouchable = whyUntouchable(lanes[0]);
  const changes = touched(lanes, models[0], rows[0], untouchable);
  const attention = Boolean(request.attention && models[0].takes_words && lanes.length === 1);
  const lanesOfSameModel = (/** @type {Lane} */ { checkpoint }) =>
    lanes.filter((lane) => lane.checkpoint === checkpoint).length;
  const kinds = lanes.map((lane, i) =>
    stepKind(lane.checkpoint, batch(lane, models[i]) + (attention ? request.count : 0), lanesOfSameModel(lane)),
  );
  const shared = rows[0].findIndex(([, s]) => changes.has(s)) + 1; // steps up to the first change; 0 without a change
  return {
    ...{ request, lanes, models, rows, kinds, attention, shared, begin: 0, touches: changes },
    opening: {
      ...opening(lanes, models, rows, catalogue),
      ...{ untouchable, split: changes.size ? shared - 1 : null },
    },
    args: settled.map((each) => each.args),
    ...costs(lanes, kinds, shared),
  };
}

/**
 * Return the scripts of a run. The module that writes them loads only on demand, so that the page opens sooner.
 * @type {Planner<SamplingPlan>["scripts"]}
 */
const scripts = async (plan, catalogue) => (await import("./scripts.js")).forRun(plan, catalogue);

/**
 * Return the result that the player gets before the first picture. It is made with the plan, so that this takes no
 * time between a press and the first picture.
 * @param {Lane[]} lanes @param {Facts[]} models @param {Row[][]} rows @param {Catalogue} catalogue
 */
function opening(lanes, models, rows, catalogue) {
  const { latent, image_size, channels } = models[0];
  const size = pictureSize(models[0]);
  const called = names(lanes, catalogue);
  return {
    title: summary(lanes, catalogue),
    heading: heading(lanes, catalogue),
    caption: caption(lanes, models, rows, catalogue),
    ...{ size, count: lanes[0].count },
    latent: latent ? image_size : 0,
    pixelated: size <= LOSSLESS,
    seeds: seedsOf(lanes[0]).map(String),
    T: Math.max(...models.map(({ schedule }) => schedule.T)),
    lanes: lanes.map((lane, i) => ({
      name: called[i],
      steps: rows[i],
      settings: Object.fromEntries(NAMES_IN_B.map((name) => [name, /** @type {Record<string, any>} */ (lane)[name]])),
    })),
    colours: !latent && channels > 2,
  };
}

/**
 * Add the words of the prompt to a run's first result, and to its caption a sentence about words that the model does
 * not know.
 * @type {Planner<SamplingPlan>["shown"]}
 */
const shown = ({ opening }, { words, unknown: odd }) => ({
  ...{ kind: "plan", ...opening, words },
  caption: odd.length ? sentences(unknown(odd), opening.caption) : opening.caption,
});

/**
 * Return the request to a server: for each lane the exact arguments of ddpm_core.trajectory, then the arguments that
 * all lanes share.
 * @type {Planner<SamplingPlan>["asked"]}
 */
const asked = ({ lanes, models, args: all, attention }) => ({
  lanes: all.map(({ seeds: _, clip: __, ...own }, i) => ({ ...asksFor(models[i]), ...own })),
  ...{ seeds: all[0].seeds, clip: all[0].clip, attention, touch: lanes[lanes.length - 1].touch ?? [] },
});

/**
 * Call `make`. If it throws, add lane B and its field to the error, so that the form marks the right control.
 * @template T @param {Request | null} request null for lane A, whose errors stay unchanged @param {() => T} make @returns {T}
 */
function ofLaneB(request, make) {
  try {
    return make();
  } catch (error) {
    for (const each of error instanceof Wrong ? error.all : [error])
      if (request && each instanceof UserError) {
        each.message = RUN.laneB(each.message);
        if (each instanceof Wrong && hasOwn(request, each.field)) each.field = `${each.field}_b`;
      }
    throw error;
  }
}

/** Throw if the models can't share one x_T, or if their pictures can't be shown beside each other. @param {Facts[]} models */
function checkPictures(models) {
  const [first] = models;
  const other = models.find(
    ({ image_size, channels }) => image_size !== first.image_size || channels !== first.channels,
  );
  if (other) throw new UserError(RUN.images(imagesOf(first), imagesOf(other)));
  if (pictureChannels(first) > 4) throw new UserError(RUN.channels(first.channels));
  const sizes = models.map(pictureSize);
  if (sizes.some((size) => size !== sizes[0])) throw new UserError(RUN.sizes(sizes));
}

/** Describe the images that a model makes. @param {Facts} model */
const imagesOf = ({ source, channels, image_size }) => RUN.makes(source?.name, image_size, channels);

/**
 * Return the sentence why a visitor can't change the pictures halfway, or "" if they can.
 * @param {Lane} lane
 */
function whyUntouchable({ sampler }) {
  try {
    checkNoMemory({ name: sampler, memory: SAMPLERS[sampler].memory ?? false });
    return "";
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return sentence(error.message);
  }
}

/**
 * Return what a visitor changed by hand in the last lane. Each stroke moves to a time at which the run has a state.
 * @param {Lane[]} lanes @param {Facts} model @param {Row[]} rows of the run @param {string} untouchable
 * @returns {Touches}
 */
function touched(lanes, model, rows, untouchable) {
  const last = lanes[lanes.length - 1];
  if (!last.touch) return new Map();
  if (untouchable) throw new UserError(untouchable);
  last.touch = placed(
    last.touch,
    rows.map(([, s]) => s),
  );
  return touches(last.touch, model);
}
