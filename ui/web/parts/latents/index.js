// How much a noisy picture still knows.

import {
  checkpoint,
  count,
  eta,
  field,
  ifHas,
  label,
  MORE,
  picture,
  SEED,
  sampler,
  seed,
  steps,
  switches,
  variance,
} from "../../plans/forms.js";
import { FIELDS as LATENTS, TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

const OF_LATENTS = ["ddpm", "ddim", "consistency"]; // "consistency" is for distilled models
const IF_TWO = [{ mode: "interpolate" }];
const fields = [
  field("mode", "choice", LATENTS.mode, "reconstruct", { names: ["reconstruct", "interpolate"] }),
  checkpoint(),
  picture(),
  seed({}, LATENTS.seed),
  picture({ name: "picture_b", shown_if: IF_TWO }),
  seed({ name: "seed_b", shown_if: IF_TWO }, LATENTS.seed_b, SEED + 1),
  field("times", "wholes", LATENTS.times, "", { most: 12, may_be_empty: true, follows: "times" }),
  label(),
  count(LATENTS.count, 8, 2),
  steps(50, MORE),
  sampler("ddpm", { names: OF_LATENTS, help: "" }),
  variance("beta_tilde", { shown_if: ifHas("variance", OF_LATENTS), ...MORE }),
  eta({ shown_if: ifHas("eta", OF_LATENTS) }),
  ...switches(OF_LATENTS),
];

/** @type {PagePart} */
export const latents = {
  place: "inside",
  title: TITLE,
  fields,
};
