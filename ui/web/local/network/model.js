// A checkpoint in the Hub's layout as a model that this page computes: the twin of ddpm_core/checkpoint/load.py.
import { schedule } from "../../process/schedule.js";
import { checked, checkedUnet } from "./config.js";
import { cost } from "./cost.js";
import { compile, Memory } from "./kernel.js";
import { unet } from "./unet.js";
import { Weights } from "./weights.js";

/** @import { Readers } from "./readers.js" */
/** @import { Condition, Config } from "./unet.js" */
/** @import { Probe } from "../../process/predict.js" */
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
 * @property {boolean} [exploding] as a Schedule has it
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
 * @property {(x: Float32Array, tIndex: number, condition: Condition, probe?: Probe) => Float32Array} network of one image,
 *   tIndex = t − 1; with a GPU it gives promises
 * @property {Config} config of the network
 * @property {() => Promise<Readers | null>} readers of its blocks, null where none were fitted for these weights
 * @property {string} engine what computes it, for people
 * @property {number | null} seconds what one evaluation is expected to take, about; null where a GPU computes
 * @property {((z: Float32Array) => Float32Array) | null} decode a state into a picture, about in [−1, 1]; null for pixels
 * @property {Words | null} words
 * @property {((x: Float32Array, tIndex: number, states: Float32Array) => Float32Array) | null} attention to each token, a map of the state's size
 */
/**
 * The condition of a prompt; its words; those of them that were in no caption of the training.
 * @typedef {((prompt: string) => Float32Array) & { found: (prompt: string) => import("./text.js").Word[], unknown: (prompt: string) => string[] }} Words
 */

const CLIP = 49408; // tokens of CLIP's own vocabulary, which has pieces for words that it knows, too
const LARGE = 2e6; // weights from which a GPU is worth its start
// Bytes of a JSON file, and of readers or a tokenizer's, as in ddpm_core/checkpoint/config/fields.py.
const [LONGEST_JSON, LONGEST] = [500_000, 16_000_000];
const READERS = "readers.safetensors";
const SENTENCE = 300; // characters: a file may have names of any length
/** Multiplications a second, about. @type {Record<string, number>} */
const PACES = { WebAssembly: 5e9, JavaScript: 5e8 };
const WEIGHTS = "diffusion_pytorch_model.safetensors";
/** @type {Record<string, Model["prediction"]>} by diffusers' names */
const PREDICTIONS = { epsilon: "epsilon", sample: "x0", v_prediction: "v", mu: "mu" };
/** @type {Record<string, string>} */
const VARIANCES = { fixed_small: "beta_tilde", fixed_large: "beta" };

/** @type {Promise<WebAssembly.Module | null> | undefined} */
let kernel;
function fetched() {
  kernel ??= fetch(new URL("kernel.wasm", import.meta.url))
    .catch(() => null)
    .then(async (answer) => {
      if (answer?.ok) return compile(await answer.arrayBuffer());
      throw new Error("a file of the page could not be loaded: load the page again");
    });
  return kernel;
}

/**
 * The model of a checkpoint. Throws an Error with one sentence for what can't be computed here.
 * @param {Read} read @param {string} name for sentences
 * @param {WebAssembly.Module | null} [code] what `compile` gave of kernel.wasm; null computes in JavaScript
 * @param {GPUDevice | null} [device] which computes instead where it can; otherwise only for a large model, if there is one
 * @returns {Promise<Model>}
 */
export async function load(read, name, code, device = null) {
  try {
    return await opened(read, new Memory(code === undefined ? await fetched() : code), device);
  } catch (error) {
    kernel = undefined; // to be fetched again
    const odd = error instanceof TypeError || error instanceof RangeError; // a file's value that nothing here expects
    const said = odd ? "its files are not those of a model that is supported" : /** @type {Error} */ (error).message;
    const short = said.length > SENTENCE ? `${said.slice(0, SENTENCE)}…` : said;
    throw new Error(`${name}: ${short}`, { cause: error });
  }
}

/** @param {Read} read @param {Memory} memory @param {GPUDevice | null} device @returns {Promise<Model>} */
async function opened(read, memory, device) {
  /** @type {Read} */
  async function small(path) {
    const bytes = await read(path);
    const most = path === READERS || path.startsWith("tokenizer/") ? LONGEST : LONGEST_JSON;
    if (bytes && bytes.byteLength > most)
      throw new Error(`${path} is larger than ${(most / 1000).toLocaleString("en")} kB`);
    return bytes;
  }
  /** The object in a JSON file, or null. @param {string} path @returns {Promise<Json | null>} */
  async function json(path) {
    const bytes = await small(path);
    if (!bytes) return null;
    try {
      const content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
      if (content instanceof Object && !Array.isArray(content)) return content;
    } catch {} // the same sentence
    throw new Error(`${path} cannot be read as a JSON object`);
  }
  /** @param {string} path */
  async function weights(path) {
    const file = await read(path);
    if (file) return new Weights(file, path);
    throw new Error(`it has no ${path}: weights in a .bin, which is a pickle, or in parts are not read in the browser`);
  }

  const [inFolder, atRoot] = await Promise.all([json("unet/config.json"), json("config.json")]);
  const [folder, config] = inFolder ? ["unet/", inFolder] : ["", atRoot];
  if (!config) throw new Error("it is not a UNet2DModel checkpoint: there is no config.json at its root or in unet/");
  const paths = ["scheduler/scheduler_config.json", "scheduler_config.json", "model_index.json", "ddpm_core.json"];
  const [near, far, index, own] = await Promise.all(paths.map(json));
  const scheduler = near ?? far;
  if (!scheduler) throw new Error("it has no scheduler_config.json, at its root or in scheduler/");
  const parts = folder ? ["vae/config.json", "vqvae/config.json", "text_encoder/config.json"] : [];
  const [vae = null, vqvae = null, clip = null] = await Promise.all(parts.map(json));
  const autoencoder = vae ?? vqvae;
  checkKinds(config, index ?? {}, autoencoder, autoencoder && clip);

  const net = checkedUnet(config, config._class_name);
  const latent = autoencoder && checked(autoencoder, "AutoencoderTiny");
  const text = latent && clip && checked(clip, "CLIPTextModel");
  const { sample_size: size, in_channels: channels } = net;
  const process = processOf(scheduler, own ?? {}, !latent);
  const classes = classesOf(net.num_class_embeds ?? 0, own ?? {});
  const student = studentOf(own?.student ?? null, process.T);
  checkFit(net, process, latent, text);
  const condition = text ? { length: text.hidden_size * text.max_position_embeddings } : 0;
  const work = cost((m, weights, make) =>
    unet(m, weights, net, make)(new Float32Array(), 0, /** @type {any} */ (condition)),
  );
  const decode =
    latent && (await decoderOf(latent, size, memory, () => weights(`${vae ? "vae" : "vqvae"}/${WEIGHTS}`)));
  const words = text && (await wordsOf(text, json, small, weights, memory));
  const tensors = await weights(folder + WEIGHTS);
  const sidecars = await Promise.all(["analytic_variance.json", "optimised_steps.json"].map(json));
  const hash = sha256(tensors.file);
  const [gamma, optimised] = (await Promise.all(sidecars.map((content) => ofWeights(content, hash)))).map(
    (content, i) => content && [gammaOf, chainsOf][i](content, process.T),
  );
  const { file } = tensors;
  const kernel = unet(memory, tensors, net);
  const more = device || tensors.count > LARGE ? await import("./gpu.js") : null;
  const found = device ?? (await more?.gpu().catch(() => null));
  const quick = more && found && (await more.onGpu(found, file, net, kernel));
  const network = quick ?? kernel;
  /** The condition where it is cut, when it was asked for. @type {Condition | undefined} */
  let none;
  const factor = latent ? 2 ** (latent.decoder_block_out_channels.length - 1) : 1;
  return {
    ...{
      ...process,
      ...classes,
      student,
      gamma,
      optimised,
      words,
      attention: kernel.attention,
      decode: decode && ((z) => decode(z, size)),
    },
    ...{
      channels,
      size,
      pictureChannels: latent ? 3 : channels,
      pictureSize: size * factor,
      parameters: tensors.count,
    },
    seconds: quick ? null : work / PACES[memory.kind],
    engine: quick ? "WebGPU" : memory.kind,
    config: net,
    async readers() {
      const file = await small(READERS);
      if (!file) return null;
      const { Readers } = await import("./readers.js"); // few runs look inside
      const found = new Readers(file);
      if (!(await ofWeights(found.about, hash))) return null;
      found.check(net);
      return found;
    },
    network(x, tIndex, condition, probe) {
      const time = probe?.cut?.has("time") ? Math.floor(process.T / 2) - 1 : tIndex;
      if (!probe?.cut?.has("condition")) return network(x, time, condition ?? classes.nullLabel, probe);
      none ??= words ? words("") : classes.nullLabel;
      return network(x, time, /** @type {Condition} */ (none), probe);
    },
  };
}

/** @param {Json} config @param {Json} index @param {Json | null} autoencoder @param {Json | null} text */
function checkKinds({ _class_name: kind = "model without a class name" }, index, autoencoder, text) {
  const expected = text ? "UNet2DConditionModel" : "UNet2DModel";
  if (kind !== expected)
    throw new Error(
      `the network is a ${kind}: only a ${expected} can be loaded ${text ? "beside" : "without"} a text encoder`,
    );
  if (autoencoder && autoencoder._class_name !== "AutoencoderTiny")
    throw new Error(
      `the autoencoder is a ${autoencoder._class_name}: in the browser only an AutoencoderTiny is supported`,
    );
  const known = ["unet", "scheduler", "safety_checker", "feature_extractor", ...(autoencoder ? ["vae", "vqvae"] : [])];
  if (text) known.push("text_encoder", "tokenizer");
  const needed = Object.keys(index).filter((key) => Array.isArray(index[key]) && index[key].some(Boolean));
  const others = needed.filter((key) => !known.includes(key));
  if (others.length) throw new Error(`the pipeline also needs ${others.join(", ")}: only one U-Net can be loaded`);
}

/** @param {Json} net @param {Json} process @param {Json | null} latent @param {Json | null} text */
function checkFit(net, { T, variance }, latent, text) {
  const { in_channels: channels, out_channels: given, num_train_timesteps: rows, cross_attention_dim: read } = net;
  if (given !== channels * (variance.startsWith("learned") ? 2 : 1))
    throw new Error(`the network gives ${given} channels, which does not fit ${channels} with variance ${variance}`);
  if (net.time_embedding_type === "learned" && !(rows >= T))
    throw new Error(`the schedule has ${T} times, but config.json's num_train_timesteps is ${rows}`);
  if (latent && latent.latent_channels !== channels)
    throw new Error(`the network draws ${channels} channels, and the latents have ${latent.latent_channels}`);
  if (latent && latent.num_decoder_blocks.length !== latent.decoder_block_out_channels.length)
    throw new Error(`num_decoder_blocks must be ${latent.decoder_block_out_channels.length} numbers`);
  if (text && text.hidden_size !== read)
    throw new Error(`the text encoder gives ${text.hidden_size} numbers a token, and the network takes ${read}`);
}

/** Schedule, prediction, variance and clip. @param {Json} config @param {Json} own @param {boolean} pixels */
function processOf(config, own, pixels) {
  if (config.beta_schedule === undefined && !config.trained_betas)
    throw new Error(
      `${config._class_name ?? "the scheduler"} is not a DDPM or DDIM scheduler: scheduler_config.json has no beta_schedule`,
    );
  const found = checked(config, "scheduler");
  const { clip_sample_range: reach, clip_sample: clip = null, steps_offset: offset } = found;
  if ((clip ?? pixels) && reach !== 1)
    throw new Error(`clip_sample_range is ${reach}: only 1, or clip_sample false, is supported`);
  const kind = PREDICTIONS[found.prediction_type ?? (found.predict_epsilon ? "epsilon" : "sample")];
  const prediction = /** @type {Model["prediction"]} */ (own.prediction ?? kind);
  if (!Object.values(PREDICTIONS).includes(prediction))
    throw new Error(`unknown prediction ${JSON.stringify(prediction)}`);
  if ((own.snr ?? null) !== null || (own.corrections ?? 1) !== 1)
    throw new Error("snr and corrections of its own are not supported in a browser");
  const variance = (found.variance_type ?? "fixed_small").replace("_log", "");
  const rest = { clip: clip ?? pixels, offset: pixels ? 0 : offset };
  return { ...schedule(config), prediction, variance: VARIANCES[variance] ?? variance, ...rest };
}

/** @param {number} embeddings @param {Json} own */
function classesOf(embeddings, { null_label: nullLabel = null, class_names: names = null }) {
  const classes = embeddings - (nullLabel === null ? 0 : 1);
  if (nullLabel !== null && (nullLabel !== classes || classes < 1))
    throw new Error(
      `null_label must be the last of the ${embeddings} class embeddings, got ${JSON.stringify(nullLabel)}`,
    );
  const named = Array.isArray(names) && names.length === classes && names.every((one) => typeof one === "string");
  if (names !== null && !named)
    throw new Error(`class_names must be a list of ${classes} names, got ${JSON.stringify(names)}`);
  return { classes, nullLabel, classNames: /** @type {string[]} */ (names ?? []) };
}

/** Whether these are times that descend, from T at most. @param {unknown} times @param {number} T */
const descend = (times, T) =>
  Array.isArray(times) &&
  times.length > 0 &&
  times.every((t, i) => Number.isInteger(t) && t > 0 && t < (times[i - 1] ?? T + 1));

/** @param {Json | null} student @param {number} T */
function studentOf(student, T) {
  if (student && !["consistency", "progressive"].includes(student.method))
    throw new Error(`unknown method ${JSON.stringify(student.method)} of a student`);
  if (student && !(descend(student.times, T) && student.times[0] === T))
    throw new Error(`a student's times descend from ${T} to 1 or later, got ${JSON.stringify(student.times)}`);
  return student;
}

/** In hexadecimal; null without https, where a browser has no digest. @param {ArrayBuffer} file */
async function sha256(file) {
  const digest = await globalThis.crypto?.subtle?.digest("SHA-256", file);
  return digest ? Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("") : null;
}

/** What is kept beside weights, if it is of these; without a hash the folder is believed. @param {Json | null} content @param {Promise<string | null>} hash */
async function ofWeights(content, hash) {
  const own = content && (await hash);
  return !own || content.weights_sha256 === own ? content : null;
}

/** What is used of a table of Γ. Throws for others. @param {Json} content @param {number} T */
function gammaOf({ times, gamma }, T) {
  const lists = Array.isArray(times) && Array.isArray(gamma) && gamma.length === times.length;
  if (lists && descend([...times].reverse(), T) && gamma.every((g) => Number.isFinite(g) && g >= 0))
    return { times, gamma };
  throw new Error("analytic_variance.json is not a table of Γ_t");
}

/** What is used of optimised steps. Throws for others. @param {Json} content @param {number} T */
function chainsOf({ times }, T) {
  const isChain = (/** @type {[string, any]} */ [n, text]) => {
    const chain = `${text}`.split(" ").map(Number);
    return chain.length === Number(n) && descend(chain, T);
  };
  const fit = (/** @type {unknown} */ of) => of instanceof Object && Object.entries(of).every(isChain);
  if (times instanceof Object && Object.values(times).every(fit)) return { times };
  throw new Error("optimised_steps.json is not a list of optimised steps");
}

/** @param {Json} config @param {number} size of a latent @param {Memory} memory @param {() => Promise<Weights>} weights */
async function decoderOf(config, size, memory, weights) {
  const { decoder } = await import("./decoder.js");
  cost((m, none, make) => decoder(m, none, config, make)(new Float32Array(), size));
  return decoder(memory, await weights(), config);
}

/**
 * @param {Json} text @param {(path: string) => Promise<Json | null>} json @param {Read} read
 * @param {(path: string) => Promise<Weights>} weights @param {Memory} memory
 */
async function wordsOf(text, json, read, weights, memory) {
  const { textEncoder, tokenizer } = await import("./text.js"); // what few models need is loaded with them
  const [whole, options, vocabulary] = await Promise.all(
    ["tokenizer.json", "tokenizer_config.json", "vocab.json"].map((name) => json(`tokenizer/${name}`)),
  );
  const lines = whole ? [] : new TextDecoder().decode((await read("tokenizer/merges.txt")) ?? undefined).split("\n");
  const merges = whole?.model?.merges ?? lines.filter((line) => line && !line.startsWith("#version"));
  const known = whole?.model?.vocab ?? vocabulary ?? {};
  if (Object.keys(known).length > text.vocab_size)
    throw new Error("the tokenizer has more tokens than the text encoder");
  const pad = options?.pad_token?.content ?? options?.pad_token ?? "<|endoftext|>";
  const length = Math.min(options?.model_max_length ?? Number.POSITIVE_INFINITY, text.max_position_embeddings);
  const { encode: tokens, found } = tokenizer(known, merges, pad, length);
  const encode = textEncoder(memory, await weights("text_encoder/model.safetensors"), text);
  const own = Object.keys(known).length < CLIP;
  const unknown = (/** @type {string} */ prompt) =>
    own ? found(prompt).flatMap(([word, { length: n }]) => (n > 1 ? [word] : [])) : [];
  return Object.assign((/** @type {string} */ prompt) => encode(tokens(prompt)), { found, unknown });
}
