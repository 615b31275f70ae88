// A training in a figure: the digits, a training of about a minute, and whether what it draws are copies. Few readers train, so
// this comes when it is asked for.

import { alone } from "../learning/alone.js";
import { Likeness } from "../learning/likeness.js";
import { digits } from "../learning/pictures.js";
import { Training, workersFor } from "../learning/training.js";

/** @import { Pictures } from "../learning/pictures.js" */
/** @import { Recipe } from "../learning/recipe.js" */
/** @import { News } from "../learning/training.js" */

const DIGITS = new URL("../digits.npz", import.meta.url);
const IMAGES = 12_800; // of a training: each digit about four times

/** As the lab's Train begins. @type {Recipe} */
const RECIPE = {
  ...{
    prediction: "v",
    schedule: "linear",
    widths: [16, 32, 64],
    times: "lognormal",
    weight: "",
    lr: 0.003,
    batch: 32,
  },
  ...{ average: 0.999, dropout: 0.1, images: IMAGES, seed: 0, starts: false },
};

/** @type {Promise<Pictures> | null} */
let loading = null;

/** The 3,000 digits, which are fetched once. */
function learnedDigits() {
  loading ??= digits(DIGITS).catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** Begin a training; throws where another window trains. @param {(news: News, training: Training) => void} take */
export async function train(take) {
  const release = await alone();
  const pictures = await learnedDigits().catch((error) => {
    release();
    throw error;
  });
  const { hardwareConcurrency: cores, deviceMemory: memory, userAgentData } = /** @type {any} */ (navigator);
  const workers = workersFor(RECIPE, pictures, { cores, memory, mobile: userAgentData?.mobile ?? false });
  const training = new Training(pictures, [RECIPE], { workers });
  training.onNews = (news) => {
    if (training.isOver) release();
    take(news, training);
  };
  training.start();
  return training;
}

/** The most similar learned digit of each sample. @param {Uint8Array} samples one behind the other @returns {Promise<Uint8Array[]>} */
export async function mostSimilar(samples) {
  const pictures = await learnedDigits();
  const size = pictures.side ** 2;
  const breath = () => new Promise((resolve) => setTimeout(resolve));
  const { nearest } = await new Likeness(pictures).compare(samples, breath);
  return nearest.map((i) => pictures.images.subarray(i * size, (i + 1) * size));
}
