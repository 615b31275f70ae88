// Training in a figure: load digits, train for about a minute, and find the training digits that samples may copy.
// Few readers train, so this module loads only for them.

import { alone } from "../learning/alone.js";
import { Likeness } from "../learning/likeness.js";
import { digits } from "../learning/pictures.js";
import { Training, workersFor } from "../learning/training.js";

/** @import { Pictures } from "../learning/pictures.js" */
/** @import { Recipe } from "../learning/recipe.js" */
/** @import { News } from "../learning/training.js" */

const DIGITS = new URL("../digits.npz", import.meta.url);
const IMAGES = 12_800; // number of pictures that a training learns from: each of the 3,000 digits about four times

/** The default recipe of the lab's part Train. @type {Recipe} */
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

/** Load the 3,000 training digits at the first call, and return them. */
function learnedDigits() {
  loading ??= digits(DIGITS).catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** Begin a training, return it, and pass its news to `take`. Throws if another window trains. @param {(news: News, training: Training) => void} take */
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

/** Yield the most similar training digit of each sample. The page handles events in between. @param {Uint8Array[]} samples */
export async function* mostSimilar(samples) {
  const pictures = await learnedDigits();
  const size = pictures.side ** 2;
  const likeness = new Likeness(pictures);
  for (const one of samples) {
    const { index } = likeness.find(one);
    yield pictures.images.subarray(index * size, (index + 1) * size);
    await new Promise((resolve) => setTimeout(resolve));
  }
}
