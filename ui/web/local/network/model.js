// A checkpoint in the Hub's layout as a model that this page computes: the twin of ddpm_core/checkpoint/load.py.
import { schedule } from "../process/schedule.js";
import { checked, checkedUnet } from "./config.js";
import { decoder } from "./decoder.js";
import { compile, Memory } from "./kernel.js";
import { textEncoder, tokenizer } from "./text.js";
import { unet } from "./unet.js";
import { Weights } from "./weights.js";

/** @import { Condition } from "./unet.js" */
/** @typedef {Record<string, any>} Json */
/**
 * The bytes of a checkpoint's file, by its path in the checkpoint; null where there is no such file. It throws an Error
 * with one sentence where the file can't be had.
 * @typedef {(path: string) => Promise<ArrayBuffer | null>} Read
 */

/**
 * @typedef {object} Model
 * @property {number} T
 * @property {Float64Array} beta length T + 1 @property {Float64Array} alphaBar the same, with alphaBar[0] = 1
 * @property {"epsilon" | "x0" | "v" | "mu"} prediction
 * @property {string} variance the checkpoint's own
 * @property {boolean} clip
 * @property {number} offset what the spacing "leading" adds to each of its times
 * @property {number} channels of the state, and numbers a side @property {number} size
 * @property {number} pictureChannels of what is shown, and pixels a side @property {number} pictureSize
 * @property {number} classes @property {string[]} classNames @property {number | null} nullLabel
 * @property {Json | null} student as ddpm_core.json has it
 * @property {any} gamma as analytic_variance.json has it @property {any} optimised as optimised_steps.json has it
 * @property {number} parameters of the network
 * @property {(x: Float32Array, tIndex: number, condition: Condition) => Float32Array} network of one image, tIndex = t − 1
 * @property {((z: Float32Array) => Float32Array) | null} decode a state into a picture, about in [−1, 1]; null for pixels
 * @property {((prompt: string) => Float32Array) | null} words
 */

const WEIGHTS = "diffusion_pytorch_model.safetensors";
/** @type {Record<string, Model["prediction"]>} by diffusers' names */
const PREDICTIONS = { epsilon: "epsilon", sample: "x0", v_prediction: "v", mu: "mu" };
/** @type {Record<string, string>} */
const VARIANCES = { fixed_small: "beta_tilde", fixed_large: "beta" };
const AUTOENCODERS = ["AutoencoderTiny", "AutoencoderKL", "VQModel"];

/** @type {Promise<WebAssembly.Module | null> | undefined} */
let kernel;
function fetched() {
  kernel ??= fetch(new URL("kernel.wasm", import.meta.url)).then(async (answer) => {
    if (answer.ok) return compile(await answer.arrayBuffer());
    throw new Error("a file of the page could not be loaded: load the page again");
  });
  return kernel;
}

/**
 * The model of a checkpoint. Throws an Error with one sentence for what can't be computed here.
 * @param {Read} read @param {string} name for sentences
 * @param {WebAssembly.Module | null} [code] what `compile` gave of kernel.wasm; null computes in JavaScript
 * @returns {Promise<Model>}
 */
export async function load(read, name, code) {
  try {
    return await opened(read, new Memory(code === undefined ? await fetched() : code));
  } catch (error) {
    kernel = undefined;
    throw new Error(`${name}: ${/** @type {Error} */ (error).message}`);
  }
}

/** @param {Read} read @param {Memory} memory @returns {Promise<Model>} */
async function opened(read, memory) {
  /** The object in a JSON file, or null. @param {string} path @returns {Promise<Json | null>} */
  async function json(path) {
    const bytes = await read(path);
    if (!bytes) return null;
    let content;
    try {
      content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      throw new Error(`${path} cannot be read as JSON`);
    }
    if (typeof content !== "object" || !content || Array.isArray(content))
      throw new Error(`${path} must hold a JSON object`);
    return content;
  }
  /** @param {string} path */
  async function weights(path) {
    const file = await read(path);
    if (file) return { file, tensors: new Weights(file, path) };
    throw new Error(
      `it has no ${path}: weights in other files, such as .bin, which are pickles, are not read in the browser`,
    );
  }

  const [inFolder, atRoot] = await Promise.all([json("unet/config.json"), json("config.json")]);
  const [folder, config] = inFolder ? ["unet/", inFolder] : ["", atRoot];
  if (!config) throw new Error("it is not a UNet2DModel checkpoint: there is no config.json at its root or in unet/");
  const small = ["scheduler/scheduler_config.json", "scheduler_config.json", "model_index.json", "ddpm_core.json"];
  const [near, far, index, own] = await Promise.all(small.map(json));
  const scheduler = near ?? far;
  if (!scheduler) throw new Error("it has no scheduler_config.json, at its root or in scheduler/");
  const [vae, vqvae, clip] = await Promise.all(
    folder ? ["vae", "vqvae", "text_encoder"].map((part) => json(`${part}/config.json`)) : [],
  );
  const [place, autoencoder] = vae ? ["vae", vae] : ["vqvae", vqvae ?? null];
  const text = autoencoder && clip ? checked(clip, "CLIPTextModel") : null;

  checkKind(config, index ?? {}, autoencoder, text);
  const net = checkedUnet(config, config._class_name);
  const { sample_size: size, in_channels: channels } = net;
  const drawn = process(scheduler, own ?? {}, autoencoder === null);
  if (net.out_channels !== channels * (drawn.variance.startsWith("learned") ? 2 : 1))
    throw new Error(
      `the network gives ${net.out_channels} channels, which does not fit ${channels} with variance ${drawn.variance}`,
    );
  if (net.time_embedding_type === "learned" && !(net.num_train_timesteps >= drawn.T))
    throw new Error(
      `the schedule has ${drawn.T} times, but config.json's num_train_timesteps is ${net.num_train_timesteps}`,
    );
  const told = classes(net.num_class_embeds ?? 0, own ?? {});
  const student = studentOf(own ?? {}, drawn.T);
  const latent = autoencoder && checked(autoencoder, autoencoder._class_name);
  if (latent) checkLatent(latent, net, text);
  const words = text && (await wordsOf(text, json, read, weights, memory));
  const decode = latent && decoder(memory, (await weights(`${place}/${WEIGHTS}`)).tensors, latent);
  const { file, tensors } = await weights(folder + WEIGHTS);
  const network = unet(memory, tensors, net);
  const sidecars = await Promise.all(["analytic_variance.json", "optimised_steps.json"].map(json));
  const [gamma, optimised] = await Promise.all(sidecars.map((content) => ofWeights(content, file)));
  const levels = latent ? (latent.decoder_block_out_channels ?? latent.block_out_channels).length - 1 : 0;
  return {
    ...drawn,
    ...told,
    ...{ channels, size, pictureChannels: latent ? 3 : channels, pictureSize: size * 2 ** levels },
    ...{
      student,
      gamma: gammaOf(gamma, drawn.T),
      optimised: optimisedOf(optimised, drawn.T),
      parameters: tensors.count,
    },
    network: (x, tIndex, condition) => network(x, tIndex, condition ?? told.nullLabel),
    decode:
      decode &&
      latent &&
      ((z) =>
        decode(
          z.map((value) => Math.fround(value / latent.scaling_factor) + (latent.shift_factor ?? 0)),
          size,
        )),
    words,
  };
}

/** @param {Json} config @param {Json} index @param {Json | null} autoencoder @param {Json | null} text */
function checkKind(config, index, autoencoder, text) {
  const expected = text ? "UNet2DConditionModel" : "UNet2DModel";
  const kind = config._class_name;
  if (kind !== expected)
    throw new Error(
      `the network is a ${kind ?? "model without a class name"}: only a ${expected} can be loaded ${text ? "beside" : "without"} a text encoder`,
    );
  if (autoencoder && !AUTOENCODERS.includes(autoencoder._class_name))
    throw new Error(`the autoencoder is a ${autoencoder._class_name}: ${AUTOENCODERS.join(", ")} are supported`);
  const known = ["unet", "scheduler", "safety_checker", "feature_extractor"];
  if (autoencoder) known.push("vae", "vqvae");
  if (text) known.push("text_encoder", "tokenizer");
  const others = Object.keys(index).filter(
    (key) => Array.isArray(index[key]) && index[key].some(Boolean) && !known.includes(key),
  );
  if (others.length)
    throw new Error(`the pipeline also needs ${others.slice(0, 5).join(", ")}: only one U-Net can be loaded`);
}

/** @param {Json} latent @param {Json} net @param {Json | null} text */
function checkLatent(latent, net, text) {
  if (latent.latent_channels !== net.in_channels)
    throw new Error(
      `the network draws ${net.in_channels} channels, and the autoencoder's latents have ${latent.latent_channels}`,
    );
  if (text && text.hidden_size !== net.cross_attention_dim)
    throw new Error(
      `the text encoder gives ${text.hidden_size} numbers a token, and the network takes ${net.cross_attention_dim}`,
    );
  const widths = latent.decoder_block_out_channels ?? latent.block_out_channels;
  for (const key of ["num_decoder_blocks", "up_block_types"])
    if (latent[key] && latent[key].length !== widths.length)
      throw new Error(`${key} must have ${widths.length} entries`);
}

/** Schedule, prediction, variance and clip. @param {Json} config @param {Json} own @param {boolean} pixels */
function process(config, own, pixels) {
  if (config.beta_schedule === undefined && !config.trained_betas)
    throw new Error(
      `${config._class_name ?? "the scheduler"} is not a DDPM or DDIM scheduler: scheduler_config.json has no beta_schedule`,
    );
  const found = checked(config, "scheduler");
  const clip = found.clip_sample ?? pixels;
  if (clip && found.clip_sample_range !== 1)
    throw new Error(`clip_sample_range is ${found.clip_sample_range}: only 1, or clip_sample false, is supported`);
  const kind = found.prediction_type ?? (found.predict_epsilon ? "epsilon" : "sample");
  if (own.prediction !== undefined && !Object.values(PREDICTIONS).includes(own.prediction))
    throw new Error(`unknown prediction ${JSON.stringify(own.prediction)}`);
  const variance = (found.variance_type ?? "fixed_small").replace("_log", "");
  /** @type {Model["prediction"]} */
  const prediction = own.prediction ?? PREDICTIONS[kind];
  return {
    ...schedule(config),
    prediction,
    variance: VARIANCES[variance] ?? variance,
    clip,
    offset: pixels ? 0 : found.steps_offset,
  };
}

/** @param {number} embeddings @param {Json} own */
function classes(embeddings, { null_label: nullLabel = null, class_names: classNames = null }) {
  const count = embeddings - (nullLabel === null ? 0 : 1);
  if (nullLabel !== null && (nullLabel !== count || count < 1))
    throw new Error(
      `null_label must be the last of the ${embeddings} class embeddings, got ${JSON.stringify(nullLabel)}`,
    );
  const named = Array.isArray(classNames) && classNames.every((one) => typeof one === "string");
  if (classNames !== null && !(named && classNames.length === count))
    throw new Error(`class_names must be a list of ${count} names, got ${JSON.stringify(classNames)}`);
  return { classes: count, nullLabel, classNames: classNames ?? Array.from({ length: count }, (_, i) => `${i}`) };
}

/** Whether times descend from `first`, or from T at most. @param {unknown} times @param {number} T @param {number} [first] */
const descend = (times, T, first) =>
  Array.isArray(times) &&
  times.length > 0 &&
  times.every((t, i) => Number.isInteger(t) && t >= 1 && t < (times[i - 1] ?? T + 1)) &&
  times[0] === (first ?? times[0]);

/** @param {Json} own @param {number} T @returns {Json | null} */
function studentOf({ student = null }, T) {
  if (student === null) return null;
  if (!["consistency", "progressive"].includes(student.method))
    throw new Error(`unknown method ${JSON.stringify(student.method)} of a student`);
  if (!descend(student.times, T, T))
    throw new Error(`a student's times descend from ${T} to 1 or later, got ${JSON.stringify(student.times)}`);
  return student;
}

/** What is kept beside weights, if it is of these weights. @param {Json | null} content @param {ArrayBuffer} file */
async function ofWeights(content, file) {
  if (!content || !globalThis.crypto?.subtle) return content; // there is none without https: then the folder is believed
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", file));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return content.weights_sha256 === hex ? content : null;
}

/** @param {Json | null} content @param {number} T */
function gammaOf(content, T) {
  const { times, gamma } = content ?? {};
  if (
    content &&
    !(
      descend([...(times ?? [])].reverse(), T) &&
      gamma?.length === times.length &&
      gamma.every((/** @type {unknown} */ g) => Number(g) >= 0)
    )
  )
    throw new Error("analytic_variance.json is not a table of Γ_t");
  return content;
}

/** @param {Json | null} content @param {number} T */
function optimisedOf(content, T) {
  for (const chains of Object.values(content?.times ?? {}))
    for (const [n, text] of Object.entries(chains)) {
      const times = `${text}`.split(" ").map(Number);
      if (times.length !== Number(n) || !descend(times, T))
        throw new Error("optimised_steps.json is not a list of optimised steps");
    }
  return content;
}

/** @param {Json} text @param {(path: string) => Promise<Json | null>} json @param {Read} read @param {(path: string) => Promise<{ tensors: Weights }>} weights @param {Memory} memory */
async function wordsOf(text, json, read, weights, memory) {
  const [whole, options, vocabulary, merges] = await Promise.all([
    json("tokenizer/tokenizer.json"),
    json("tokenizer/tokenizer_config.json"),
    json("tokenizer/vocab.json"),
    read("tokenizer/merges.txt"),
  ]);
  const lines = merges
    ? new TextDecoder()
        .decode(merges)
        .split("\n")
        .filter((line) => line && !line.startsWith("#version"))
    : [];
  const known = whole?.model?.vocab ?? vocabulary ?? {};
  const pad = options?.pad_token?.content ?? options?.pad_token ?? "<|endoftext|>";
  const length = Math.min(options?.model_max_length ?? Number.POSITIVE_INFINITY, text.max_position_embeddings);
  const tokens = tokenizer(known, whole?.model?.merges ?? lines, pad, length);
  if (Object.keys(known).length > text.vocab_size)
    throw new Error("the tokenizer has more tokens than the text encoder");
  const encode = textEncoder(memory, (await weights("text_encoder/model.safetensors")).tensors, text);
  return (/** @type {string} */ prompt) => encode(tokens(prompt));
}
