// The form of the part "In the plane", which shows two clouds of points on their way from noise to data. The part needs
// no model.

import { AUTO, capitals, field, IN_B, ifHas, laneB, lanes, MORE, seed, spacing } from "../../plans/forms.js";
import { VARIANCES } from "../../process/samplers.js";
import { SPACINGS } from "../../process/times.js";
import { SAMPLER } from "../../words/units.js";
import { ofLane, FIELDS as PLANE, TITLE } from "./form_words.js";

/** @import { FieldForm } from "../../form/form.js" */
/** @import { PagePart } from "../index.js" */

const DRAWING = "drawing"; // the shape that visitors draw themselves
const SHAPES = ["ring", "moons", "spiral", "gaussian"];
const OF_PLANE = ["ddpm", "ddim", "dpm++", "unipc"];
/** Return the fields of a lane. @param {"a" | "b"} lane @param {string} noise the default of the lane's variance @returns {FieldForm[]} */
function cloudFields(lane, noise) {
  const of = lane === "b" ? IN_B : "sampler";
  const presets = { low: 1, high: 1000, presets: [10, 50, 1000], slider: true };
  const fields = [
    field("denoiser", "choice", PLANE.denoiser, "exact", { names: ["exact", "trained"] }),
    field("variance", "choice", PLANE.variance, noise, {
      ...{ names: VARIANCES.slice(0, 2), shown_if: ifHas("variance", OF_PLANE, of) },
    }),
    field("sampler", "choice", PLANE.sampler, "ddpm", { names: OF_PLANE, titles: SAMPLER }),
    field("steps", "whole", PLANE.steps, 10, presets),
  ];
  return fields.map((each) => ({ ...(lane === "b" ? laneB(each) : each), title: ofLane(each.title, lane) }));
}
const fields = lanes([
  field("shape", "choice", PLANE.shape, "ring", {
    names: [...SHAPES, DRAWING],
    titles: { ...capitals(SHAPES), ...PLANE.shape.titles },
  }),
  field("drawing", "picture", PLANE.drawing, "", { holds: "points", shown_if: [{ shape: DRAWING }] }),
  ...cloudFields("a", "beta"),
  ...cloudFields("b", "beta_tilde"),
  field("cloud", "whole", PLANE.cloud, 1000, { low: 10, high: 2000, ...MORE }),
  seed(MORE, PLANE.seed),
  field("width", "number", PLANE.width, 0.06, { low: 0.02, high: 0.6, step: 0.01, ...MORE }),
  spacing(AUTO, { names: [AUTO, ...SPACINGS.filter((name) => name !== "optimised")] }),
  field("training", "whole", PLANE.training, 3000, { low: 1, high: 10_000, ...MORE }),
]);

/** @type {PagePart} */
export const plane = {
  place: "compare",
  title: TITLE,
  fields,
};
