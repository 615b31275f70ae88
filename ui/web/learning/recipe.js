// The settings of a training in the browser, shared by the page and its workers.

/** @import { Pictures } from "./pictures.js" */

/**
 * The settings with which one lane trains.
 * @typedef {object} Recipe
 * @property {"epsilon" | "x0" | "v" | "flow"} prediction
 * @property {"lognormal" | "uniform"} times how t is drawn
 * @property {"" | "min_snr"} weight of the loss
 * @property {"linear" | "cosine" | "flow"} schedule "flow" exactly if the prediction is "flow"
 * @property {number[]} widths channels of each level, such as [16, 32, 64]
 * @property {number} lr the highest learning rate
 * @property {number} batch pictures of a step, a multiple of 8
 * @property {number} average the highest decay of the moving average of the weights; 0 for no average
 * @property {number} dropout the share of labels that are left out
 * @property {number} images length of the training: number of pictures that the network sees, with repetitions
 * @property {number} seed
 * @property {boolean} starts whether it starts from the weights of mnist-tiny
 */

/** The weights of a published model, with which a lane begins. @typedef {{ file: ArrayBuffer, name: string, nullLabel: number | null }} Published */
/** The samples, errors and loss of a lane at the step of a `Grid`. @typedef {{ averaged: Uint8Array, latest: Uint8Array | null, errors: number[], loss: number }} Lane */
/**
 * The samples and errors of all lanes at one step. All lanes draw their samples from the same noise. Pictures have
 * their channels last.
 * @typedef {object} Grid
 * @property {number} step
 * @property {number} images that the network has seen
 * @property {number} seconds of learning until then
 * @property {Lane[]} lanes errors: the root mean square of x̂_0's errors, in grey levels, at each of TIMES
 */

/** The times at which the error of x̂_0 is measured, as fractions of T. */
export const TIMES = [0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95];

const T = 1000;
const ATTENDS = 2; // index of the level with attention, which has 7 × 7 or 8 × 8 pixels
/** The time of a flow is τ, from 0 to 1. Its network receives τ times this factor, because the network embeds times from 0 to T − 1. */
export const FLOW_TIME = 1000;

/** The name of each prediction in diffusers. */
const PREDICTIONS = { epsilon: "epsilon", x0: "sample", v: "v_prediction", flow: "flow" };

/** Return the number of steps of a training. @param {Recipe} recipe */
export const stepsOf = ({ images, batch }) => Math.max(1, Math.floor(images / batch));

/**
 * Return the JSON files of the trained model, by their names, as `python -m train fit` writes them. They name no
 * version of diffusers, because diffusers has not written them.
 * @param {Recipe} recipe @param {Pictures} pictures
 */
export function configOf(recipe, pictures) {
  const { dropout, average, prediction } = recipe;
  const classes = pictures.labels ? pictures.classes : [];
  const hasNull = classes.length > 0 && dropout > 0;
  return {
    "config.json": networkOf(recipe, pictures, classes.length + (hasNull ? 1 : 0)),
    "scheduler_config.json": {
      _class_name: "DDPMScheduler",
      ...SCHEDULES[recipe.schedule](),
      ...{ prediction_type: PREDICTIONS[prediction], variance_type: "fixed_small", clip_sample: true },
    },
    "model_index.json": {
      _class_name: "DDPMPipeline",
      ...{ scheduler: ["diffusers", "DDPMScheduler"], unet: ["diffusers", "UNet2DModel"] },
    },
    "ddpm_core.json": {
      weights: average ? "EMA" : "not EMA",
      ...(prediction === "flow" && { prediction }),
      ...(hasNull && { null_label: classes.length }),
      ...(classes.length > 0 && { class_names: classes }),
      ...(prediction === "flow" && { coordinates: { kind: "RectifiedFlow", times: FLOW_TIME } }),
    },
  };
}

/** @type {Record<Recipe["schedule"], () => Record<string, any>>} */
const SCHEDULES = {
  linear: () => ({ num_train_timesteps: T, beta_schedule: "linear", beta_start: 1e-4, beta_end: 0.02 }),
  cosine: () => ({ num_train_timesteps: T, beta_schedule: "squaredcos_cap_v2" }),
  flow: () => ({ num_train_timesteps: T, trained_betas: flowBetas() }),
};

/** Return β_1..β_T of a flow, whose τ rises linearly: see `NoiseSchedule.flow` of ddpm_core. */
function flowBetas() {
  const alphaBar = Array.from({ length: T }, (_, i) => {
    const [tau, kept] = [(i + 0.5) / T, 1 - (i + 0.5) / T];
    return (kept * kept) / (kept * kept + tau * tau);
  });
  return alphaBar.map((at, i) => 1 - at / (i ? alphaBar[i - 1] : 1));
}

/** Return the content of config.json. @param {Recipe} recipe @param {Pictures} pictures @param {number} embeddings number of class embeddings */
function networkOf({ widths }, { side, channels }, embeddings) {
  const types = (/** @type {string} */ way) =>
    widths.map((_, level) => `${level === ATTENDS ? "Attn" : ""}${way}Block2D`);
  return {
    _class_name: "UNet2DModel",
    ...{ act_fn: "silu", add_attention: true, attention_head_dim: null, attn_norm_num_groups: null },
    ...{ block_out_channels: widths, center_input_sample: false, class_embed_type: null },
    ...{ down_block_types: types("Down"), downsample_padding: 0, downsample_type: "conv", dropout: 0 },
    ...{ flip_sin_to_cos: false, freq_shift: 1, in_channels: channels, layers_per_block: 1 },
    ...{ mid_block_scale_factor: 1, mid_block_type: "UNetMidBlock2D", norm_eps: 1e-6, norm_num_groups: 8 },
    ...{ num_class_embeds: embeddings || null, num_train_timesteps: null, out_channels: channels },
    ...{ resnet_time_scale_shift: "default", sample_size: side, time_embedding_dim: null },
    ...{ time_embedding_type: "positional", up_block_types: types("Up").reverse(), upsample_type: "conv" },
  };
}
