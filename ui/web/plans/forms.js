// The fields of each part's form, as data. A field says how its value is checked, which control it has, when the control is
// shown, and its key in an address. The code of the form knows only kinds of fields, so a new field needs no code there.

import { NAMES as ALL, DEFAULTS, SAMPLERS, VARIANCES } from "../process/samplers.js";
import { SPACINGS } from "../process/times.js";
import {
  BETWEEN,
  FORWARD,
  GRID,
  LANE_B,
  LATENTS,
  LIKELIHOOD,
  NETWORK,
  ofLane,
  PLANE,
  REPAIR,
  RUN,
  TRAIN,
} from "../words/forms.js";
import { ANY, OPTION, SAME, SAMPLER } from "../words/units.js";

/** @import { Condition, FieldForm } from "../form/form.js" */
/** @import { FieldWords } from "../words/forms.js" */
/** @typedef {Partial<FieldForm>} More the optional properties of a field: see `FieldForm` */

export const AUTO = "auto"; // the spacing that suits the sampler
const MODEL = "mnist-tiny";
const SEED = 13;
/** @type {Condition[]} */
const NEVER = [];
const IF_CLASSES = [{ model: "classes" }];
const IF_WORDS = [{ model: "prompts" }];
const IF_GUIDED = [{ label: true }, ...IF_WORDS];
const MORE = { more: true };

/** @param {string} text */
const capital = (text) => (/^[a-z]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);
/** The titles of names that are words. @param {string[]} names */
const capitals = (names) => Object.fromEntries(names.map((name) => [name, capital(name)]));

/**
 * @param {string} name @param {FieldForm["kind"]} kind @param {FieldWords} words @param {any} usual @param {More} [more]
 * @returns {FieldForm}
 */
function field(name, kind, words, usual, more = {}) {
  const label = capital(words.label || words.title.replace(/^The /, ""));
  const about = { help: "", more: false, follows: "", shown_if: null, lane: /** @type {const} */ ("") };
  return { ...about, ...words, label, name, kind, default: usual, ...more };
}

/**
 * The conditions under which an option is shown: one for each sampler that has it.
 * @param {string} option @param {string[]} names of the samplers to choose from @param {string} [of] the field of the sampler
 */
const ifHas = (option, names, of = "sampler") =>
  names.filter((name) => option in (SAMPLERS[name].options ?? {})).map((name) => ({ [of]: name }));

const LETTERS = { most: 300, follows: "prompts" };
const seed = (/** @type {More} */ more = {}, /** @type {FieldWords} */ words = RUN.seed, usual = SEED) =>
  field("seed", "seed", words, usual, { low: 0, high: 2 ** 32 - 1, ...more });
const checkpoint = (/** @type {More} */ more = {}, usual = MODEL) =>
  field("checkpoint", "reference", RUN.checkpoint, usual, more);
const prompt = (/** @type {More} */ more = {}) =>
  field("prompt", "prompt", RUN.prompt, "", { ...LETTERS, shown_if: IF_WORDS, ...more });
const negative = () => field("negative", "prompt", RUN.negative, "", { ...LETTERS, shown_if: IF_WORDS, ...MORE });
const label = (/** @type {More} */ more = {}) =>
  field("label", "classname", RUN.label, ANY, { follows: "classes", shown_if: IF_CLASSES, ...more });
const picture = (/** @type {More} */ more = {}) => field("picture", "picture", RUN.picture, "", more);
const sampler = (usual = "ddpm", /** @type {More} */ more = {}) =>
  field("sampler", "choice", RUN.sampler, usual, {
    names: ALL,
    titles: SAMPLER,
    follows: "samplers",
    ...MORE,
    ...more,
  });
const spacing = (usual = AUTO, /** @type {More} */ more = {}) =>
  field("spacing", "choice", RUN.spacing, usual, { names: [AUTO, ...SPACINGS], ...MORE, ...more });
const steps = (/** @type {number} */ usual, /** @type {More} */ more = {}) =>
  field("steps", "whole", RUN.steps, usual, {
    ...{ low: 1, high: 1_000_000, presets: [10, 50, 1000], slider: true, follows: "steps" },
    ...more,
  });
const variance = (usual = "beta_tilde", /** @type {More} */ more = {}) =>
  field("variance", "choice", RUN.variance, usual, {
    ...{ names: VARIANCES, follows: "variances", shown_if: ifHas("variance", ALL) },
    ...more,
  });
const eta = (/** @type {More} */ more = {}) =>
  field("eta", "number", RUN.eta, 0, { low: 0, high: 1, step: 0.05, shown_if: ifHas("eta", ALL), ...MORE, ...more });
const guidance = (/** @type {More} */ more = {}) =>
  field("guidance", "number", RUN.guidance, null, {
    low: 0,
    high: 10,
    step: 0.1,
    shown_if: IF_GUIDED,
    ...MORE,
    ...more,
  });
const clip = () => field("clip", "switch", RUN.clip, null, { follows: "clip", ...MORE });
const count = (
  /** @type {FieldWords} */ words,
  /** @type {number} */ usual,
  low = 1,
  high = 16,
  /** @type {More} */ more = MORE,
) => field("count", "whole", words, usual, { low, high, ...more });
const pictures = (usual = 4) => count(RUN.count, usual, 1, 16, { follows: "count", slider: true, ...MORE });

/**
 * A field for each option of these samplers that is a switch, so that a new switch of a sampler appears without more code.
 * @param {string[]} names of samplers @param {string} [of] the field of the sampler @returns {FieldForm[]}
 */
const switches = (names, of) =>
  Object.entries(DEFAULTS)
    .filter(([option, usual]) => typeof usual === "boolean" && ifHas(option, names).length)
    .map(([option, usual]) =>
      field(option, "switch", { title: OPTION[option] ?? option }, usual, {
        shown_if: ifHas(option, names, of),
        ...MORE,
      }),
    );

/** The same field for lane B. @param {FieldForm} laneA @param {More} [more] @returns {FieldForm} */
const laneB = (laneA, more = {}) => ({ ...laneA, name: `${laneA.name}_b`, lane: "b", ...more });
const IN_B = "sampler_b"; // the field of lane B's sampler

/** The same fields; one that has a twin in lane B is marked as lane A's. @param {FieldForm[]} fields @returns {FieldForm[]} */
function lanes(fields) {
  const twins = new Set(fields.filter(({ lane }) => lane === "b").map(({ name }) => name.slice(0, -2)));
  return fields.map((each) => (twins.has(each.name) ? { ...each, lane: /** @type {const} */ ("a") } : each));
}

/** The fields of one run; `own` replaces some of them. @param {{ steps?: FieldForm, variance?: FieldForm, sampler?: FieldForm, spacing?: FieldForm, eta?: FieldForm, count?: FieldForm }} [own] */
const run = (own = {}) => [
  ...[checkpoint(), prompt(), own.steps ?? steps(50), own.variance ?? variance(), seed(), label()],
  ...[own.sampler ?? sampler(), own.spacing ?? spacing(), own.eta ?? eta(), ...switches(ALL)],
  ...[guidance(), negative(), own.count ?? pictures(), clip()],
];

const SHARED = field("attention", "switch", RUN.attention, false, { shown_if: IF_WORDS, ...MORE });
const watch = [...run(), SHARED, field("touch", "picture", RUN.touch, "", { holds: "strokes" })];

const compare = lanes([
  ...run({ steps: steps(10), variance: variance("beta") }),
  laneB(checkpoint({}, SAME), { help: LANE_B.checkpoint }),
  laneB(prompt(), { help: "", placeholder: LANE_B.same }),
  laneB(steps(10)),
  laneB(variance(), { shown_if: ifHas("variance", ALL, IN_B) }),
  laneB(sampler()),
  laneB(spacing(SAME, { names: [SAME, AUTO, ...SPACINGS], titles: { [SAME]: LANE_B.same } })),
  laneB(eta(), { shown_if: ifHas("eta", ALL, IN_B) }),
  ...switches(ALL, IN_B).map((each) => laneB(each)),
  laneB(guidance(), { open: LANE_B.same }),
]);

const IF_ROWS = [{ rows: "sampler" }];
const grid = [
  ...run({
    steps: steps(50, { shown_if: NEVER }),
    variance: variance("beta_tilde", { shown_if: IF_ROWS }),
    sampler: sampler("ddpm", { shown_if: NEVER }),
    eta: eta({ shown_if: IF_ROWS }),
    count: count(GRID.count, 1, 1, 4),
  }),
  field("rows", "choice", GRID.rows, "variance", { names: ["variance", "sampler"] }),
  field("columns", "wholes", GRID.columns, "5, 10, 20, 50, 200", { most: 8 }),
];

const sketch = run({
  steps: steps(4),
  sampler: sampler("unipc"),
  spacing: spacing("trailing"),
  count: pictures(1),
});

const OF_LATENTS = ["ddpm", "ddim", "consistency"]; // "consistency" is for distilled models
const IF_TWO = [{ mode: "interpolate" }];
const latents = [
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

const METHODS = ["ddnm", "replacement", "repaint", "pigdm", "dps"];
/** The cells of the right half of a picture, encoded as `cells` of fields.js reads them. */
const RIGHT_HALF = `${"AAD__wAA__8AAP__".repeat(10)}AAD__wAA__8=`;
const repair = [
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
  ...switches(ALL),
];

const corner = (/** @type {"a" | "b" | "c" | "d"} */ name, /** @type {string} */ usual) =>
  field(name, "prompt", BETWEEN[name], usual, LETTERS);
const between = [
  checkpoint({ help: BETWEEN.checkpoint.help }, "emoji-tiny"),
  corner("a", "red apple"),
  corner("b", "green frog"),
  corner("c", "yellow sun"),
  corner("d", "blue whale"),
  seed({}, BETWEEN.seed, 1),
  steps(20, { presets: [], ...MORE }),
  sampler("ddim"),
  guidance({ shown_if: null }),
];

const hidden = { shown_if: NEVER };
const network = [
  ...run({ steps: steps(20), sampler: sampler("ddim"), count: count({ title: RUN.count.title }, 1, 1, 1, hidden) }),
  field("off", "text", NETWORK.off, "", hidden),
  field("graft", "text", NETWORK.graft, "", { shown_if: [...IF_CLASSES, ...IF_WORDS] }),
  field("graft_block", "text", NETWORK.graft_block, "middle", hidden),
  field("first", "whole", NETWORK.first, 1, { low: 1, high: 1_000_000, ...hidden }),
  field("last", "whole", NETWORK.last, 0, { low: 0, high: 1_000_000, ...hidden }),
  field("block", "text", NETWORK.block, "middle", hidden),
  field("place", "text", NETWORK.place, "", hidden),
];

const DRAWING = "drawing"; // the shape that visitors draw themselves
const SHAPES = ["ring", "moons", "spiral", "gaussian"];
const OF_PLANE = ["ddpm", "ddim", "dpm++", "unipc"];
/** The fields of a lane of the plane. @param {"a" | "b"} lane @param {string} noise its variance at first @returns {FieldForm[]} */
function cloud(lane, noise) {
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
const plane = lanes([
  field("shape", "choice", PLANE.shape, "ring", {
    names: [...SHAPES, DRAWING],
    titles: { ...capitals(SHAPES), ...PLANE.shape.titles },
  }),
  field("drawing", "picture", PLANE.drawing, "", { holds: "points", shown_if: [{ shape: DRAWING }] }),
  ...cloud("a", "beta"),
  ...cloud("b", "beta_tilde"),
  field("cloud", "whole", PLANE.cloud, 1000, { low: 10, high: 2000, ...MORE }),
  seed(MORE, PLANE.seed),
  field("width", "number", PLANE.width, 0.06, { low: 0.02, high: 0.6, step: 0.01, ...MORE }),
  spacing(AUTO, { names: [AUTO, ...SPACINGS.filter((name) => name !== "optimised")] }),
  field("training", "whole", PLANE.training, 3000, { low: 1, high: 10_000, ...MORE }),
]);

const likelihood = [
  checkpoint(),
  picture(),
  count(LIKELIHOOD.count, 8, 1, 64, { shown_if: [{ picture: false }] }),
  field("labels", "choice", LIKELIHOOD.labels, "classes", {
    names: ["classes", "none"],
    shown_if: [{ picture: false, model: "classes" }],
  }),
  label({ shown_if: [{ picture: true, model: "classes" }] }),
];

const DRAWINGS = ["lighthouse", "cat", "balloon", "flower"]; // in examples/drawings
const SCHEDULES = ["linear", "cosine", "quadratic"];
const forward = [
  field("picture", "choice", FORWARD.picture, "lighthouse", { names: DRAWINGS }),
  field("schedule", "choice", FORWARD.schedule, "linear", {
    names: SCHEDULES,
    titles: capitals(SCHEDULES),
  }),
  field("t", "whole", FORWARD.t, 250, { low: 0, high: 1000, slider: true }),
  seed({}, FORWARD.seed),
];

const PREDICTIONS = ["v", "epsilon", "x0", "flow"];
/** The fields of a network that learns. */
const LEARNER = [
  field("prediction", "choice", TRAIN.prediction, "v", { names: PREDICTIONS }),
  field("objective", "choice", TRAIN.objective, "lognormal", { names: ["lognormal", "uniform", "min_snr"] }),
  field("width", "choice", TRAIN.width, "16 32 64", { names: ["8 16 32", "16 32 64", "32 64 128"], ...MORE }),
  field("rate", "choice", TRAIN.rate, "0.003", { names: ["0.001", "0.003", "0.012"], ...MORE }),
  field("batch", "choice", TRAIN.batch, "32", { names: ["16", "32", "64"], ...MORE }),
  field("schedule", "choice", TRAIN.schedule, "linear", { names: SCHEDULES.slice(0, 2), ...MORE }),
  field("average", "switch", TRAIN.average, true, MORE),
];
const NO_FLOW = PREDICTIONS.slice(0, -1); // a flow has its own schedule
/** The condition of a field of a network that learns. @param {FieldForm} field @param {string} [end] of the names of its lane's fields @param {Condition} [also] */
const learns = ({ name }, end = "", also = undefined) =>
  name === "schedule" ? NO_FLOW.map((prediction) => ({ [`prediction${end}`]: prediction, ...also })) : also && [also];
const train = lanes([
  field("data", "choice", TRAIN.data, "digits", { names: ["digits", "drawings", "own"] }),
  ...LEARNER.map((each) => ({ ...each, shown_if: learns(each) ?? null })),
  field("two", "switch", TRAIN.two, false, { shown_if: NEVER }),
  ...LEARNER.map((each) => laneB(each, { shown_if: learns(each, "_b", { two: true }) })),
  field("length", "choice", TRAIN.length, "25600", { names: ["12800", "25600", "64000"] }),
  seed({}, TRAIN.seed, 0),
]);

const FORMS = { watch, compare, grid, sketch, latents, repair, between, network, plane, likelihood, forward, train };

/**
 * The forms of all parts. A form that takes any model begins with `first`; so does one whose model the page does not have.
 * @param {string} first @param {string[]} refs the models of the page @returns {Record<string, FieldForm[]>}
 */
export function formsFor(first, refs) {
  const takesFirst = (/** @type {FieldForm} */ { name, default: usual }) =>
    name === "checkpoint" && (usual === MODEL || !refs.includes(usual));
  const ofPage = (/** @type {FieldForm[]} */ fields) =>
    fields.map((each) => (takesFirst(each) ? { ...each, default: first } : each));
  return Object.fromEntries(Object.entries(FORMS).map(([part, fields]) => [part, ofPage(fields)]));
}

/** The settings for which lane B may have another value, by the names of lane A's fields. */
export const OF_LANE_B = compare.filter(({ lane }) => lane === "a").map(({ name }) => name);
