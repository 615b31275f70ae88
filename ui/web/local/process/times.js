// Which times a chain visits, as pairs [t, s] from T down to 0: see ddpm_core/timesteps.py and student.py.

import { round } from "./floats.js";

/** @import { Process } from "./predict.js" */
/** @typedef {[t: number, s: number]} Pair */

const OPTIMISED_FOR = ["ddim", "dpm++", "unipc"]; // the others take the steps of ddim
/** @type {Record<string, string>} the sampler that each kind of student is made for */
const OF_STUDENT = { consistency: "consistency", progressive: "ddim" };

/** @param {number} n @param {(k: number) => number} time */
const each = (n, time) => Array.from({ length: n }, (_, k) => time(k));

/** @param {number} T @param {number[]} times */
function distinct(T, times) {
  for (let k = 1; k < times.length; k++) times[k] = Math.max(times[k], times[k - 1] + 1);
  return times.map((t, k) => Math.min(t, T - (times.length - 1 - k)));
}

/** @type {Record<string, (T: number, n: number) => number[]>} the n > 1 times of each spacing, ascending */
const TIMES = {
  linspace: (T, n) => each(n, (k) => 1 + round(k === n - 1 ? T - 1 : k * ((T - 1) / (n - 1)))),
  quadratic: (T, n) =>
    distinct(
      T,
      each(n, (k) => 1 + Math.floor(((k * Math.sqrt(0.8 * T)) / (n - 1)) ** 2)),
    ),
  quadratic_T: (T, n) =>
    distinct(
      T,
      each(n, (k) => 1 + round((T - 1) * (k / (n - 1)) * (k / (n - 1)))),
    ),
  leading: (T, n) => each(n, (k) => 1 + k * Math.floor(T / n)),
  trailing: (T, n) => each(n, (k) => round(T - ((n - 1 - k) * T) / n)),
};

/** @param {readonly number[]} descending @returns {Pair[]} */
const pairs = (descending) => descending.map((t, i) => [t, descending[i + 1] ?? 0]);

/**
 * The n steps of a chain from `start` down to 0.
 * @param {number} T @param {number} n @param {string} [spacing] @param {number | null} [start]
 * @returns {Pair[]}
 */
export function timestepPairs(T, n, spacing = "linspace", start = T) {
  if (start !== null && start !== T) {
    if (!Number.isInteger(start) || start < 1 || start > T)
      throw new Error(`a chain starts at a whole t from 1 to ${T}, got ${start}`);
    const [[, s], ...rest] = timestepPairs(start, n, spacing);
    return [[start, s], ...rest];
  }
  if (!Object.hasOwn(TIMES, spacing))
    throw new Error(`unknown spacing ${spacing}: choose from ${Object.keys(TIMES).join(", ")}, or optimised`);
  if (!Number.isInteger(n) || n < 1 || n > T) throw new Error(`steps must be a whole number from 1 to ${T}, got ${n}`);
  return pairs(n === 1 ? [T] : TIMES[spacing](T, n).reverse());
}

/**
 * `timestepPairs`, and what depends on the model: its optimised steps, and a student's own, which no spacing means.
 * @param {Process} model @param {number} n @param {string | null} spacing @param {string} sampler
 * @param {number | null} [start]
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
  if (!whole) throw new Error("optimised steps start at T: choose another spacing");
  if (student) throw new Error("a student has no optimised steps: leave its own to it (auto on the page)");
  const own = OPTIMISED_FOR.includes(sampler) ? sampler : "ddim";
  const times = model.optimised?.times[own]?.[n];
  if (!times) throw new Error(`there are no optimised steps of ${own} for ${n} steps: choose another spacing`);
  return pairs(times.split(" ").map(Number));
}

// --- Students

/**
 * What a distilled model was made for, as its ddpm_core.json has it.
 * @typedef {object} Student
 * @property {"consistency" | "progressive"} method
 * @property {number[]} times
 */

/**
 * The sampler and the number of steps of a run where none are given.
 * @param {Process} model
 * @returns {[sampler: string, steps: number]}
 */
export function ownRun({ student }) {
  if (!student) return ["ddpm", 50];
  const { method, times } = student;
  return [OF_STUDENT[method], method === "progressive" ? times.length : Math.min(2, times.length)];
}

/** All times, or, of many, enough to see which they are. @param {number[]} times */
const listed = (times) => (times.length > 10 ? [...times.slice(0, 3), "…", times[times.length - 1]] : times).join(", ");

/** @param {Student} student @param {number} start */
function timesFrom({ times }, start) {
  if (times.includes(start)) return times.slice(times.indexOf(start));
  throw new Error(`this model is a student that has not learned t = ${start}, only ${listed(times)}`);
}

/** @param {Student} student @param {number} steps @param {number} start */
function studentPairs(student, steps, start) {
  const times = timesFrom(student, start);
  const most = times.length;
  const fewest = student.method === "progressive" ? most : 1;
  if (!Number.isInteger(steps) || steps < fewest || steps > most)
    throw new Error(`from t = ${start} this student takes ${fewest < most ? "1 to " : ""}${most} steps, not ${steps}`);
  return pairs(each(steps, (k) => times[Math.floor((k * most) / steps)]));
}

/**
 * Throw for a run that the student was not made for.
 * @param {Student} student @param {string} sampler @param {Pair[]} visited @param {number} eta
 */
export function checkStudent(student, sampler, visited, eta) {
  const own = OF_STUDENT[student.method];
  if (sampler !== own || eta)
    throw new Error(`this model is a student made by ${student.method} distillation: it needs ${own}, with eta 0`);
  const learned = new Set(student.times);
  const foreign = visited.find(([t]) => !learned.has(t));
  if (foreign) timesFrom(student, foreign[0]);
  if (student.method === "progressive") studentPairs(student, visited.length, visited[0][0]);
}
