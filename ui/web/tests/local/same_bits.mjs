// What tests/browser/test_shelf.py lets a browser learn: a small network, beyond the rise of its learning rate.
import { Training } from "../../learning/training.js";

const [SIDE, COUNT, BATCH, STEPS] = [28, 40, 16, 60];
const PICTURES = {
  ...{ kind: "own", count: COUNT, side: SIDE, channels: 1, classes: ["even", "odd"], originals: new Uint8Array() },
  labels: Uint16Array.from({ length: COUNT }, (_, i) => i % 2),
  images: Uint8Array.from({ length: COUNT * SIDE * SIDE }, (_, i) => (i * i) % 251),
};
const RECIPE = {
  ...{ times: "lognormal", weight: "", widths: [8, 16, 32], lr: 3e-3, batch: BATCH, average: 0.999 },
  ...{ dropout: 0.1, images: STEPS * BATCH, seed: 5, starts: false },
};

/** A digest of all that a training with two workers has learned. @param {"v" | "flow"} prediction */
export async function learned(prediction) {
  const recipe = { ...RECIPE, prediction, schedule: prediction === "flow" ? "flow" : "linear" };
  const training = new Training(PICTURES, [recipe], { workers: 2 });
  await new Promise((resolve) => {
    training.onNews = () => training.isOver && resolve(null);
    training.start();
  });
  const [lane] = (await training.snapshot()).lanes;
  const all = [lane.weights, lane.averages, lane.moments].flatMap((tensors) => [...tensors.values()]);
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(all).arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
