// Chooses the times of a chain, as pairs [t, s] from T down to 0: see ddpm_core/timesteps.py and student.py. A student
// is a distilled model, which has learned only some times.

import { UserError } from "./errors.js";
import { round } from "./floats.js";

/** @import { ModelSpec } from "./predict.js" */
/** @typedef {[t: number, s: number]} Pair */

const OPTIMISED_FOR = ["ddim", "dpm++", "unipc"]; // samplers with optimised steps; all other samplers use the steps of ddim
/** The sampler for each kind of student. */
const OF_STUDENT = { consistency: "consistency", progressive: "ddim" };

/** Return time(k) for each k below n. @param {number} n @param {(k: number) => number} time */
const each = (n, time) => Array.from({ length: n }, (_, k) => time(k));

/** Raise or lower ascending times within 1..T so that no two are equal. @param {number} T @param {number[]} times */
function makeDistinct(T, times) {
  for (let k = 1; k < times.length; k++) times[k] = Math.max(times[k], times[k - 1] + 1);
  return times.map((t, k) => Math.min(t, T - (times.length - 1 - k)));
}

/**
 * @type {Record<string, (T: number, n: number) => number[]>} For each spacing: returns n times, ascending, for n > 1
 */
const TIMES = {
  linspace: (T, n) => each(n, (k) => 1 + round(k === n - 1 ? T - 1 : k * ((T - 1) / (n - 1)))),
  quadratic: (T, n) =>
    makeDistinct(
      T,
      each(n, (k) => 1 + Math.floor(((k * Math.sqrt(0.8 * T)) / (n - 1)) ** 2)),
    ),
  quadratic_T: (T, n) =>
    makeDistinct(
      T,
      each(n, (k) => 1 + round((T - 1) * (k / (n - 1)) * (k / (n - 1)))),
    ),
  leading: (T, n) => each(n, (k) => 1 + k * Math.floor(T / n)),
  trailing: (T, n) => each(n, (k) => round(T - ((n - 1 - k) * T) / n)),
};

/** Return the pairs [t, s] of descending times. The last s is 0. @param {readonly number[]} descending @returns {Pair[]} */
const pairs = (descending) => descending.map((t, i) => [t, descending[i + 1] ?? 0]);

export const SPACINGS = [...Object.keys(TIMES), "optimised"];

/**
 * Return the n steps of a chain from `start` down to 0. `start` may be any real time, but all later times are whole.
 * @param {number} T @param {number} n @param {string} [spacing] @param {number | null} [start]
 * @returns {Pair[]}
 */
function timestepPairs(T, n, spacing = "linspace", start = T) {
  if (start !== null && start !== T) {
    if (!(start > 0 && start <= T)) throw new UserError(`a chain starts at a t above 0 and at most ${T}, got ${start}`);
    const [[, s], ...rest] = timestepPairs(Math.ceil(start), n, spacing);
    return [[start, s], ...rest];
  }
  if (!Object.hasOwn(TIMES, spacing))
    throw new UserError(`unknown spacing '${spacing}': choose from ${Object.keys(TIMES).join(", ")}, or optimised`);
  if (!Number.isInteger(n) || n < 1 || n > T)
    throw new UserError(`steps must be a whole number from 1 to ${T}, got ${n}`);
  return pairs(n === 1 ? [T] : TIMES[spacing](T, n).reverse());
}

/**
 * Return n steps as `timestepPairs` does, or the model's optimised steps. For a student, spacing null means its own steps.
 * @param {ModelSpec} model @param {number} n @param {string | null} spacing @param {string} sampler
 * @param {number | null} [start]
 * @returns {Pair[]}
 */
export function modelPairs(model, n, spacing, sampler, start = null) {
  const { T, student } = model;
  if (spacing === null && student) return studentPairs(student, n, start ?? T);
  const whole = start === null || start === T;
  if (spacing !== "optimised") {
    const found = timestepPairs(T, n, spacing ?? "linspace", start);
    const offset = spacing === "leading" && whole ? (model.offset ?? 0) : 0;
    return found[0][0] + offset <= T ? pairs(found.map(([t]) => t + offset)) : found;
  }
  if (!whole) throw new UserError("optimised steps start at T: choose another spacing");
  if (student) throw new UserError("a student has no optimised steps: use its own steps (auto on the page)");
  return pairs(optimisedTimes(model, n, OPTIMISED_FOR.includes(sampler) ? sampler : "ddim"));
}

/**
 * Return the optimised times for n steps. Throws a UserError if the model has none for n.
 * @param {ModelSpec} model @param {number} n @param {string} sampler @returns {number[]}
 */
function optimisedTimes({ optimised, source }, n, sampler) {
  const found = optimised?.times[sampler] ?? {};
  if (found[n]) return found[n].split(" ").map(Number);
  const folder = !source || source.fixed ? "FOLDER" : quoteForShell(source.ref);
  const copy = source?.fixed ? `\`python -m ddpm_core export ${quoteForShell(source.ref)} FOLDER\` and ` : "";
  const search = `run ${copy}\`python -m train schedule ${folder}`;
  if (!optimised)
    throw new UserError(`these weights have no optimised steps yet: ${search}\`, or choose another spacing`);
  const numbers = Object.keys(found).map(Number);
  const there = numbers.length ? `optimised steps for ${ranges(numbers)} steps` : `no optimised steps for ${sampler}`;
  throw new UserError(`there are ${there}, not for ${n}: ${search} --steps ${n}\`, or choose another spacing`);
}

/** Write whole numbers as ranges: "1 to 8, 10". @param {number[]} numbers ascending */
function ranges(numbers) {
  /** @type {[low: number, high: number][]} */
  const runs = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([low, high]) => (low === high ? `${low}` : `${low} to ${high}`)).join(", ");
}

/** Quote a text so that a shell reads it as one word. @param {string} text */
export const quoteForShell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

const FEW = 20; // most steps of a run for which SUITED applies
/**
 * With few steps, these solvers are more accurate if the steps at small t are small: see ddpm_core/timesteps.py.
 * @type {Record<string, string>}
 */
const SUITED = { "dpm++": "quadratic", unipc: "quadratic", heun: "quadratic" };

/**
 * Return the default spacing for a sampler with this number of steps. For a student, return null: its own steps.
 * @param {ModelSpec} model @param {string} sampler @param {number} steps
 */
export function suitedSpacing({ T, student, source, optimised }, sampler, steps) {
  if (student) return null;
  if (steps > FEW || steps >= T || !Object.hasOwn(SUITED, sampler)) return "linspace";
  const shared = source?.fixed ? optimised?.times[sampler] : null;
  return shared && Object.hasOwn(shared, steps) ? "optimised" : SUITED[sampler];
}

/**
 * Return the number of steps of a chain from t down to 0, where a whole chain has `steps` steps.
 * @param {ModelSpec} model
 * @param {number} t
 * @param {number} steps
 */
export const chainLength = ({ student }, t, steps) =>
  Math.min(steps, student ? student.times.filter((own) => own <= t).length : Math.ceil(t));

/**
 * Return the times T, 3T/4, T/2 and T/4, each once. For a student, return the nearest times that it has learned.
 * @param {ModelSpec} model @param {number[]} [which] the wanted quarters of T, 1 to 4
 */
export function quarters({ T, student }, which = [4, 3, 2, 1]) {
  const times = which.map((quarter) => Math.floor((T * quarter) / 4));
  const nearest = (/** @type {number} */ t) =>
    student?.times.reduce((best, own) => (Math.abs(own - t) < Math.abs(best - t) ? own : best)) ?? t;
  return [...new Set(times.map(nearest))];
}

// --- Students

/**
 * The entry of a student in ddpm_core.json. times: the times that it has learned, descending. usual: the times of its
 * usual run, if they are not spread evenly over `times`.
 * @typedef {object} Student
 * @property {"consistency" | "progressive"} method
 * @property {number[]} times
 * @property {number[]} [usual]
 */

/** Return the sampler that a student was trained for. @param {Student} student */
export const samplerOf = ({ method }) => OF_STUDENT[method];

/** Return the usual number of steps of a student. @param {Student} student */
export function stepsOf({ method, times, usual }) {
  if (usual?.length) return usual.length;
  return method === "progressive" ? times.length : Math.min(2, times.length);
}

/** Return all times as a text; of more than ten times, only the first three and the last. @param {number[]} times */
const listTimes = (times) =>
  (times.length > 10 ? [...times.slice(0, 3), "…", times[times.length - 1]] : times).join(", ");

/**
 * Throw a UserError if a run would visit times at which the student was not trained.
 * @param {Student} student
 * @param {number[]} visited
 * @param {string} [instead] advice that ends the message
 */
export function checkTimes({ times }, visited, instead = "use its own steps, or its teacher") {
  const learned = new Set(times);
  const foreign = visited.find((t) => !learned.has(t));
  if (foreign !== undefined)
    throw new UserError(
      `this model is a student that has not learned t = ${foreign}, only ${listTimes(times)}: ${instead}`,
    );
}

/** Return a student's times from `start` on. Throws a UserError if it has not learned `start`. @param {Student} student @param {number} start */
function timesFrom(student, start) {
  checkTimes(student, [start]);
  return student.times.slice(student.times.indexOf(start));
}

/** Return the error for a wrong number of steps. @param {Student} student @param {number} steps @param {number[]} from the student's times from the start on */
function wrongNumber({ times }, steps, from) {
  const madeFor = `${times.length} step${times.length > 1 ? "s" : ""} at t = ${listTimes(times)}`;
  const there = from.length === times.length ? "" : `, ${from.length} of them from t = ${from[0]}`;
  return new UserError(`this student was made for ${madeFor}${there}: it can't take ${steps}`);
}

/** Return the steps of a student's chain from `start` down to 0. @param {Student} student @param {number} steps @param {number} start */
function studentPairs(student, steps, start) {
  const times = timesFrom(student, start);
  const most = times.length;
  const whole = most === student.times.length;
  if (student.method === "progressive" && steps !== most) throw wrongNumber(student, steps, times);
  if (!Number.isInteger(steps) || steps < 1 || steps > most) {
    const learned = whole ? `${most} times` : `${most} times up to t = ${start}`;
    throw new UserError(`this student has learned ${learned}: it takes 1 to ${most} steps, not ${steps}`);
  }
  if (whole && student.usual?.length === steps) return pairs(student.usual);
  return pairs(each(steps, (k) => times[Math.floor((k * most) / steps)]));
}

/**
 * Throw a UserError for a run that the student was not trained for.
 * @param {Student} student @param {string} sampler @param {Pair[]} visited @param {number} eta
 */
export function checkStudent(student, sampler, visited, eta) {
  const own = samplerOf(student);
  if (sampler !== own || eta) {
    const needed = sampler !== own ? `'${own}', not '${sampler}'` : `'${sampler}' with eta 0`;
    throw new UserError(`this model is a ${student.method} student: it needs the sampler ${needed}`);
  }
  const times = visited.map(([t]) => t);
  checkTimes(student, times);
  const from = timesFrom(student, times[0]);
  if (student.method === "progressive" && times.length !== from.length) throw wrongNumber(student, times.length, from);
}
