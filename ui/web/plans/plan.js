// What a part says of a run before it starts: which checkpoints it needs, what it computes and costs, and its words.
// The page makes it of the form's values and of the facts of the models; an engine checks the same, and computes.

/** @import { Process } from "../local/process/predict.js" */
/** @import { Catalogue } from "../words/catalogue.js" */

/**
 * What is known of a checkpoint whose files are here, whoever computes: the fields of ddpm_core.model.ModelSpec as JSON has
 * them, and where its files lie (ui/models/home.py). process: the same for the modules of local/process, without a network.
 * @typedef {object} Facts
 * @property {string} ref
 * @property {{ T: number, alphaBar: Float64Array | number[] }} schedule
 * @property {number} image_size
 * @property {number} channels
 * @property {number} factor pixels a side of one number of x: 1 but for a latent model
 * @property {string} prediction
 * @property {string} variance
 * @property {number} num_classes
 * @property {number | null} null_label
 * @property {string[] | null} class_names
 * @property {boolean} clip
 * @property {Source | null} source
 * @property {boolean | null} gamma whether Γ was estimated for these weights
 * @property {Record<string, Record<string, number[]>> | null} optimised times by sampler and number of steps
 * @property {{ method: "consistency" | "progressive", times: number[] } | null} student
 * @property {boolean} latent
 * @property {boolean} takes_words
 * @property {number} leading_offset
 * @property {unknown} coordinates null but for score, EDM and flow models
 * @property {number | null} snr
 * @property {number} corrections
 * @property {{ name: string, sigma?: number } | null} [pipeline] diffusers' pipeline of a model with coordinates; σ of x_T
 * @property {Home} home
 * @property {Omit<Process, "network">} process
 */

/** @typedef {{ ref?: string | null, name?: string | null, revision?: string | null, weights?: string | null, file?: string | null, fixed?: boolean }} Source */

/**
 * Where a checkpoint lies for diffusers. where: the arguments of `from_pretrained` that name it, as Python.
 * @typedef {object} Home
 * @property {string} where
 * @property {boolean} has_scheduler whether its scheduler has a folder of its own
 * @property {{ folder: string, kind: string, scale: number, shift: number } | null} autoencoder
 * @property {boolean} own_class whether diffusers lacks the network's class
 */

/** Checked values of a part's fields, by their names: see fields.js. @typedef {Record<string, any>} Request */

/** What takes one time: an evaluation of a checkpoint for so many images, of a run of so many lanes. @typedef {{ ref: string, batch: number, lanes: number }} StepKind */
/** So many steps of a kind. @typedef {{ kind: StepKind, n: number }} Cost */

/**
 * A request with nothing left open. about: what `describe` says of it, which is made when it is asked for. shown: a result of an
 * engine of one of the kinds of `WORDED`, as the page has it.
 * @typedef {{ request: Request, steps: Cost[], about: () => Record<string, any>, shown: (result: any) => any }} Plan
 */

/**
 * What a part knows of its requests. Each function throws an Error with a sentence for what can't be.
 * @template {Plan} [P=Plan]
 * @typedef {object} Planner
 * @property {(request: Request) => string[]} refs the checkpoints that it needs, each once
 * @property {(request: Request) => number} images how many are evaluated at once, about
 * @property {(request: Request) => Promise<unknown>} [prepare] gets ready what its plan wants at once
 * @property {(request: Request, catalogue: Catalogue) => string} summary its settings in a line, or ""
 * @property {(request: Request, models: Facts[], catalogue: Catalogue) => P} plan models: of each of refs
 */

/** Kinds of results that get their words from the plan of their run: its first one, "plan", and a bound. */
export const WORDED = ["plan", "bits"];

/** @param {string} ref @param {number} [batch] @param {number} [lanes] @returns {StepKind} */
export const stepKind = (ref, batch = 1, lanes = 1) => ({ ref, batch, lanes });

/** A name for what takes one time. @param {StepKind} kind */
export const keyOf = ({ ref, batch, lanes }) => `${batch} ${lanes} ${ref}`;

/** So many steps of each kind, those of one kind together. @param {...[StepKind, number]} steps @returns {Cost[]} */
export function byKind(...steps) {
  /** @type {Map<string, Cost>} */
  const found = new Map();
  for (const [kind, n] of steps) {
    if (!n) continue;
    const before = found.get(keyOf(kind))?.n ?? 0;
    found.set(keyOf(kind), { kind, n: before + n });
  }
  return [...found.values()];
}

/** Evaluations of the network on single images. @param {Cost[]} steps */
export const evaluations = (steps) => steps.reduce((sum, { kind, n }) => sum + n * kind.batch, 0);

/**
 * Seconds of computing after so many steps, null where that is not known.
 * @param {Cost[]} steps @param {(kind: StepKind) => number | null} seconds of one step @param {Map<string, number>} [done] by `keyOf`
 */
export function left(steps, seconds, done = new Map()) {
  let sum = 0;
  for (const { kind, n } of steps) {
    const one = seconds(kind);
    if (one === null) return null;
    sum += one * Math.max(0, n - (done.get(keyOf(kind)) ?? 0));
  }
  return sum;
}
