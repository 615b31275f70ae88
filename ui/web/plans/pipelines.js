// Scripts that repeat a run of a score model or a consistency model with a pipeline of diffusers.

import { UserError } from "../process/errors.js";
import { general } from "../words/floats.js";
import { literal, range } from "../words/literal.js";
import { SCRIPT } from "../words/wrong.js";

/** @import { Facts } from "./plan.js" */
/** @import { Lane } from "./settings.js" */
/** @import { Row } from "../process/runs.js" */

const CORRECTIONS = 2 ** 33; // number of the first noise stream for Langevin corrections; the streams of steps have lower numbers
const SAVED = 'Image.fromarray((255 * image).round().astype(np.uint8)).save(f"seed-{seed}.png")';

/**
 * Write the script of a run. Throws a UserError with the reason if the pipeline can't repeat the run.
 * @param {Lane} run a resolved lane @param {Facts} model @param {Row[]} rows the run's steps @param {number | null} label
 * @param {string} times t − 1 of the steps, as Python
 */
export function script(run, model, rows, label, times) {
  const { pipeline, home, channels } = model;
  if (!pipeline || !(pipeline.name in MAKERS)) throw new UserError(SCRIPT.prediction);
  if (channels !== 3) throw new UserError(SCRIPT.channels(pipeline.name));
  const { imports, body } = MAKERS[pipeline.name](run, model, rows, label, times);
  return [
    "import numpy as np",
    "import torch",
    `from diffusers import ${pipeline.name}`,
    ...imports,
    "from PIL import Image",
    "",
    `seeds = ${literal(range(run.seed, run.count))}`,
    `pipeline = ${pipeline.name}.from_pretrained(${home.where})`,
    ...body,
    "",
  ].join("\n");
}

/** Return the lines of a script that define the function noise(stream). @param {Facts} model */
export const noise = ({ channels, image_size }) => [
  "def noise(stream):  # a function of seed and stream alone: 0 is x_T, i + 1 belongs to step i",
  `    shape = (${channels}, ${image_size}, ${image_size})`,
  "    draws = [np.random.Generator(np.random.Philox(key=[seed, stream])) for seed in seeds]",
  "    return torch.from_numpy(np.stack([draw.standard_normal(shape, dtype=np.float32) for draw in draws]))",
];

/**
 * For each pipeline of diffusers, the function that writes a script with it.
 * @type {Record<string, (run: Lane, model: Facts, rows: Row[], label: number | null, times: string) => { imports: string[], body: string[] }>}
 */
const MAKERS = {
  // The script draws one picture at a time, because the pipeline's corrector averages over a batch. The script sets
  // x_T, because the pipeline would begin with noise that has mean 0 and contains no data.
  ScoreSdeVePipeline(run, model, _, __, times) {
    if (!["ddpm", "langevin"].includes(run.sampler) || run.variance !== "beta") throw new UserError(SCRIPT.scores);
    if (run.clip) throw new UserError(SCRIPT.clip);
    const corrections = run.sampler === "langevin" ? model.corrections : 0;
    const { T } = model.schedule;
    const corrected = [
      `        for k in range(${corrections}):  # corrections have streams of their own`,
      `            yield noise((k + 1) * ${CORRECTIONS} + i + 1)`,
    ];
    return {
      imports: [
        "from diffusers.pipelines.deprecated.score_sde_ve import pipeline_score_sde_ve",
        "from diffusers.schedulers import scheduling_sde_ve",
      ],
      body: [
        "scheduler = pipeline.scheduler",
        `scheduler.register_to_config(correct_steps=${corrections})`,
        `scheduler.set_timesteps(${T})`,
        `scheduler.set_sigmas(${T})`,
        "every, given = scheduler.discrete_sigmas, scheduler.sigmas.flip(0)  # σ of each t, and as the network gets it",
        `times = ${times}`,
        "",
        "",
        "def set_sigmas(n):  # those of our times, with timesteps that are not rounded to another σ",
        "    scheduler.timesteps = (torch.arange(n).flip(0) + 0.5) / max(n - 1, 1)",
        "    scheduler.discrete_sigmas, scheduler.sigmas = every[times[::-1]], given[times]",
        "",
        "",
        ...noise(model),
        "",
        "",
        "def draws():  # what the pipeline asks for, one after the other",
        "    yield 0.5 / every[-1] + (0.25 / every[-1] ** 2 + 1) ** 0.5 * noise(0)  # x_T has some data left in it",
        "    for i in range(len(times)):",
        ...(corrections ? corrected : []),
        "        yield noise(i + 1)",
        "",
        "",
        "scheduler.set_sigmas = set_sigmas",
        "for seed in list(seeds):",
        "    seeds, drawn = [seed], draws()",
        "    pipeline_score_sde_ve.randn_tensor = scheduling_sde_ve.randn_tensor = lambda *_, **__: next(drawn)",
        '    image = pipeline(num_inference_steps=len(times), output_type="np").images[0]',
        `    ${SAVED}`,
      ],
    };
  },
  /** Return the parts of the script for this pipeline. The script sets x_T and replaces the noise that the pipeline draws. */
  ConsistencyModelPipeline(run, model, rows, label) {
    const classes = label === null ? "" : `class_labels=[${label}] * len(seeds), `;
    const numbers = literal(rows.map(([t]) => model.schedule.T - t).reverse());
    return {
      imports: ["from diffusers.schedulers import scheduling_consistency_models"],
      body: [
        `pipeline.scheduler.register_to_config(clip_denoised=${literal(run.clip)})`,
        "",
        "",
        ...noise(model),
        "",
        "",
        `streams = iter(range(1, ${rows.length + 1}))  # diffusers draws its own noise`,
        "scheduling_consistency_models.randn_tensor = lambda *_, **__: noise(next(streams))",
        `x_T = (1 + 1 / ${general(model.pipeline?.sigma ?? 0)} ** 2) ** 0.5 * noise(0)  # with some data left in it`,
        `images = pipeline(len(seeds), ${classes}num_inference_steps=None, timesteps=${numbers}, latents=x_T,`,
        '                  output_type="np").images',
        "for seed, image in zip(seeds, images):",
        `    ${SAVED}`,
      ],
    };
  },
};
