// What this computer can do for a training, and what it is short of.

import { attempt } from "../../messages/client.js";
import { continueWithout } from "../../process/errors.js";
import { MACHINE } from "./words.js";

/** @import { Recipe } from "../../learning/recipe.js" */
/** `navigator`, with properties that not every browser has. @typedef {{ hardwareConcurrency?: number, deviceMemory?: number, userAgentData?: { mobile?: boolean }, connection?: { saveData?: boolean }, getBattery?: () => Promise<{ level: number, charging: boolean }> }} Device */

const PAGES = 1000; // of 64 KiB that a worker takes, about
const LOW = 0.2; // a battery below this charge is low
const RATE = "lab-learns"; // the key of a kept rate: images of the usual network that this browser learns a second
const FIRST = 5000; // images until the first samples can be read
const [WIDTH, SIDE] = [16, 28]; // the width and the picture side of the usual network
/** A module with one instruction of SIMD. */
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

/** Why this browser can't train a network, in a sentence; "" where it can. */
export function lack() {
  if (!globalThis.WebAssembly?.validate(new Uint8Array(SIMD))) return MACHINE.noSimd;
  try {
    new WebAssembly.Memory({ initial: PAGES });
    return "";
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return MACHINE.noMemory; // nothing but this error says how much memory there is
  }
}

/** What a training needs to know of this computer to choose its workers. @param {Device} device */
export const machineOf = ({ hardwareConcurrency: cores, deviceMemory: memory, userAgentData }) => {
  return { cores, memory, mobile: userAgentData?.mobile ?? false };
};

/** Whether the visitor wants to send and get little. @param {Device} device */
export const savesData = ({ connection }) => connection?.saveData === true;

/** A sentence where the battery is low, or "". @param {Device} device */
export async function battery({ getBattery }) {
  const found = await getBattery?.call(navigator).catch(continueWithout("the state of the battery"));
  const isLow = found && found.level < LOW && !found.charging;
  return isLow ? MACHINE.battery(Math.round(100 * found.level)) : "";
}

/** Return the cost of one image in all lanes together; the unit is one image of the usual network. @param {Recipe[]} recipes @param {number} side of the pictures */
export const costOf = (recipes, side) =>
  recipes.reduce((sum, { widths }) => sum + (widths[0] / WIDTH) ** 2 * (side / SIDE) ** 2, 0);

/** Images a second of the usual network, as this browser has seen them; 0 where it has seen none. */
export const knownRate = () => Number(attempt(() => localStorage.getItem(RATE))) || 0;

/** Remember how quick a training was. @param {number} rate images a second @param {Recipe[]} recipes @param {number} side */
export const rememberRate = (rate, recipes, side) =>
  attempt(() => localStorage.setItem(RATE, String(rate * costOf(recipes, side))));

/**
 * How long a training takes here: all of it, and until the first samples can be read; null where that is not known.
 * @param {Recipe[]} recipes @param {number} side @param {number} rate images a second of the usual network
 */
export function duration(recipes, side, rate) {
  if (!rate || !recipes.length) return null;
  const each = costOf(recipes, side) / rate;
  return { all: recipes[0].images * each, first: Math.min(FIRST, recipes[0].images) * each };
}
