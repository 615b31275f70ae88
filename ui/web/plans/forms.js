// The fields that the forms of several parts share, as data. A field names the check of its value, its control, when
// the control is shown, and its key in an address. The form's code depends only on kinds of fields, so a new field
// needs no code there.

import { DEFAULTS, NAMES, SAMPLERS, VARIANCES } from "../process/samplers.js";
import { SPACINGS } from "../process/times.js";
import { LANE_B, OPTIONS as OPTION_WORDS, RUN } from "../words/forms.js";
import { ANY, OPTION, SAME, SAMPLER } from "../words/units.js";

/** @import { Condition, FieldForm } from "../form/form.js" */
/** @import { FieldWords } from "../words/forms.js" */
/** @typedef {Partial<FieldForm>} More the optional properties of a field: see `FieldForm` */

export const AUTO = "auto"; // value of the field "spacing" that selects the spacing that suits the sampler
export const MODEL = "mnist-tiny";
export const SEED = 13;
export const ALL = NAMES;
/** @type {Condition[]} */
export const NEVER = [];
export const IF_CLASSES = [{ model: "classes" }];
export const IF_WORDS = [{ model: "prompts" }];
const IF_GUIDED = [{ label: true }, ...IF_WORDS];
export const MORE = { more: true };

/** Return the text with a capital first letter. Only the letters a to z are changed. @param {string} text */
const capital = (text) => (/^[a-z]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);
/** Return a capitalised title for each name. @param {string[]} names */
export const capitals = (names) => Object.fromEntries(names.map((name) => [name, capital(name)]));

/**
 * Make a field.
 * @param {string} name @param {FieldForm["kind"]} kind @param {FieldWords} words @param {any} usual the default @param {More} [more]
 * @returns {FieldForm}
 */
export function field(name, kind, words, usual, more = {}) {
  const label = capital(words.label || words.title.replace(/^The /, ""));
  const about = { help: "", more: false, follows: "", shown_if: null, lane: /** @type {const} */ ("") };
  return { ...about, ...words, label, name, kind, default: usual, ...more };
}

/**
 * Return the conditions under which an option is shown: one for each sampler that has the option.
 * @param {string} option @param {string[]} names of the samplers to choose from @param {string} [of] the sampler's field
 */
export const ifHas = (option, names, of = "sampler") =>
  names.filter((name) => option in (SAMPLERS[name].options ?? {})).map((name) => ({ [of]: name }));

export const LETTERS = { most: 300, follows: "prompts" };
/** Make the field of the seed. */
export const seed = (/** @type {More} */ more = {}, /** @type {FieldWords} */ words = RUN.seed, usual = SEED) =>
  field("seed", "seed", words, usual, { low: 0, high: 2 ** 32 - 1, ...more });
/** Make the field of the model. */
export const checkpoint = (/** @type {More} */ more = {}, usual = MODEL) =>
  field("checkpoint", "reference", RUN.checkpoint, usual, more);
/** Make the field of the prompt. */
export const prompt = (/** @type {More} */ more = {}) =>
  field("prompt", "prompt", RUN.prompt, "", { ...LETTERS, shown_if: IF_WORDS, ...more });
/** Make the field of the negative prompt. */
const negative = () => field("negative", "prompt", RUN.negative, "", { ...LETTERS, shown_if: IF_WORDS, ...MORE });
/** Make the field of the class. */
export const label = (/** @type {More} */ more = {}) =>
  field("label", "classname", RUN.label, ANY, { follows: "classes", shown_if: IF_CLASSES, ...more });
/** Make the field of a picture. */
export const picture = (/** @type {More} */ more = {}) => field("picture", "picture", RUN.picture, "", more);
/** Make the field of the sampler. */
export const sampler = (usual = "ddpm", /** @type {More} */ more = {}) =>
  field("sampler", "choice", RUN.sampler, usual, {
    names: ALL,
    titles: SAMPLER,
    follows: "samplers",
    ...MORE,
    ...more,
  });
/** Make the field of the spacing of times. */
export const spacing = (usual = AUTO, /** @type {More} */ more = {}) =>
  field("spacing", "choice", RUN.spacing, usual, { names: [AUTO, ...SPACINGS], ...MORE, ...more });
/** Make the field of the number of steps. */
export const steps = (/** @type {number} */ usual, /** @type {More} */ more = {}) =>
  field("steps", "whole", RUN.steps, usual, {
    ...{ low: 1, high: 1_000_000, presets: [10, 50, 1000], slider: true, follows: "steps" },
    ...more,
  });
/** Make the field of the variance. */
export const variance = (usual = "beta_tilde", /** @type {More} */ more = {}) =>
  field("variance", "choice", RUN.variance, usual, {
    ...{ names: VARIANCES, follows: "variances", shown_if: ifHas("variance", ALL) },
    ...more,
  });
/** Make the field of the guidance scale. */
export const guidance = (/** @type {More} */ more = {}) =>
  field("guidance", "number", RUN.guidance, null, {
    low: 0,
    high: 10,
    step: 0.1,
    shown_if: IF_GUIDED,
    ...MORE,
    ...more,
  });
/** Make the field for whether x̂_0 is clipped. */
const clip = () => field("clip", "switch", RUN.clip, null, { follows: "clip", ...MORE });
/** Make the field of a number of images. */
export const count = (
  /** @type {FieldWords} */ words,
  /** @type {number} */ usual,
  low = 1,
  high = 16,
  /** @type {More} */ more = MORE,
) => field("count", "whole", words, usual, { low, high, ...more });
/** Make the field of the number of pictures in a run. */
export const pictures = (usual = 4) => count(RUN.count, usual, 1, 16, { follows: "count", slider: true, ...MORE });

const LEVEL = { low: 0, high: 100, step: 0.01 }; // the limits of a noise level σ
/** The limits of samplers' numeric options. @type {Record<string, More>} */
const NUMBERS = {
  eta: { low: 0, high: 1, step: 0.05 },
  S_churn: { low: 0, high: 100 },
  S_min: LEVEL,
  S_max: LEVEL,
  S_noise: { high: 2, step: 0.001 },
};

/**
 * Make a field for each option of these samplers that is a number or a switch, in the order of the samplers. A new
 * switch needs no code here; a new number needs its limits in `NUMBERS`.
 * @param {string[]} names of samplers @param {string} [of] the sampler's field @returns {FieldForm[]}
 */
export const options = (names, of) =>
  Object.entries(DEFAULTS)
    .filter(([option, usual]) => (typeof usual === "boolean" || option in NUMBERS) && ifHas(option, names).length)
    .map(([option, usual]) =>
      field(
        option,
        option in NUMBERS ? "number" : "switch",
        OPTION_WORDS[option] ?? { title: OPTION[option] ?? option },
        usual,
        {
          ...NUMBERS[option],
          ...{ shown_if: ifHas(option, names, of), ...MORE },
        },
      ),
    );

/** Return lane B's copy of a field of lane A. @param {FieldForm} laneA @param {More} [more] @returns {FieldForm} */
export const laneB = (laneA, more = {}) => ({ ...laneA, name: `${laneA.name}_b`, lane: "b", ...more });
export const IN_B = "sampler_b"; // the name of the field for lane B's sampler

/**
 * Mark each field that has a copy in lane B as a field of lane A, and return all fields.
 * @param {FieldForm[]} fields
 * @returns {FieldForm[]}
 */
export function lanes(fields) {
  const twins = new Set(fields.filter(({ lane }) => lane === "b").map(({ name }) => name.slice(0, -2)));
  return fields.map((each) => (twins.has(each.name) ? { ...each, lane: /** @type {const} */ ("a") } : each));
}

/**
 * Return the fields of one run. The fields in `own` replace those of the same name.
 * @param {{ steps?: FieldForm, variance?: FieldForm, sampler?: FieldForm, spacing?: FieldForm, options?: FieldForm[], count?: FieldForm }} [own]
 */
export const run = (own = {}) => [
  ...[checkpoint(), prompt(), own.steps ?? steps(50), own.variance ?? variance(), seed(), label()],
  ...[own.sampler ?? sampler(), own.spacing ?? spacing(), ...(own.options ?? options(ALL))],
  ...[guidance(), negative(), own.count ?? pictures(), clip()],
];

/** The fields of lane B in parts whose two lanes begin with the same noise. */
export const OF_LANE_B = [
  laneB(checkpoint({}, SAME), { help: LANE_B.checkpoint }),
  laneB(prompt(), { help: "", placeholder: LANE_B.same }),
  laneB(steps(10)),
  laneB(variance(), { shown_if: ifHas("variance", ALL, IN_B) }),
  laneB(sampler()),
  laneB(spacing(SAME, { names: [SAME, AUTO, ...SPACINGS], titles: { [SAME]: LANE_B.same } })),
  ...options(ALL, IN_B).map((each) => laneB(each)),
  laneB(guidance(), { open: LANE_B.same }),
];

/** The names of lane A's fields for which lane B may have another value. */
export const NAMES_IN_B = OF_LANE_B.map(({ name }) => name.replace(/_b$/, ""));
