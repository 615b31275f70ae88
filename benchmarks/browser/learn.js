// Trains networks as the page's part Train does, but without its form, for `python -m benchmarks browser learn`.

import { filesOf } from "../../ui/web/learning/checkpoint.js";
import { drawnPictures } from "../../ui/web/learning/drawings.js";
import { Learner } from "../../ui/web/learning/learner.js";
import { Likeness } from "../../ui/web/learning/likeness.js";
import { digits } from "../../ui/web/learning/pictures.js";
import { configOf } from "../../ui/web/learning/recipe.js";
import { initialWeights, shapesOf } from "../../ui/web/learning/shapes.js";
import { pageKernel } from "../../ui/web/network/kernel.js";
import { recipesOf } from "../../ui/web/parts/train/choices.js";
import { Models } from "../../ui/web/parts/train/models.js";
import { formsFor } from "../../ui/web/parts/index.js";

const N = 8; // number of pictures that the kernel computes at once
/** Let the page handle other events. */
const breath = () => new Promise((done) => setTimeout(done));

/**
 * Return the pictures to learn (`drawings`, or digits without them), and the recipes of the form's default settings.
 */
async function read(drawings) {
  const pictures = await (drawings ? drawnPictures(drawings, breath) : digits("/ddpm_core/data/digits.npz"));
  const fields = formsFor("mnist-tiny", ["mnist-tiny"]).train;
  const values = Object.fromEntries(fields.map(({ name, default: usual }) => [name, usual]));
  return { pictures, recipes: recipesOf(values, pictures) };
}

/** Make a network in the page's main thread. Return its `config`, and functions that measure its time and memory. */
export async function measuredNetwork() {
  const { pictures, recipes } = await read();
  const [recipe] = recipes;
  const { "config.json": config, "scheduler_config.json": scheduler } = configOf(recipe, pictures);
  const weights = initialWeights(shapesOf(config), recipe.seed);
  const begin = { recipe, pictures, config, scheduler, weights, index: 0, workers: 2, seed: 0, learned: null };
  const learner = new Learner(await pageKernel("batch"), begin);
  const { layers, unet } = learner;
  const x = Float32Array.from({ length: N * learner.size }, (_, i) => Math.sin(9 * i));
  const [t, labels] = [Array.from({ length: N }, (_, j) => 1 + 100 * j), Array.from({ length: N }, (_, j) => j)];
  return {
    config,
    /** Compute the gradient of `batch` pictures, `times` times. Return the seconds. */
    learn(times, batch) {
      const began = performance.now();
      for (let turn = 0; turn < times; turn++) {
        layers.begin();
        for (let i = 0; i < batch; i += N) {
          const out = unet.forward(x, t, labels);
          layers.back(out, layers.read(out));
        }
        layers.end();
      }
      return (performance.now() - began) / 1000;
    },
    /** Train one step and compute a grid of samples, as each of two workers does. Return the bytes of the kernel's memory after that. */
    memory() {
      learner.gradient({ step: 0 });
      learner.sum({ parts: [] });
      learner.step({ step: 0, norm: 1 });
      learner.look({ averages: [learner.averages().range, null] });
      return layers.m.f.buffer.byteLength;
    },
  };
}

/** Prepare a training like that of Train. Return functions that run it, and functions that read its results. */
export async function training(drawings) {
  const asked = await read(drawings);
  const { pictures } = asked;
  const made = await new Models(null).means.make(asked);
  const likeness = drawings && new Likeness(pictures);
  return {
    originals: drawings && pictures.originals.toBase64(),
    /**
     * Learn from at least `images` images, then pause at the next event `next` ("step" or "grid"). Return the progress.
     */
    until(images, next) {
      return new Promise((done, fail) => {
        made.onNews = ({ kind, error }) => {
          if (kind === "wrong") fail(new Error(error));
          if (kind === next && made.images >= images) made.pause();
          const { state, seconds } = made;
          if (kind === "state" && ["paused", "finished"].includes(state))
            done({ images: made.images, seconds, isOver: state === "finished" });
        };
        made.start();
      });
    },
    /** Return the name and the base64 content of each file of the learned model. */
    async files() {
      const model = { json: made.configs[0], tensors: await made.tensors(0), title: "learned", facts: {} };
      return [...filesOf(model)].map(([name, content]) => [name, content.toBase64()]);
    },
    /** Return the newest samples, and their distance from the drawings. */
    async sheet() {
      const [{ averaged }] = made.history.grids.at(-1).lanes;
      return { pixels: averaged.toBase64(), ...(await likeness.compare(averaged, breath)) };
    },
  };
}
