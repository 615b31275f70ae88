// The title of the part "In the plane", and the titles of the form fields that only this part has.

import { RUN, VARIANCES } from "../../words/forms.js";

/** @import { FieldWords } from "../../words/forms.js" */

export const TITLE = "In the plane";

/** Return the title of a lane's field, for messages. @param {string} title @param {string} lane */
export const ofLane = (title, lane) => `${title} of ${lane.toUpperCase()}`;

/** @satisfies {Record<string, FieldWords>} */
export const FIELDS = {
  shape: { title: "shape", label: "Data", titles: { drawing: "Draw" } },
  drawing: { title: "drawing" },
  denoiser: { title: "denoiser", titles: { exact: "exact ε", trained: "trained ε" } },
  variance: { title: "variance", label: "Noise", titles: VARIANCES },
  sampler: { title: "sampler" },
  steps: { title: "Steps" },
  cloud: { title: "The number of points", label: "Points" },
  seed: { ...RUN.seed, help: "The same seed gives the same noise, in both" },
  width: { title: "The width", label: "Width of the data", help: "Around each of its centres" },
  training: { title: "The steps of the training", label: "Training steps", help: "Of a trained ε" },
};
