// The form of the part "Train", where networks learn in the browser.

import { field, laneB, lanes, MORE, NEVER, seed } from "../../plans/forms.js";
import { FIELDS as TRAIN } from "./form_words.js";

/** @import { Condition, FieldForm } from "../../form/form.js" */
/** @import { PagePart } from "../index.js" */

const PREDICTIONS = ["v", "epsilon", "x0", "flow"];
/** The fields of one lane (a network that learns). */
const LEARNER = [
  field("prediction", "choice", TRAIN.prediction, "v", { names: PREDICTIONS }),
  field("objective", "choice", TRAIN.objective, "lognormal", { names: ["lognormal", "uniform", "min_snr"] }),
  field("width", "choice", TRAIN.width, "16 32 64", { names: ["8 16 32", "16 32 64", "32 64 128"], ...MORE }),
  field("rate", "choice", TRAIN.rate, "0.003", { names: ["0.001", "0.003", "0.012"], ...MORE }),
  field("batch", "choice", TRAIN.batch, "32", { names: ["16", "32", "64"], ...MORE }),
  field("schedule", "choice", TRAIN.schedule, "linear", { names: ["linear", "cosine"], ...MORE }),
  field("average", "switch", TRAIN.average, true, MORE),
];
const NO_FLOW = PREDICTIONS.slice(0, -1); // the predictions that need a schedule; a flow has its own schedule
/** Return the conditions under which a lane shows a field; undefined if the lane always shows it. @param {FieldForm} field @param {string} [end] the ending of the lane's field names @param {Condition} [also] a condition for all fields of the lane */
const conditionsOf = ({ name }, end = "", also = undefined) =>
  name === "schedule" ? NO_FLOW.map((prediction) => ({ [`prediction${end}`]: prediction, ...also })) : also && [also];
const fields = lanes([
  field("data", "choice", TRAIN.data, "digits", { names: ["digits", "drawings", "own"] }),
  ...LEARNER.map((each) => ({ ...each, shown_if: conditionsOf(each) ?? null })),
  field("two", "switch", TRAIN.two, false, { shown_if: NEVER }),
  ...LEARNER.map((each) => laneB(each, { shown_if: conditionsOf(each, "_b", { two: true }) })),
  field("length", "choice", TRAIN.length, "25600", { names: ["12800", "25600", "64000"] }),
  seed({}, TRAIN.seed, 0),
]);

/** @type {PagePart} */
export const train = {
  place: "train",
  fields,
  figure: () => ({ name: "learned" }),
};
