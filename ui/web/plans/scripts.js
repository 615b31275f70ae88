// Scripts that repeat a run: with ddpm_core, and with diffusers alone.

import { UserError } from "../process/errors.js";
import { DEFAULTS, isOwn } from "../process/samplers.js";
import { general } from "../words/floats.js";
import { ascii, asFloat, code, keywords, literal, range, tuple, typed } from "../words/literal.js";
import { SCRIPT } from "../words/wrong.js";
import { noise, script as withPipeline } from "./pipelines.js";
import { args, optionsOf } from "./settings.js";
import { cellSize } from "./touch.js";

/** @import { Values } from "../messages/client.js" */
/** @import { Facts, Scripts } from "./plan.js" */
/** @import { SamplingPlan } from "./sampling.js" */
/** @import { Lane } from "./settings.js" */
/** @import { Change, Touches } from "./touch.js" */
/** @import { Row } from "../process/runs.js" */
/** @import { Catalogue } from "../words/catalogue.js" */

const INSTALLED =
  "# ddpm_core is the library of DDPM Lab. To install it, run this in the folder of its code: pip install .";
const DRAWN = ["labels", "prompts", "negative", "guidance"];
/** The names of solvers in diffusers. @type {Record<string, string>} */
const SOLVERS = { "dpm++": "DPMSolverMultistepScheduler", unipc: "UniPCMultistepScheduler" };

/**
 * The parts of a plan that a script repeats.
 * @typedef {Pick<SamplingPlan, "lanes" | "models" | "rows" | "touches">} Run
 */

/**
 * Return both scripts, or the reason why diffusers can't repeat the run. A grid has no script.
 * @param {Run} run
 * @param {Catalogue} catalogue
 * @returns {Scripts}
 */
export function forRun(run, catalogue) {
  if (run.lanes.length > 2) return { python: "", diffusers: "", why: SCRIPT.grid };
  const script = copied(() => python(run, catalogue));
  try {
    return { python: script, diffusers: ascii(diffusers(run)), why: "" };
  } catch (error) {
    return { python: script, diffusers: "", why: sentence(error) };
  }
}

/** Return a script that begins with a comment about the library. If the script is impossible, return a comment with the reason. @param {() => string} script writes the script */
export function copied(script) {
  try {
    return `${INSTALLED}\n${ascii(script())}`;
  } catch (error) {
    return `# ${sentence(error)}\n`;
  }
}

/**
 * Return an error's sentence for the visitor. An error in our code is thrown again.
 * @param {unknown} error
 */
function sentence(error) {
  if (error instanceof UserError) return error.message;
  throw error;
}

/**
 * Write the script that repeats a run with ddpm_core. Throws if only this page has the model.
 * @param {Run} run
 * @param {Catalogue} catalogue
 */
function python({ lanes, models, touches }, catalogue) {
  const [first, other] = lanes;
  const seeds = range(first.seed, first.count);
  const all = lanes.map((lane, i) => withOwn(typed(args(lane, models[i]))));
  const drawn = all.map(drawnOf);
  const isShared = (/** @type {string} */ name) =>
    drawn.every((each) => literal(each[name]) === literal(drawn[0][name]));
  const shared = { seeds, clip: first.clip, ...picked(drawn[0], isShared) };
  const ways = all.map((given, i) => ({
    ...picked(given, (name) => !["seeds", "clip", ...DRAWN].includes(name)),
    ...picked(drawn[i], (name) => !isShared(name)),
  }));
  const loaded = `model = ${load(first.checkpoint, models[0])}`;
  const plain = ["from PIL import Image", "", "import ddpm_core", ""];
  const owned = importsOfOwn(lanes.map(({ sampler }) => sampler));
  const saved = (/** @type {string} */ name) => `Image.fromarray(image.squeeze()).save(f"${name}.png")`;
  if (!other)
    return lines(
      ...plain.slice(0, -1),
      ...owned,
      "",
      loaded,
      `images = ddpm_core.sample(model, ${keywords({ ...shared, ...ways[0] })})  # uint8 (N, H, W, C)`,
      `for seed, image in zip(${literal(seeds)}, images):`,
      `    ${saved("seed-{seed}")}`,
    );
  const sameModel = other.checkpoint === first.checkpoint;
  if (touches.size) ways[1].on_step = code("on_step");
  if (!sameModel) ways[1].model = code("other");
  return lines(
    ...(touches.size ? catalogue.words.script.imports.split("\n") : plain).slice(0, -1),
    ...owned,
    "",
    loaded,
    ...(touches.size ? touching(touches, first, models[0], catalogue.words.script.touch) : []),
    ...(sameModel ? [] : [`other = ${load(other.checkpoint, models[1])}`]),
    "lanes = [",
    ...ways.map((way) => `    ${literal(way)},`),
    "]",
    "last = {}",
    `for lane, step in ddpm_core.side_by_side(model, lanes=lanes, ${keywords(shared)}):`,
    "    last[lane] = step.x",
    "for lane, x in last.items():",
    `    for seed, image in zip(${literal(seeds)}, ${sameModel ? "model" : "[model, other][lane]"}.pictures(x)):`,
    `        ${saved("lane-{lane}-seed-{seed}")}`,
  );
}

/** Replace a sampler that the page's owner has added by its Python name. @param {Values} given @returns {Values} */
function withOwn(given) {
  const name = String(given.sampler);
  return isOwn(name) ? { ...given, sampler: code(name.split(":")[1]) } : given;
}

/** Return the lines that import the samplers of the page's owner. @param {string[]} samplers */
const importsOfOwn = (samplers) =>
  [...new Set(samplers.filter(isOwn))].map((name) => name.replace(/^(.*):(.*)$/, "from $1 import $2"));

/**
 * Return the lines of a script that define `on_step`, which repeats what the visitor changed by hand.
 * @param {Touches} touches @param {Lane} lane @param {Facts} model @param {string} source Python code of the functions that make the changes
 */
function touching(touches, { seed, count }, { image_size }, source) {
  const asTuple = (/** @type {Change} */ [what, strength, cells]) =>
    tuple([Array.isArray(what) ? what.map(asFloat) : what, asFloat(strength), cells.map(tuple)]);
  const at = new Map([...touches].map(([s, [signal, all]]) => [s, tuple([asFloat(signal), all.map(asTuple)])]));
  const options = keywords({ at, seeds: range(seed, count), cell: cellSize(image_size) });
  return ["", "", ...source.split("\n"), "", "", `on_step = partial(touch, ${options})`];
}

/**
 * Return a checkpoint's name with the revision that was loaded. Throws if only this page has the model.
 * @param {string} ref @param {Facts} model
 */
function reference(ref, { source }) {
  // Visitors pass scripts on, so a script must not reveal the folders of this machine.
  if (source && ref !== source.ref) throw new UserError(SCRIPT.onlyHere);
  return source?.revision ? `${ref.split("@")[0]}@${source.revision}` : ref;
}

/** Return the Python expression that loads a checkpoint, with the page's precision. Throws if only this page has the model. @param {string} ref @param {Facts} model */
export const load = (ref, model) =>
  `ddpm_core.load(${literal(reference(ref, model))}${model.precision ? `, precision=${literal(model.precision)}` : ""})`;

/** Return the lines that turn a picture's text into a uint8 array. The script must import base64, zlib and np. @param {string} name @param {string} text @param {number[]} shape */
export const picture = (name, text, shape) => [
  `pixels = bytearray(zlib.decompress(base64.urlsafe_b64decode("${text}")))`,
  `${name} = np.frombuffer(pixels, np.uint8).reshape${literal(tuple(shape))}`,
];

/**
 * Return the first lines of a script that makes rows of pictures.
 * @param {string} ref @param {Facts} model @param {Values} options arguments of all chains: see `args` of plans/settings.js
 */
export const rowsHead = (ref, model, options) => [
  "import numpy as np",
  "from PIL import Image",
  "",
  "import ddpm_core",
  "from ddpm_core.imaging import grid",
  ...importsOfOwn([String(options.sampler)]),
  "",
  `model = ${load(ref, model)}`,
  `options = ${literal(withOwn(picked(typed(options), (_, value) => value !== null)))}`,
];

/** Return the last line of a script that makes rows of pictures. This line saves all pictures as one image. @param {number} columns @param {string} name */
export const rowsSaved = (columns, name) =>
  `Image.fromarray(grid(np.concatenate(rows), ${columns}).squeeze()).save("${name}.png")`;

/** Write a script that repeats a run with diffusers alone. Throws a UserError with the reason if diffusers can't repeat the run. @param {Run} run */
function diffusers({ lanes: [run, other], models: [model], rows: [steps] }) {
  if (other) throw new UserError(other.touch ? SCRIPT.touched : SCRIPT.lanes);
  const times = timesOf(run, model, steps);
  reference(run.checkpoint, model);
  for (const [name, value] of Object.entries(optionsOf(run)))
    if (!["variance", "eta"].includes(name) && value !== DEFAULTS[name]) throw new UserError(SCRIPT.option(name));
  if (model.coordinates === "TrainedOn") throw new UserError(SCRIPT.schedule);
  if (model.coordinates) return withPipeline(run, model, steps, args(run, model).labels, times);
  refuse(run, model);
  const { home } = model;
  const folder = folderOf(model);
  // In a checkpoint, the network and the scheduler may each have their own folder.
  const unet = home.where + (folder ? `, subfolder=${literal(folder)}` : "");
  const scheduler = home.where + (home.has_scheduler ? ", subfolder='scheduler'" : "");
  const sampler = SAMPLERS[run.sampler](run, model, times, scheduler);
  const [call, guided] = callOf(run, model);
  const kind = model.takes_words ? "UNet2DConditionModel" : "UNet2DModel";
  const network = folder === "transformer" ? "DiTTransformer2DModel" : kind;
  const latent = latentOf(model);
  return lines(
    "import numpy as np",
    "import torch",
    `from diffusers import ${[...sampler.classes, network, ...latent.classes].sort().join(", ")}`,
    ...(sampler.imports ?? []),
    "from PIL import Image",
    ...latent.imports,
    "",
    `seeds = ${literal(range(run.seed, run.count))}`,
    `unet = ${network}.from_pretrained(${unet})`,
    ...latent.load,
    ...sampler.scheduler,
    "",
    "",
    ...noise(model),
    ...guided,
    "",
    "",
    "x = noise(0)",
    "for i, t in enumerate(scheduler.timesteps):",
    ...(sampler.before ?? []),
    "    with torch.no_grad():",
    // If the variance is learned, the network's output has additional channels for it
    `        output = ${call}${model.variance.startsWith("learned") ? `[:, :${model.channels}]` : ""}`,
    ...sampler.step,
    ...latent.decode,
    "images = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()",
    "for seed, image in zip(seeds, images):",
    '    Image.fromarray(image.squeeze()).save(f"seed-{seed}.png")',
  );
}

/** Throw a UserError with the reason if diffusers' schedulers can't repeat the run. @param {Lane} run @param {Facts} model */
function refuse(run, { schedule, prediction, home }) {
  const { sampler, spacing, steps, eta, variance } = run;
  if (sampler === "ddim" && (spacing !== "trailing" || schedule.T % steps || eta)) throw new UserError(SCRIPT.ddim);
  if (!(sampler in SAMPLERS)) throw new UserError(SCRIPT.sampler);
  if (sampler === "ddpm" && !(variance in KINDS)) throw new UserError(SCRIPT.ddpm);
  if (prediction === "mu" || prediction === "flow") throw new UserError(SCRIPT.prediction);
  if (home.own_class) throw new UserError(SCRIPT.ownClass);
}

/**
 * The lines of a script that depend on the sampler. classes: names to import from diffusers. before, step: lines of
 * the loop, before and after the call of the network.
 * @typedef {{ classes: string[], scheduler: string[], step: string[], imports?: string[], before?: string[] }} Sampler
 */

/** The names of the variances in diffusers. @type {Record<string, string>} */
const KINDS = { beta: "fixed_large", beta_tilde: "fixed_small" };

/**
 * For each sampler, the function that writes its lines. scheduler: the Python arguments that name the scheduler's
 * files.
 * @type {Record<string, (run: Lane, model: Facts, times: string, scheduler: string) => Sampler>}
 */
const SAMPLERS = {
  ddpm: ({ variance, clip }, _, times, scheduler) => ({
    classes: ["DDPMScheduler"],
    scheduler: [
      `scheduler = DDPMScheduler.from_pretrained(${scheduler}, variance_type=${literal(KINDS[variance])},`,
      `                                          clip_sample=${literal(clip)})`,
      `scheduler.set_timesteps(timesteps=${times})`,
    ],
    step: ["    x = scheduler.step(output, t, x).prev_sample"],
    imports: ["from diffusers.schedulers import scheduling_ddpm"],
    before: [
      "    last = i + 1 == len(scheduler.timesteps)",
      "    # diffusers draws its own noise, and with fixed_large may add some in the last step, too",
      "    scheduling_ddpm.randn_tensor = lambda *_, **__: torch.zeros_like(x) if last else noise(i + 1)",
    ],
  }),
  // `refuse` has excluded runs with noise, and runs at times that diffusers can't choose.
  ddim: ({ clip, steps }, _, __, scheduler) => ({
    classes: ["DDIMScheduler"],
    scheduler: [
      `scheduler = DDIMScheduler.from_pretrained(${scheduler}, clip_sample=${literal(clip)},`,
      "                                          set_alpha_to_one=True, timestep_spacing='trailing')",
      `scheduler.set_timesteps(${steps})`,
    ],
    step: ["    x = scheduler.step(output, t, x, use_clipped_model_output=True).prev_sample"],
  }),
  "dpm++": solver,
  unipc: solver,
};

/**
 * Write the lines of DPM-Solver++ or UniPC. The script passes x̂_0, because diffusers does not clip x̂_0 for these
 * solvers. The script also passes our times.
 * @param {Lane} run @param {Facts} model @param {string} times @param {string} scheduler @returns {Sampler}
 */
function solver({ sampler, clip }, { prediction, schedule }, times, scheduler) {
  const name = SOLVERS[sampler];
  /** @type {Record<string, string>} */
  const guesses = {
    epsilon: "(x - (1 - alpha_bar[t]).sqrt() * output) / alpha_bar[t].sqrt()",
    v: "alpha_bar[t].sqrt() * x - (1 - alpha_bar[t]).sqrt() * output",
    x0: "output",
  };
  return {
    classes: ["DDPMScheduler", name],
    scheduler: [
      `alpha_bar = DDPMScheduler.from_pretrained(${scheduler}).alphas_cumprod`,
      `times = ${times}`,
      `scheduler = ${name}(num_train_timesteps=${schedule.T}, prediction_type='sample',`,
      `            ${" ".repeat(name.length)}final_sigmas_type='zero')`,
      "scheduler.set_timesteps(len(times))",
      "scheduler.timesteps = torch.tensor(times)  # in the place of its own",
      "scheduler.sigmas = torch.cat([((1 - alpha_bar) / alpha_bar).sqrt()[times], torch.zeros(1)])",
    ],
    step: [
      `    x_0 = ${guesses[prediction]}`,
      ...(clip ? ["    x_0 = x_0.clamp(-1, 1)"] : []),
      "    x = scheduler.step(x_0, t, x).prev_sample",
    ],
  };
}

/** Return the additional lines for a latent model. classes: names to import from diffusers. @param {Facts} model */
function latentOf({ home: { where, autoencoder }, takes_words }) {
  /** @type {{ classes: string[], imports: string[], load: string[], decode: string[] }} */
  const none = { classes: [], imports: [], load: [], decode: [] };
  if (!autoencoder) return none;
  const { folder, kind, scale, shift } = autoencoder;
  const z = `x / ${general(scale)}${shift ? ` + ${general(shift)}` : ""}`;
  const load = [`vae = ${kind}.from_pretrained(${where}, subfolder=${literal(folder)})`];
  const decoding = {
    ...none,
    classes: [kind],
    load,
    decode: ["with torch.no_grad():", `    x = vae.decode(${z}).sample`],
  };
  if (!takes_words) return decoding;
  load.push(
    `tokenizer = CLIPTokenizer.from_pretrained(${where}, subfolder='tokenizer')`,
    `encoder = CLIPTextModel.from_pretrained(${where}, subfolder='text_encoder')`,
    "",
    "",
    "@torch.no_grad()",
    "def words(prompt):",
    "    options = dict(padding='max_length', max_length=tokenizer.model_max_length, truncation=True)",
    "    return encoder(tokenizer([prompt] * len(seeds), return_tensors='pt', **options).input_ids)[0]",
    "",
    "",
  );
  return { ...decoding, imports: ["from transformers import CLIPTextModel, CLIPTokenizer"] };
}

/** Return the folder of the network's files in the checkpoint, or "". @param {Facts} model */
function folderOf({ source }) {
  const parts = (source?.file ?? "").split("/");
  return parts.length > 1 ? parts[0] : "";
}

/** Return the Python expression that calls the network, and the lines of its function for guidance. @param {Lane} run @param {Facts} model @returns {[string, string[]]} */
function callOf(run, model) {
  const time = folderOf(model) === "transformer" ? "t.expand(len(seeds))" : "t";
  const labelled = (/** @type {unknown} */ label) =>
    `unet(x, ${time}, torch.full((len(seeds),), ${literal(label)})).sample`;
  const worded = (/** @type {unknown} */ prompt) => `unet(x, t, words(${literal(prompt)})).sample`;
  const { labels } = args(run, model);
  const label = labels ?? (model.num_classes ? model.null_label : null);
  if (!model.takes_words && label === null) return ["unet(x, t).sample", []];
  const [call, baseline] = model.takes_words
    ? [worded(run.prompt), worded(run.negative)]
    : [labelled(label), labelled(model.null_label)];
  if (run.guidance === 1) return [call, []];
  const guided = [
    "",
    "",
    "def guided(conditional, unconditional, w):",
    "    return unconditional + w * (conditional - unconditional)",
  ];
  return [`guided(${call}, ${baseline}, ${general(Number(run.guidance))})`, guided];
}

/** Return a Python expression with t − 1 of each step of a run. @param {Lane} run @param {Facts} model @param {Row[]} rows */
function timesOf({ spacing, steps }, { schedule }, rows) {
  if (spacing === "linspace" && steps > 1)
    return `np.linspace(0, ${schedule.T - 1}, ${steps}).round().astype(int)[::-1].tolist()`;
  return literal(rows.map(([t]) => t - 1));
}

/** Pick the arguments of the condition. @param {Values} all @returns {Values} */
const drawnOf = (all) =>
  Object.fromEntries(DRAWN.filter((name) => (all[name] ?? null) !== null).map((name) => [name, all[name]]));

/** Pick the wanted values. @param {Values} values @param {(name: string, value: unknown) => boolean} wanted @returns {Values} */
const picked = (values, wanted) =>
  Object.fromEntries(Object.entries(values).filter(([name, value]) => wanted(name, value)));

/** Join lines to a script. @param {...string} all */
export const lines = (...all) => `${all.join("\n")}\n`;
