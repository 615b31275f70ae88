// The part "How much a noisy picture still knows": it adds noise to pictures, and the model removes the noise again.

import {
  checkpoint,
  count,
  field,
  ifHas,
  label,
  MORE,
  options,
  picture,
  SEED,
  sampler,
  seed,
  steps,
  variance,
} from "../../plans/forms.js";
import { FIELDS as LATENTS, TITLE } from "./form_words.js";

/** @import { PagePart } from "../index.js" */

const OF_LATENTS = ["ddpm", "ddim", "consistency"]; // only distilled models offer "consistency"
const IF_TWO = [{ mode: "interpolate" }];
const fields = [
  field("mode", "choice", LATENTS.mode, "reconstruct", { names: ["reconstruct", "interpolate"] }),
  checkpoint(),
  picture(),
  seed({}, LATENTS.seed),
  picture({ name: "picture_b", shown_if: IF_TWO }),
  seed({ name: "seed_b", shown_if: IF_TWO }, LATENTS.seed_b, SEED + 1),
  field("times", "levels", LATENTS.times, "", { most: 12, follows: "times" }),
  label(),
  count(LATENTS.count, 8, 2),
  steps(50, MORE),
  sampler("ddpm", { names: OF_LATENTS, help: "" }),
  variance("beta_tilde", { shown_if: ifHas("variance", OF_LATENTS), ...MORE }),
  ...options(OF_LATENTS),
];

/** @type {PagePart} */
export const latents = {
  place: "inside",
  title: TITLE,
  fields,
  // Without the attribute t, the figure uses its default time
  figure: ({ times }) => ({ name: "guess", ...(times ? { t: String(times).split(/[\s,;]+/)[0] } : {}) }),
};
