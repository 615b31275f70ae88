// The planner of "How many bits does a picture need?": it chooses the pictures and the chains to measure.

import { fromText, unpack } from "../../pictures/text.js";
import { HARD } from "../../plans/captions.js";
import { LOSSLESS } from "../../plans/facts.js";
import { byKind, stepKind } from "../../plans/plan.js";
import { checkPixels } from "../../plans/rows.js";
import { copied, lines, load, picture } from "../../plans/scripts.js";
import { asksFor, classOf } from "../../plans/settings.js";
import { UserError } from "../../process/errors.js";
import { round } from "../../process/floats.js";
import { chain } from "../../process/runs.js";
import { checkTimes } from "../../process/times.js";
import { literal, tuple } from "../../words/literal.js";
import { VARIANCE } from "../../words/units.js";
import { PART } from "../../words/wrong.js";
import { looksBetter, summary } from "./words.js";

/** @import { MeanBits } from "../../messages/protocol.d.ts" */
/** @import { Catalogue, PictureSet } from "../../words/catalogue.js" */
/** @import { Facts, Plan, Planner, Request } from "../../plans/plan.js" */

/** The pictures to measure. shape: (N, H, W, C). labels: the class of each picture, or null. set: the test set that contains them; null for the visitor's own picture. @typedef {{ shape: number[], labels: number[] | null, set: PictureSet | null }} Measured */

const BATCH = 32; // number of pairs (picture, t) that the network evaluates at once
const STEPS = [10, 20, 50, 100]; // numbers of steps of the short chains that are measured in addition to the full chain
const DECODED = 6; // largest number of pictures whose decoding is shown
const EIGHTHS = [8, 7, 6, 5, 4, 3, 2, 1, 0]; // the decoding is shown at these eighths of T
const EARLY = 3; // number of short chains that are measured first, so that the page soon shows numbers

/** Return the variances whose bounds are measured. The network is evaluated for the first variance; all other bounds follow from the same evaluations. @param {Facts} model */
export function variances({ variance, prediction, gamma }) {
  // With learned variances or a prediction of μ, each further variance would need new evaluations of the network
  if (variance.startsWith("learned") || prediction === "mu") return [variance];
  return ["beta_tilde", "beta", ...(gamma ? ["analytic"] : [])];
}

/** Return the numbers of steps of the short chains. Their bounds follow from the full chain's evaluations; [] if the model needs new evaluations for each chain. @param {Facts} model */
export const lengths = (model) =>
  variances(model).length > 1 ? STEPS.filter((steps) => steps < model.schedule.T) : [];

/**
 * Return a sentence that explains why, in the shortest chain, β̃ₜ costs more bits than βₜ but makes cleaner pictures;
 * "" if β̃ₜ does not. The last added noise stays visible if the final step must remove far more noise than the network
 * was trained on.
 * @param {Facts} model @param {MeanBits["chains"]} chains
 */
export function looks(model, chains) {
  const [steps] = lengths(model);
  if (!steps || !chains.beta || !chains.beta_tilde) return "";
  const both = ["beta_tilde", "beta"];
  const [more, less] = both.map((name) => chains[name][steps][0]);
  const [clean, noisy] = both.map((variance) => {
    const { sigmas } = chain(model.process, { steps, sampler: "ddpm", variance, spacing: "linspace" });
    return /** @type {number} */ (sigmas.at(-2)); // the last noise that is added, because the final step has σ = 0
  });
  // The final step of a linspace chain begins at t = 1, where the network was trained on the noise of x_1. β̃ₜ never
  // leaves more noise than x_1 has, so only the noise that βₜ leaves is checked.
  const expected = Math.sqrt(1 - model.schedule.alphaBar[1]);
  if (more <= less || noisy <= HARD * expected) return "";
  return looksBetter(steps, [clean, noisy], [more, less]);
}

/** Return the number of times t at which the decoding is shown. @param {number} T */
const countDecodings = (T) => new Set(EIGHTHS.map((eighth) => Math.max(1, round((T * eighth) / 8)))).size;

/** Return the pictures to measure. Throws a UserError if no test set has pictures of the model's size. @param {Request} request @param {Facts} model @param {Catalogue} catalogue @returns {Measured} */
function choosePictures(request, model, catalogue) {
  const { image_size: size, channels, num_classes, class_names } = model;
  const label = classOf(request, model);
  if (request.picture) {
    fromText(request.picture, model);
    return { shape: [1, size, size, channels], labels: label === null ? null : [label], set: null };
  }
  const set = catalogue.words.sets.find((each) => each.size === size && each.channels === channels);
  if (!set) throw new UserError(PART.noPictures(size, channels));
  const { classes } = set;
  const isOfModel = num_classes === classes.length && (class_names ?? classes).join("\n") === classes.join("\n");
  const count = Math.min(request.count, set.count);
  const labels = Array.from({ length: count }, (_, i) => i % classes.length);
  return {
    shape: [count, size, size, channels],
    labels: isOfModel && request.labels === "classes" ? labels : null,
    set,
  };
}

/** Throw a UserError if the bound of this model can't be measured. @param {Facts} model @param {Measured} pictures */
function checkBound({ num_classes, null_label, schedule: { T }, student }, { labels }) {
  if (num_classes && null_label === null && !labels) throw new UserError(PART.needsClass(num_classes - 1));
  if (!student) return;
  const whole = Array.from({ length: T }, (_, i) => T - i);
  checkTimes(student, whole, PART.teacher);
  if (student.method === "consistency") throw new UserError(PART.consistency);
}

/** The plan of a measurement. @typedef {Plan & { model: Facts, pictures: Measured }} BoundPlan */

/** Make the plan. Throws a UserError if the request is impossible. @param {Request} request @param {Facts[]} models @param {Catalogue} catalogue @returns {BoundPlan} */
function plan(request, [model], catalogue) {
  checkPixels(model, PART.likelihood);
  const pictures = choosePictures(request, model, catalogue);
  checkBound(model, pictures);
  const { T } = model.schedule;
  const [count] = pictures.shape;
  const others = (Math.min(count, DECODED) - 1) * countDecodings(T);
  const early = lengths(model)
    .slice(0, EARLY)
    .reduce((sum, steps) => sum + steps, 0);
  const [alone, together] = [1, BATCH].map((batch) => stepKind(request.checkpoint, batch));
  return {
    ...{ request, refs: [request.checkpoint], images: BATCH, model, pictures },
    steps: byKind([alone, countDecodings(T)], [together, (count * T + others + early) / BATCH]),
  };
}

/** @type {Planner<BoundPlan>} */
export const planner = {
  refs: ({ checkpoint }) => [checkpoint],
  prepare: ({ picture }) => unpack(picture),
  summary({ checkpoint, picture, count }, catalogue) {
    return summary(catalogue.name(checkpoint), picture ? null : count);
  },
  plan,
  scripts: ({ request, model, pictures }) => ({ python: copied(() => script(request, model, pictures)) }),
  shown({ model, pictures }, result) {
    if (result.kind === "bits") return { ...result, looks: looks(model, result.chains) };
    const { T } = model.schedule;
    return {
      ...{ kind: "plan", T, count: pictures.shape[0], pixelated: model.image_size <= LOSSLESS },
      variances: variances(model).map((name) => [VARIANCE[name], name]),
      lengths: [...lengths(model), T],
      published: result.published,
    };
  },
  asked: ({ request: { picture }, model, pictures: { shape, labels } }) => ({
    ...asksFor(model),
    ...{ picture, count: shape[0], labels },
  }),
};

/** Return a Python script that measures the same bounds with ddpm_core. @param {Request} request @param {Facts} model @param {Measured} pictures */
function script(request, model, { shape, labels, set }) {
  const { T } = model.schedule;
  const [first, ...others] = variances(model);
  const chains = [
    ...others.map((name) => tuple([name, T])),
    ...[first, ...others].flatMap((name) => lengths(model).map((steps) => tuple([name, steps]))),
  ];
  const [count, size, , channels] = shape;
  return lines(
    ...(set ? [] : ["import base64", "import zlib", ""]),
    "import numpy as np",
    ...(set ? ["from PIL import Image"] : []),
    "",
    "import ddpm_core",
    ...(chains.length ? ["from ddpm_core.likelihood import rechain"] : []),
    "",
    `model = ${load(request.checkpoint, model)}`,
    ...(set
      ? [
          "# in a checkout of DDPM Lab:",
          `grid = np.asarray(Image.open("ui/pictures/test_sets/${set.name}.png"))`,
          `rows = grid.reshape(-1, ${size}, 10, ${size}, ${channels}).swapaxes(1, 2)`,
          `images = rows.reshape(-1, ${size}, ${size}, ${channels})[:${count}]`,
        ]
      : picture("images", request.picture, shape)),
    `full = ddpm_core.bits_per_dim(model, images, ${literal(first)}, labels=${literal(labels)})`,
    `print(${literal(first)}, ${T}, *full.total.tolist())`,
    ...(chains.length
      ? [
          `for variance, steps in ${literal(chains)}:`,
          '    bound = rechain(full, model, images, variance, steps, "linspace")',
          "    print(variance, steps, *bound.total.tolist())",
        ]
      : []),
  );
}

/** Import the module that writes the run's files. */
export const files = () => import("./files.js");
