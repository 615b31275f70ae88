// Writes sizes, times, names and errors as the page shows them.

import { UserError } from "../process/errors.js";
import { fixed } from "./numbers.js";

export const ANY = "any"; // value of the field "class" with which the model chooses the class
/** The sentence for a part that the browser can't compute. */
export const NEEDS_SERVER = "Your browser can’t compute this part. Choose a model that was not trained here.";
export const SAME = "same"; // value of a field of lane B that takes lane A's value

/** @type {Record<string, string>} */
export const VARIANCE = {
  ...{ beta: "βₜ", beta_tilde: "β̃ₜ", analytic: "analytic", learned: "learned", learned_range: "learned" },
};
/** The titles of sampler options, if they differ from the names. @type {Record<string, string>} */
export const OPTION = { eta: "η" };
/** @type {Record<string, string>} */
export const SAMPLER = {
  ...{ ddpm: "DDPM", ddim: "DDIM", "dpm++": "DPM++", unipc: "UniPC" },
  ...{ langevin: "Langevin", consistency: "Consistency", heun: "Heun" },
};

/** Return the title of a sampler. A sampler of the page's owner keeps its own name. @param {string} name */
export const samplerName = (name) => SAMPLER[name] ?? name;

/** Write a number of things: "1 step", "10 steps". @param {number} n @param {string} thing in the singular */
export const countOf = (n, thing) => (n === 1 ? `1 ${thing}` : `${n} ${thing}s`);

/** Write a number of steps. @param {number} n */
export const countOfSteps = (n) => countOf(n, "step");

/** Write a standard deviation of pixels in [−1, 1]: "0.182". @param {number} value */
export const sigma = (value) => (value ? fixed(value, 3) : "0");

/** Write a standard deviation of pixels in [−1, 1] in grey levels of 0…255: "23", "1.3". @param {number} value */
export function grey(value) {
  const levels = value * 127.5;
  return levels.toFixed(levels >= 9.95 || !levels ? 0 : 1);
}

/** Write a number of bytes: "455 MB", "12 kB". @param {number} size */
export const megabytes = (size) => (size >= 1e6 ? `${(size / 1e6).toFixed(0)} MB` : `${(size / 1e3).toFixed(0)} kB`);

/** Write a time in one unit: "under 1 s", "45 s", "12 min", "3.0 h". @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/**
 * Return a sentence for the visitor about an error. If the error is a fault of the program, log it with its trace.
 * @param {unknown} error @returns {string}
 */
export function failure(error) {
  if (error instanceof UserError) return sentence(error.message);
  console.error(error);
  const { name, message } = /** @type {Error} */ (error);
  // An error for missing memory has no code, but its message is English in all browsers.
  if (/memory|allocation/i.test(message))
    return "There is not enough memory for this: try fewer pictures or a smaller model";
  return `This failed unexpectedly (${name}): load the page again, or choose other settings`;
}

/** Return the message of an error for the visitor. A fault of the program is logged. @param {unknown} error */
export const problem = (error) => (error instanceof UserError ? error.message : failure(error));

/** Turn a message into a sentence. A first word that is a name, an id or a symbol keeps its case. @param {string} message */
export function sentence(message) {
  const text = message.replace(/\.+$/, "");
  return /^[a-z]+( |$)/i.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}

/** Return the estimate of a run's time, in words. @param {number | null} seconds @param {string} device */
export function expected(seconds, device) {
  if (seconds === null) return "The first run will show how long it takes";
  return seconds < 1 ? `under 1 s on this ${device}` : `about ${duration(seconds)} on this ${device}`;
}
