// What the form of Train means: the recipe of each lane, its title, and questions that one press sets up.

import { CHOICE } from "./words.js";

/** @import { Values } from "../../messages/client.js" */
/** @import { FieldForm } from "../../form/form.js" */
/** @import { Pictures } from "../../learning/pictures.js" */
/** @import { Recipe } from "../../learning/recipe.js" */

const AVERAGE = 0.999; // the decay of the moving average, at most
const DROPOUT = 0.1; // of labels
const USUAL = [16, 32, 64]; // the widths of mnist-tiny, and its sides
const [SIDE, LINES] = [28, "drawings"];

/** The names of the fields of a lane, without the end that lane B's have. @param {FieldForm[]} form */
export const ofLane = (form) => form.filter(({ lane }) => lane === "a").map(({ name }) => name);

/** How the lanes of a form learn these pictures. @param {Values} values @param {Pictures} pictures @returns {Recipe[]} */
export function recipesOf(values, pictures) {
  const ends = values.two === true ? ["", "_b"] : [""];
  return ends.map((end) => {
    const of = (/** @type {string} */ name) => values[`${name}${end}`];
    const prediction = /** @type {Recipe["prediction"]} */ (of("prediction"));
    const schedule = prediction === "flow" ? "flow" : /** @type {Recipe["schedule"]} */ (of("schedule"));
    const widths = String(of("width")).split(" ").map(Number);
    const isAsDigits = pictures.side === SIDE && pictures.channels === 1 && `${widths}` === `${USUAL}`;
    return {
      ...{ prediction, schedule, widths },
      times: of("objective") === "lognormal" ? "lognormal" : "uniform",
      weight: of("objective") === "min_snr" ? "min_snr" : "",
      lr: Number(of("rate")),
      batch: Number(of("batch")),
      average: of("average") === true ? AVERAGE : 0,
      dropout: pictures.labels ? DROPOUT : 0,
      images: Number(values.length),
      seed: Number(values.seed),
      starts: pictures.kind === LINES && prediction === "v" && schedule === "linear" && isAsDigits,
    };
  });
}

/** What each lane of a form is called: by what differs between two of them. @param {Values} values @param {FieldForm[]} form @returns {string[]} */
export function titlesOf(values, form) {
  if (values.two !== true) return [""];
  const names = ofLane(form).filter((name) => String(values[name]) !== String(values[`${name}_b`]));
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

/** The values of lane A for lane B. @param {Values} values @param {FieldForm[]} form @returns {Values} */
export const asLaneA = (values, form) => Object.fromEntries(ofLane(form).map((name) => [`${name}_b`, values[name]]));

/** What differs in each question. @type {Record<string, Values>} */
const ASKED = {
  prediction: { prediction: "epsilon", prediction_b: "v" },
  average: { average_b: false },
  rate: { rate: "0.003", rate_b: "0.012" },
  width: { width_b: "8 16 32" },
};

/** The values of each question, by its name: two lanes, one thing different. @param {FieldForm[]} form @returns {Record<string, Values>} */
export function questions(form) {
  const usual = Object.fromEntries(form.filter(({ lane }) => lane).map(({ name, default: value }) => [name, value]));
  return Object.fromEntries(Object.entries(ASKED).map(([name, values]) => [name, { ...usual, two: true, ...values }]));
}
