// Translates the form of the part "Train" into the recipe and the title of each lane (a network that learns). Also
// defines the questions: buttons that set up two lanes which differ in one setting.

import { CHOICE } from "./words.js";

/** @import { Values } from "../../messages/client.js" */
/** @import { FieldForm } from "../../form/form.js" */
/** @import { Pictures } from "../../learning/pictures.js" */
/** @import { Recipe } from "../../learning/recipe.js" */

const AVERAGE = 0.999; // upper limit for the decay of the moving average of the weights
const DROPOUT = 0.1; // the share of labels that the training leaves out, as guidance requires
const USUAL = [16, 32, 64]; // the channels of each level of mnist-tiny
const [SIDE, LINES] = [28, "drawings"]; // pictures of this side (in pixels) and kind can start from mnist-tiny's weights

/** Return the names of the fields of lane A. Lane B's names end with "_b". @param {FieldForm[]} form */
const namesOfLaneA = (form) => form.filter(({ lane }) => lane === "a").map(({ name }) => name);

/** Return the recipe of each lane of the form. @param {Values} values @param {Pictures} pictures @returns {Recipe[]} */
export function recipesOf(values, pictures) {
  const ends = values.two === true ? ["", "_b"] : [""];
  return ends.map((end) => {
    /** Return the lane's value of a field. */
    const laneValue = (/** @type {string} */ name) => values[`${name}${end}`];
    const prediction = /** @type {Recipe["prediction"]} */ (laneValue("prediction"));
    const schedule = prediction === "flow" ? "flow" : /** @type {Recipe["schedule"]} */ (laneValue("schedule"));
    const widths = String(laneValue("width")).split(" ").map(Number);
    const isAsDigits = pictures.side === SIDE && pictures.channels === 1 && `${widths}` === `${USUAL}`;
    return {
      ...{ prediction, schedule, widths },
      times: laneValue("objective") === "lognormal" ? "lognormal" : "uniform",
      weight: laneValue("objective") === "min_snr" ? "min_snr" : "",
      lr: Number(laneValue("rate")),
      batch: Number(laneValue("batch")),
      average: laneValue("average") === true ? AVERAGE : 0,
      dropout: pictures.labels ? DROPOUT : 0,
      images: Number(values.length),
      seed: Number(values.seed),
      starts: pictures.kind === LINES && prediction === "v" && schedule === "linear" && isAsDigits,
    };
  });
}

/** Return the title of each lane: its values in the fields that differ between the lanes. @param {Values} values @param {FieldForm[]} form @returns {string[]} */
export function titlesOf(values, form) {
  if (values.two !== true) return [""];
  const names = namesOfLaneA(form).filter((name) => String(values[name]) !== String(values[`${name}_b`]));
  const shown = names.filter(
    (name) => name !== "schedule" || !["", "_b"].some((end) => values[`prediction${end}`] === "flow"),
  );
  return ["", "_b"].map((end) =>
    shown
      .map((name) => {
        const { titles = {} } = form.find((field) => field.name === name) ?? {};
        const value = String(values[`${name}${end}`]);
        return CHOICE[name]?.(titles[value] ?? value) ?? titles[value] ?? value;
      })
      .join(", "),
  );
}

/** Return the values that give lane B the settings of lane A. @param {Values} values @param {FieldForm[]} form @returns {Values} */
export const asLaneA = (values, form) =>
  Object.fromEntries(namesOfLaneA(form).map((name) => [`${name}_b`, values[name]]));

/** The values of each question that differ from the defaults. @type {Record<string, Values>} */
const CHANGES = {
  prediction: { prediction: "epsilon", prediction_b: "v" },
  average: { average_b: false },
  rate: { rate: "0.003", rate_b: "0.012" },
  width: { width_b: "8 16 32" },
};

/** Return the values of each question, by its name: two lanes that differ in one setting. @param {FieldForm[]} form @returns {Record<string, Values>} */
export function questions(form) {
  const usual = Object.fromEntries(form.filter(({ lane }) => lane).map(({ name, default: value }) => [name, value]));
  return Object.fromEntries(
    Object.entries(CHANGES).map(([name, values]) => [name, { ...usual, two: true, ...values }]),
  );
}
