// Finds out whether the visitor's computer can train, how fast the computer is, and whether its battery is low.

import { attempt } from "../../messages/client.js";
import { continueWithout } from "../../process/errors.js";
import { MACHINE } from "./words.js";

/** @import { Recipe } from "../../learning/recipe.js" */
/** `navigator`, with properties that not every browser has. @typedef {{ hardwareConcurrency?: number, deviceMemory?: number, userAgentData?: { mobile?: boolean }, connection?: { saveData?: boolean }, getBattery?: () => Promise<{ level: number, charging: boolean }> }} Device */

const PAGES = 1000; // approximate memory of one worker, in pages of 64 KiB
const LOW = 0.2; // a battery below this charge is low
const RATE = "lab-learns"; // storage key of this browser's speed: images per second with the usual network
const FIRST = 5000; // number of training images after which the first samples can be recognised
const [WIDTH, SIDE] = [16, 28]; // the usual network, for which speeds are stated: the channels of its first level, and the side of its pictures in pixels
/** A WebAssembly module with one SIMD instruction. Browsers without SIMD call it invalid. */
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

/** Return a sentence that says why this browser can't train a network; "" if it can. */
export function lack() {
  if (!globalThis.WebAssembly?.validate(new Uint8Array(SIMD))) return MACHINE.noSimd;
  try {
    new WebAssembly.Memory({ initial: PAGES });
    return "";
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return MACHINE.noMemory; // browsers report too little memory only by this error
  }
}

/** Return the properties of a computer that determine the number of workers. @param {Device} device */
export const machineOf = ({ hardwareConcurrency: cores, deviceMemory: memory, userAgentData }) => {
  return { cores, memory, mobile: userAgentData?.mobile ?? false };
};

/** Return whether the browser's data saver is on. @param {Device} device */
export const savesData = ({ connection }) => connection?.saveData === true;

/** Return a warning if the battery is low, else "". @param {Device} device */
export async function battery({ getBattery }) {
  const found = await getBattery?.call(navigator).catch(continueWithout("the state of the battery"));
  const isLow = found && found.level < LOW && !found.charging;
  return isLow ? MACHINE.battery(Math.round(100 * found.level)) : "";
}

/** Return the cost of training the networks of all lanes on one image. The unit is the cost for the usual network. @param {Recipe[]} recipes @param {number} side of the pictures */
export const costOf = (recipes, side) =>
  recipes.reduce((sum, { widths }) => sum + (widths[0] / WIDTH) ** 2 * (side / SIDE) ** 2, 0);

/** Return this browser's measured speed in images per second with the usual network; 0 before the first measurement. */
export const knownRate = () => Number(attempt(() => localStorage.getItem(RATE))) || 0;

/** Store the speed of a training as a speed with the usual network. @param {number} rate images per second of this training @param {Recipe[]} recipes @param {number} side */
export const rememberRate = (rate, recipes, side) =>
  attempt(() => localStorage.setItem(RATE, String(rate * costOf(recipes, side))));

/**
 * Return how many seconds a training takes in all, and until its first samples can be recognised; null if rate is 0.
 * @param {Recipe[]} recipes @param {number} side of the pictures in pixels @param {number} rate images per second with the usual network
 */
export function duration(recipes, side, rate) {
  if (!rate || !recipes.length) return null;
  const each = costOf(recipes, side) / rate;
  return { all: recipes[0].images * each, first: Math.min(FIRST, recipes[0].images) * each };
}
