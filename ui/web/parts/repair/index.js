// The part "Fill in what was erased": the model completes a picture that has lost pixels, sharpness or colour.

import {
  ALL,
  checkpoint,
  count,
  field,
  label,
  MORE,
  options,
  picture,
  sampler,
  seed,
  steps,
} from "../../plans/forms.js";
import { FIELDS as REPAIR, TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

const METHODS = ["ddnm", "replacement", "repaint", "pigdm", "dps"];
/** The cells in the right half of a picture, as text: see `toText` in brush.js. */
const RIGHT_HALF = `${"AAD__wAA__8AAP__".repeat(10)}AAD__wAA__8=`;
const fields = [
  checkpoint(),
  picture(),
  seed({}, REPAIR.seed),
  field("task", "choice", REPAIR.task, "mask", { names: ["mask", "downsample", "grey", "blur"] }),
  field("hidden", "picture", REPAIR.hidden, RIGHT_HALF, { holds: "cells", shown_if: [{ task: "mask" }] }),
  field("method", "choice", REPAIR.method, "ddnm", { names: METHODS }),
  field("method_b", "choice", REPAIR.method_b, "none", { names: ["none", ...METHODS] }),
  label(),
  count(REPAIR.count, 8, 2),
  steps(50, MORE),
  sampler(),
  ...options(ALL),
];

/** @type {PagePart} */
export const repair = {
  place: "inside",
  title: TITLE,
  fields,
};
