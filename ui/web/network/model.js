// Load a checkpoint in the Hub's layout as a model for the browser. ddpm_core/checkpoint/load.py does the same in
// Python.
import { jsonObject } from "../messages/bytes.js";
import { UserError } from "../process/errors.js";
import { alphaBarAt, flowAt, schedule, timesOfTraining } from "../process/schedule.js";
import { complete, completeUnet } from "./config.js";
import { cost } from "./cost.js";
import { Memory, pageKernel } from "./kernel.js";
import { Layers } from "./layers.js";
import { PACKED, unpack } from "./packed.js";
import { UNet } from "./unet.js";
import { Weights } from "./weights.js";

/** @import { Readers } from "./readers.js" */
/** @import { Condition, Config } from "./unet.js" */
/** @import { Probe } from "../process/predict.js" */
/** @import { Schedule } from "../process/schedule.js" */
/** @typedef {Record<string, any>} Json */
/**
 * Read a file of a checkpoint by its path, or return null if there is no such file. It throws a UserError if the file
 * can't be read.
 * @typedef {(path: string) => Promise<ArrayBuffer | null>} Read
 */

/**
 * @typedef {object} Model
 * @property {number} T
 * @property {Float64Array} beta length T + 1 @property {Float64Array} alphaBar the same, with alphaBar[0] = 1
 * @property {boolean} [exploding] as in Schedule
 * @property {"epsilon" | "x0" | "v" | "mu" | "flow"} prediction
 * @property {string} variance the variance σ² that the checkpoint names
 * @property {Float64Array | null} times the training's t − 1 at each t, if the schedule is not the training's
 * @property {boolean} wholeTimes whether the network takes only whole times
 * @property {boolean} clip
 * @property {number} offset number that the spacing "leading" adds to each time
 * @property {number} channels of the state @property {number} size values a side of the state
 * @property {number} pictureChannels channels of a decoded picture @property {number} pictureSize its pixels a side
 * @property {number} classes @property {string[]} classNames @property {number | null} nullLabel
 * @property {Json | null} student from ddpm_core.json
 * @property {any} gamma from analytic_variance.json @property {any} optimised from optimised_steps.json
 * @property {number} parameters number of the network's weights
 * @property {(x: Float32Array, tIndex: number, condition: Condition, probe?: Probe) => Float32Array} network evaluates one
 *   image at tIndex = t − 1; on a GPU, it returns a promise
 * @property {Config} config of the network
 * @property {() => Promise<Readers | null>} readers loads the readers of its blocks; null if none were fitted for these weights
 * @property {string} engine "WebGPU" or "WebAssembly", as the page shows it
 * @property {number | null} seconds estimated seconds of one evaluation; null on a GPU
 * @property {((z: Float32Array) => Float32Array) | null} decode decodes a latent into a picture, about in [−1, 1]; null for a model of pixels
 * @property {Words | null} words
 * @property {((x: Float32Array, tIndex: number, states: Float32Array) => Float32Array) | null} attention returns a map of attention to each token, of the state's size
 */
/**
 * A function from a prompt to its condition. `found` lists the prompt's words; `unknown` lists the words that no
 * training caption contains.
 * @typedef {((prompt: string) => Float32Array) & { found: (prompt: string) => import("./latent.js").Word[], unknown: (prompt: string) => string[] }} Words
 */

const CLIP = 49408; // number of tokens in CLIP's own vocabulary; its tokens are often parts of known words, so they can't show which words are unknown
const LARGE = 2e6; // a network with more weights than this is faster on a GPU, even with the time to start the GPU
// Largest size of a JSON file, and of a readers or tokenizer file, in bytes, as in
// ddpm_core/checkpoint/config/fields.py.
const [LONGEST_JSON, LONGEST] = [500_000, 16_000_000];
const READERS = "readers.safetensors";
const SENTENCE = 300; // largest number of characters in an error message, which may quote a long name from a file
const PACE = 5e9; // approximate multiplications per second in WebAssembly
const WEIGHTS = "diffusion_pytorch_model.safetensors";
/** @type {Record<string, Model["prediction"]>} the predictions by diffusers' names */
const PREDICTIONS = { epsilon: "epsilon", sample: "x0", v_prediction: "v", mu: "mu", flow: "flow" };
/** @type {Record<string, string>} */
const VARIANCES = { fixed_small: "beta_tilde", fixed_large: "beta" };

/** The files of a checkpoint. */
class Folder {
  /** @param {Read} read */
  constructor(read) {
    this.read = read;
  }

  /** Read a file other than weights, and check its size. @param {string} path */
  async small(path) {
    const bytes = await this.read(path);
    const most = path === READERS || path.startsWith("tokenizer/") ? LONGEST : LONGEST_JSON;
    if (bytes && bytes.byteLength > most)
      throw new UserError(`${path} is larger than ${(most / 1000).toLocaleString("en")} kB`);
    return bytes;
  }

  /** Return the object in a JSON file, or null if there is no such file. @param {string} path */
  async json(path) {
    const bytes = await this.small(path);
    const content = bytes && jsonObject(new Uint8Array(bytes));
    if (bytes && !content) throw new UserError(`${path} cannot be read as a JSON object`);
    return content;
  }

  /** Return the weights in a file. Throws a UserError if there is no such file. @param {string} path */
  async weights(path) {
    const packed = await this.read(path + PACKED);
    const file = packed ? await unpack(packed, path) : await this.read(path);
    if (file) return new Weights(file, path);
    throw new UserError(
      `it has no ${path}: weights in a .bin, which is a pickle, or in parts are not read in the browser`,
    );
  }
}

/**
 * Load the model of a checkpoint. Throws a UserError for a checkpoint that the browser can't compute.
 * @param {Read} read @param {string} name the checkpoint's name, for messages
 * @param {WebAssembly.Module} [code] the compiled kernel.wasm; without it, the page's file is fetched
 * @param {GPUDevice | null} [device] the GPU to use; without one, a GPU is requested only for a large model
 * @returns {Promise<Model>}
 */
export async function load(read, name, code, device = null) {
  const memory = new Memory(code ?? (await pageKernel("kernel")));
  try {
    return await buildModel(new Folder(read), memory, device);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { message } = error;
    const short = message.length > SENTENCE ? `${message.slice(0, SENTENCE)}…` : message;
    throw new UserError(`${name}: ${short}`, { cause: error });
  }
}

/** Build the model from a checkpoint's files. @param {Folder} folder @param {Memory} memory @param {GPUDevice | null} device @returns {Promise<Model>} */
async function buildModel(folder, memory, device) {
  const about = describeModel(await readConfigs(folder));
  const { net, latent, text, process, flow, classes, student } = about;
  const { sample_size: size, in_channels: channels } = net;
  const condition = text ? { length: text.hidden_size * text.max_position_embeddings } : 0;
  const work = cost((layers) => new UNet(layers, net).network(new Float32Array(), 0, /** @type {any} */ (condition)));
  const decode =
    latent && (await buildDecoder(latent, size, memory, () => folder.weights(`${about.autoencoder}/${WEIGHTS}`)));
  const words = text && (await buildWords(text, folder, memory));
  const tensors = await folder.weights(about.root + WEIGHTS);
  const hash = sha256(tensors.file);
  const beside = await readSidecars(folder, hash, process);
  const { unet, network, isQuick } = await buildNetwork(memory, tensors, net, device);
  const factor = latent ? 2 ** (latent.decoder_block_out_channels.length - 1) : 1;
  return {
    ...{ ...process, ...classes, student, ...beside, words, config: net, channels, size },
    wholeTimes: net.time_embedding_type === "learned",
    ...{ pictureChannels: latent ? 3 : channels, pictureSize: size * factor, parameters: tensors.count },
    ...{ seconds: isQuick ? null : work / PACE, engine: isQuick ? "WebGPU" : "WebAssembly" },
    attention: text && ((x, tIndex, states) => unet.attention(x, tIndex, states)),
    decode: decode && ((z) => decode(z, size)),
    readers: () => loadReaders(folder, hash, net, process),
    network: allowCuts(convertTimes(network, process, flow), process.T, words, classes.nullLabel),
  };
}

/** @typedef {Awaited<ReturnType<typeof readConfigs>>} Configs */

/** Read all configurations of a checkpoint. @param {Folder} folder */
async function readConfigs(folder) {
  const json = (/** @type {string} */ path) => folder.json(path);
  const [inFolder, atRoot] = await Promise.all([json("unet/config.json"), json("config.json")]);
  const [root, unet] = inFolder ? ["unet/", inFolder] : ["", atRoot];
  if (!unet) throw new UserError("it is not a UNet2DModel checkpoint: there is no config.json at its root or in unet/");
  const paths = ["scheduler/scheduler_config.json", "scheduler_config.json", "model_index.json", "ddpm_core.json"];
  const [near, far, index, own] = await Promise.all(paths.map(json));
  const scheduler = near ?? far;
  if (!scheduler) throw new UserError("it has no scheduler_config.json, at its root or in scheduler/");
  const parts = root ? ["vae/config.json", "vqvae/config.json", "text_encoder/config.json"] : [];
  const [vae = null, vqvae = null, text = null] = await Promise.all(parts.map(json));
  return { root, unet, scheduler, index: index ?? {}, own: own ?? {}, vae, vqvae, text };
}

/** Check the configurations of a checkpoint and describe its model. @param {Configs} configs */
function describeModel({ root, unet, scheduler, index, own, vae, vqvae, text: encoder }) {
  const autoencoder = vae ?? vqvae;
  checkKinds(unet, index, autoencoder, autoencoder && encoder);
  const net = completeUnet(unet, unet._class_name);
  const latent = autoencoder && complete(autoencoder, "AutoencoderTiny");
  const text = latent && encoder && complete(encoder, "CLIPTextModel");
  const trained = readProcess(scheduler, own, !latent);
  const flow = trained.prediction === "flow" ? readFlowFactor(own.coordinates) : null;
  const classes = readClasses(net.num_class_embeds ?? 0, own);
  const student = readStudent(own.student ?? null, trained.T);
  checkFit(net, trained, latent, text);
  const learned = net.time_embedding_type === "learned";
  const process = own.schedule
    ? changeSchedule(trained, own.schedule, student !== null, learned)
    : { ...trained, times: null, trained };
  return { root, autoencoder: vae ? "vae" : "vqvae", net, latent, text, process, flow, classes, student };
}

/** Read the sidecar files, which contain Γ and optimised steps. @param {Folder} folder @param {Promise<string | null>} hash @param {Schedule} schedule */
async function readSidecars(folder, hash, schedule) {
  const contents = await Promise.all(
    ["analytic_variance.json", "optimised_steps.json"].map((path) => folder.json(path)),
  );
  const [gamma, optimised] = await Promise.all(contents.map((content) => acceptSidecar(content, hash, schedule)));
  return {
    gamma: gamma && readGamma(gamma, schedule.T),
    optimised: optimised && readOptimisedSteps(optimised, schedule.T),
  };
}

/** Build the network, on a GPU if there is one and the network is large. @param {Memory} memory @param {Weights} tensors @param {Config} net @param {GPUDevice | null} device */
async function buildNetwork(memory, tensors, net, device) {
  const { file } = tensors;
  const unet = new UNet(new Layers(memory, tensors), net);
  /** @type {import("./gpu.js").Network} */
  const kernel = (x, t, condition, probe) => unet.network(x, t, condition, probe);
  const more = device || tensors.count > LARGE ? await import("./gpu.js") : null;
  const found = device ?? (await more?.gpu());
  const quick = more && found && (await more.onGpu(found, file, net, kernel));
  return { unet, network: quick ?? kernel, isQuick: !!quick };
}

/** Load the readers (linear probes) of the blocks. Return null if no readers were fitted to these weights. @param {Folder} folder @param {Promise<string | null>} hash @param {Config} net @param {Schedule} schedule */
async function loadReaders(folder, hash, net, schedule) {
  const file = await folder.small(READERS);
  if (!file) return null;
  const { Readers } = await import("./readers.js"); // loaded only on demand: few runs show the blocks
  const readers = new Readers(file);
  if (!(await acceptSidecar(readers.about, hash, schedule))) return null;
  readers.check(net);
  return readers;
}

/** Return a network that takes the time t and x_t of ddpm_core, and converts them to the convention in which `network` was trained. Only a flow also converts x_t. @param {import("./gpu.js").Network} network @param {Schedule & { times: Float64Array | null, trained: Schedule }} process @param {number | null} flow the factor of τ @returns {import("./gpu.js").Network} */
function convertTimes(network, process, flow) {
  const { times, trained } = process;
  if (flow) return convertForFlow(network, process, flow);
  // Below t = 1, the network receives the smallest time of its training, as in ddpm_core.
  if (!times) return (x, tIndex, condition, probe) => network(x, Math.max(tIndex, 0), condition, probe);
  const timeAt = (/** @type {number} */ t) =>
    Number.isInteger(t)
      ? times[t]
      : timesOfTraining(trained, { alphaBar: Float64Array.of(1, alphaBarAt(process, t)) })[1];
  return (x, tIndex, condition, probe) => network(x, Math.fround(timeAt(tIndex + 1)), condition, probe);
}

/** Return a network that takes t and x_t, and evaluates a flow's network at the time τ · `times`, with x_t in the flow's scale. @param {import("./gpu.js").Network} network @param {Schedule} schedule @param {number} times @returns {import("./gpu.js").Network} */
function convertForFlow(network, schedule, times) {
  return (x, tIndex, condition, probe) => {
    const { tau, scale } = flowAt(schedule, tIndex + 1);
    return network(
      x.map((value) => value * scale),
      times * tau,
      condition,
      probe,
    );
  };
}

/** Return a network that takes a probe, which can replace the time and the condition by neutral values. @param {import("./gpu.js").Network} network @param {number} T @param {Words | null} words @param {number | null} nullLabel @returns {Model["network"]} */
function allowCuts(network, T, words, nullLabel) {
  /** The empty condition, which replaces a condition that a probe cuts. The first use creates the empty condition. @type {Condition | undefined} */
  let none;
  return (x, tIndex, condition, probe) => {
    const time = probe?.cut?.has("time") ? Math.floor(T / 2) - 1 : Math.fround(tIndex);
    if (!probe?.cut?.has("condition")) return network(x, time, condition ?? nullLabel, probe);
    none ??= words ? words("") : nullLabel;
    return network(x, time, /** @type {Condition} */ (none), probe);
  };
}

/** Throw a UserError for a kind of network or autoencoder that can't be loaded, or for a pipeline with further parts. @param {Json} config @param {Json} index content of model_index.json @param {Json | null} autoencoder @param {Json | null} text */
function checkKinds({ _class_name: kind = "model without a class name" }, index, autoencoder, text) {
  const expected = text ? "UNet2DConditionModel" : "UNet2DModel";
  if (kind !== expected)
    throw new UserError(
      `the network is a ${kind}: only a ${expected} can be loaded ${text ? "beside" : "without"} a text encoder`,
    );
  if (autoencoder && autoencoder._class_name !== "AutoencoderTiny")
    throw new UserError(
      `the autoencoder is a ${autoencoder._class_name}: in the browser only an AutoencoderTiny is supported`,
    );
  const known = ["unet", "scheduler", "safety_checker", "feature_extractor", ...(autoencoder ? ["vae", "vqvae"] : [])];
  if (text) known.push("text_encoder", "tokenizer");
  const needed = Object.keys(index).filter((key) => Array.isArray(index[key]) && index[key].some(Boolean));
  const others = needed.filter((key) => !known.includes(key));
  if (others.length) throw new UserError(`the pipeline also needs ${others.join(", ")}: only one U-Net can be loaded`);
}

/** Throw a UserError if the sizes of network, schedule, autoencoder and text encoder don't fit each other. @param {Json} net @param {Json} process @param {Json | null} latent @param {Json | null} text */
function checkFit(net, { T, variance }, latent, text) {
  const { in_channels: channels, out_channels: given, num_train_timesteps: rows, cross_attention_dim: read } = net;
  if (given !== channels * (variance.startsWith("learned") ? 2 : 1))
    throw new UserError(
      `the network gives ${given} channels, which does not fit ${channels} with variance ${variance}`,
    );
  if (net.time_embedding_type === "learned" && !(rows >= T))
    throw new UserError(`the schedule has ${T} times, but config.json's num_train_timesteps is ${rows}`);
  if (latent && latent.latent_channels !== channels)
    throw new UserError(`the network draws ${channels} channels, and the latents have ${latent.latent_channels}`);
  if (latent && latent.num_decoder_blocks.length !== latent.decoder_block_out_channels.length)
    throw new UserError(`num_decoder_blocks must be ${latent.decoder_block_out_channels.length} numbers`);
  if (text && text.hidden_size !== read)
    throw new UserError(`the text encoder gives ${text.hidden_size} numbers a token, and the network takes ${read}`);
}

/**
 * Return the process with the schedule of ddpm_core.json instead of the training's: see `ModelSpec.with_schedule`.
 * @template {Schedule & { prediction: string, variance: string }} Process
 * @param {Process} trained @param {Json} config @param {boolean} isStudent @param {boolean} learned whether times are embedded by a table
 */
function changeSchedule(trained, config, isStudent, learned) {
  checkHasSchedule(config);
  complete(config, "scheduler");
  const { prediction, variance } = trained;
  if (isStudent || prediction === "mu" || variance === "learned" || learned)
    throw new UserError("this network has learned its own times, and works only with the schedule of its training");
  const { exploding = false, ...other } = schedule(config);
  const times = prediction === "flow" ? null : timesOfTraining(trained, other);
  return { ...trained, ...other, exploding, offset: 0, times, trained };
}

/** Throw a UserError if a scheduler's config names no schedule. @param {Json} config */
function checkHasSchedule(config) {
  if (config.beta_schedule === undefined && !config.trained_betas)
    throw new UserError(
      `${config._class_name ?? "the scheduler"} is not a DDPM or DDIM scheduler: scheduler_config.json has no beta_schedule`,
    );
}

/** Return schedule, prediction, variance and clip of a scheduler's config. @param {Json} config @param {Json} own content of ddpm_core.json @param {boolean} pixels whether the model has no autoencoder */
function readProcess(config, own, pixels) {
  checkHasSchedule(config);
  const found = complete(config, "scheduler");
  const { clip_sample_range: reach, clip_sample: clip = null, steps_offset: offset } = found;
  if ((clip ?? pixels) && reach !== 1)
    throw new UserError(`clip_sample_range is ${reach}: only 1, or clip_sample false, is supported`);
  const kind = PREDICTIONS[found.prediction_type ?? (found.predict_epsilon ? "epsilon" : "sample")];
  const prediction = /** @type {Model["prediction"]} */ (own.prediction ?? kind);
  if (!Object.values(PREDICTIONS).includes(prediction))
    throw new UserError(`unknown prediction ${JSON.stringify(prediction)}`);
  if ((own.snr ?? null) !== null || (own.corrections ?? 1) !== 1)
    throw new UserError("snr and corrections of its own are not supported in a browser");
  const variance = (found.variance_type ?? "fixed_small").replace("_log", "");
  const rest = { clip: clip ?? pixels, offset: pixels ? 0 : offset };
  return { ...schedule(config), prediction, variance: VARIANCES[variance] ?? variance, ...rest };
}

/** Return the factor by which a flow's time τ is multiplied before the network receives it. @param {Json | undefined} coordinates from ddpm_core.json @returns {number} */
function readFlowFactor(coordinates) {
  const { kind, times = 1 } = coordinates ?? {};
  if (kind !== "RectifiedFlow" || !Number.isFinite(times))
    throw new UserError(`a flow needs the coordinates RectifiedFlow, got ${JSON.stringify(coordinates ?? null)}`);
  return times;
}

/** Return the number of classes, the null label and the class names. @param {number} embeddings number of class embeddings @param {Json} own content of ddpm_core.json */
function readClasses(embeddings, { null_label: nullLabel = null, class_names: names = null }) {
  const classes = embeddings - (nullLabel === null ? 0 : 1);
  if (nullLabel !== null && (nullLabel !== classes || classes < 1))
    throw new UserError(
      `null_label must be the last of the ${embeddings} class embeddings, got ${JSON.stringify(nullLabel)}`,
    );
  const named = Array.isArray(names) && names.length === classes && names.every((one) => typeof one === "string");
  if (names !== null && !named)
    throw new UserError(`class_names must be a list of ${classes} names, got ${JSON.stringify(names)}`);
  return { classes, nullLabel, classNames: /** @type {string[]} */ (names ?? []) };
}

/** Return whether a value is a list of whole times between T and 1, in descending order. @param {unknown} times @param {number} T */
const areDescending = (times, T) =>
  Array.isArray(times) &&
  times.length > 0 &&
  times.every((t, i) => Number.isInteger(t) && t > 0 && t < (times[i - 1] ?? T + 1));

/** Check a student's entry in ddpm_core.json, and return it. @param {Json | null} student @param {number} T */
function readStudent(student, T) {
  if (student && !["consistency", "progressive"].includes(student.method))
    throw new UserError(`unknown method ${JSON.stringify(student.method)} of a student`);
  if (student && !(areDescending(student.times, T) && student.times[0] === T))
    throw new UserError(`a student's times descend from ${T} to 1 or later, got ${JSON.stringify(student.times)}`);
  return student;
}

/** Return the SHA-256 in hexadecimal, or null without https, where browsers offer no digest. @param {ArrayBuffer} file */
async function sha256(file) {
  const digest = await globalThis.crypto?.subtle?.digest("SHA-256", file);
  return digest ? Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("") : null;
}

/** Return the content of a sidecar file that was made for these weights and this schedule, else null. Without a hash, the weights are not compared. @param {Json | null} content @param {Promise<string | null>} hash @param {Schedule} schedule */
async function acceptSidecar(content, hash, schedule) {
  const own = content && (await hash);
  return (!own || content.weights_sha256 === own) && content && fitsSchedule(content.schedule, schedule)
    ? content
    : null;
}

/** Return whether a sidecar file fits a schedule. A file that names no schedule fits every schedule: see `Sidecar.fits`. @param {Json | undefined} said the file's schedule @param {Schedule} schedule */
function fitsSchedule(said, { T, alphaBar }) {
  const near = (/** @type {[string, any]} */ [t, at]) =>
    Math.abs(at - alphaBar[Number(t)]) <= 1e-8 * alphaBar[Number(t)];
  return !said || (said.T === T && Object.entries(said.alpha_bar ?? {}).every(near));
}

/** Read the table of Γ in a sidecar file. Throws a UserError for content that does not fit. @param {Json} content @param {number} T */
function readGamma({ times, gamma }, T) {
  const lists = Array.isArray(times) && Array.isArray(gamma) && gamma.length === times.length;
  if (lists && areDescending([...times].reverse(), T) && gamma.every((g) => Number.isFinite(g) && g >= 0))
    return { times, gamma };
  throw new UserError("analytic_variance.json is not a table of Γ_t");
}

/** Read the optimised steps in a sidecar file. Throws a UserError for content that does not fit. @param {Json} content @param {number} T */
function readOptimisedSteps({ times }, T) {
  const isChain = (/** @type {[string, unknown]} */ [n, text]) => {
    const chain = typeof text === "string" ? text.split(" ").map(Number) : [];
    return chain.length === Number(n) && areDescending(chain, T);
  };
  const fit = (/** @type {unknown} */ of) => of instanceof Object && Object.entries(of).every(isChain);
  if (times instanceof Object && Object.values(times).every(fit)) return { times };
  throw new UserError("optimised_steps.json is not a list of optimised steps");
}

/** Build the decoder of a latent model. @param {Json} config @param {number} size values a side of a latent @param {Memory} memory @param {() => Promise<Weights>} weights */
async function buildDecoder(config, size, memory, weights) {
  const { decoder } = await import("./latent.js");
  cost((layers) => decoder(layers, config)(new Float32Array(), size));
  return decoder(new Layers(memory, await weights()), config);
}

/** Build the function that encodes prompts. @param {Config} text @param {Folder} folder @param {Memory} memory @returns {Promise<Words>} */
async function buildWords(text, folder, memory) {
  const { textEncoder, Tokenizer } = await import("./latent.js"); // loaded only on demand: few models take prompts
  const tokenizer = await Tokenizer.read(folder, text);
  const encode = textEncoder(new Layers(memory, await folder.weights("text_encoder/model.safetensors")), text);
  const own = Object.keys(tokenizer.vocabulary).length < CLIP;
  const found = (/** @type {string} */ prompt) => tokenizer.words(prompt);
  const unknown = (/** @type {string} */ prompt) =>
    own ? found(prompt).flatMap(([word, { length: n }]) => (n > 1 ? [word] : [])) : [];
  return Object.assign((/** @type {string} */ prompt) => encode(tokenizer.encode(prompt)), { found, unknown });
}
