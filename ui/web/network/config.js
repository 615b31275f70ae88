// Check every field of a checkpoint's configurations before use, as ddpm_core/checkpoint/config does.
// cost.js checks the cost of the whole network.
import { UserError } from "../process/errors.js";

/** @typedef {{ is: string, fits: (value: any) => boolean }} Kind */

/** Lowest and highest value of each numeric field, as in ddpm_core/checkpoint/config/fields.py. @type {Record<string, [number, number]>} */
export const LIMITS = {
  ...{ sample_size: [1, 1024], in_channels: [1, 64], out_channels: [1, 128], layers_per_block: [1, 16] },
  ...{ block_out_channels: [1, 8192], encoder_block_out_channels: [1, 8192], decoder_block_out_channels: [1, 8192] },
  ...{ norm_num_groups: [1, 8192], attn_norm_num_groups: [1, 8192], attention_head_dim: [1, 8192] },
  ...{ num_class_embeds: [1, 100_000], time_embedding_dim: [1, 65_536], freq_shift: [0, 1], norm_eps: [0, 1] },
  ...{ mid_block_scale_factor: [1e-6, 1e6], dropout: [0, 1], cross_attention_dim: [1, 8192] },
  ...{ addition_embed_type_num_heads: [1, 1024], num_attention_heads: [1, 1024], latent_channels: [1, 64] },
  ...{
    num_encoder_blocks: [1, 16],
    num_decoder_blocks: [1, 16],
    scaling_factor: [1e-6, 1e6],
    shift_factor: [-1e6, 1e6],
  },
  ...{ vocab_size: [1, 2 ** 20], hidden_size: [1, 8192], intermediate_size: [1, 65_536], num_hidden_layers: [1, 64] },
  ...{ max_position_embeddings: [2, 1024], layer_norm_eps: [0, 1], num_train_timesteps: [1, 10_000] },
  ...{ beta_start: [0, 1], beta_end: [0, 1], trained_betas: [0, 1], clip_sample_range: [0, Number.POSITIVE_INFINITY] },
};

const LEVELS = 8; // largest number of resolutions in a U-Net
const TIMES = LIMITS.num_train_timesteps[1];

/** @type {Kind} */
const whole = { is: "a whole number", fits: (v) => Number.isInteger(v) };
/** @type {Kind} */
const real = { is: "a number", fits: (v) => Number.isFinite(v) };
/** @type {Kind} */
const flag = { is: "true or false", fits: (v) => typeof v === "boolean" };
/** Return the kind of field whose value is one of these. @param {(string | number | boolean | null)[]} values @returns {Kind} */
const among = (...values) => ({ is: values.map(String).join(" or "), fits: (v) => values.includes(v) });
/** Return the kind of field whose value fits one of two kinds. @param {Kind} one @param {Kind} other @returns {Kind} */
const or = (one, other) => ({ is: `${one.is} or ${other.is}`, fits: (v) => one.fits(v) || other.fits(v) });
/** Return the kind of field whose value is a list of 1 to `most` values of a kind. @param {Kind} each @param {number} [most] @returns {Kind} */
const list = (each, most = LEVELS) => ({
  is: `a list of 1 to ${most.toLocaleString("en")}, each ${each.is}`,
  fits: (v) => Array.isArray(v) && v.length >= 1 && v.length <= most && v.every(each.fits),
});
const maybe = or(whole, among(null));
/** Return the kind and the default of a field that names the block of each level. By default, the block `at` is plain and all others have attention. @param {string} plain @param {string} attends @param {number} at @returns {[Kind, unknown]} */
const blocks = (plain, attends, at) => [
  list(among(plain, attends)),
  Array.from({ length: 4 }, (_, i) => (i === at ? plain : attends)),
];

/** @type {Record<string, [Kind, unknown?]>} the kind and the default of each field; a field without a default is required */
const UNET = {
  ...{ sample_size: [whole], layers_per_block: [whole, 2], norm_num_groups: [whole, 32], norm_eps: [real, 1e-5] },
  ...{ downsample_padding: [among(0, 1), 1], mid_block_scale_factor: [real, 1], center_input_sample: [flag, false] },
  ...{
    flip_sin_to_cos: [flag, true],
    freq_shift: [real, 0],
    dropout: [real, 0],
    class_embed_type: [among(null), null],
  },
  act_fn: [among("silu", "swish", "mish", "gelu", "relu"), "silu"],
};

/** @type {Record<string, Record<string, [Kind, unknown?]>>} the fields of each class */
const FIELDS = {
  UNet2DModel: {
    ...UNET,
    ...{ in_channels: [whole, 3], out_channels: [whole, 3], block_out_channels: [list(whole), [224, 448, 672, 896]] },
    down_block_types: blocks("DownBlock2D", "AttnDownBlock2D", 0),
    up_block_types: blocks("UpBlock2D", "AttnUpBlock2D", 3),
    mid_block_type: [among("UNetMidBlock2D", null), "UNetMidBlock2D"],
    ...{ attention_head_dim: [maybe, 8], attn_norm_num_groups: [maybe, null], add_attention: [flag, true] },
    ...{ num_class_embeds: [maybe, null], time_embedding_dim: [maybe, null], num_train_timesteps: [maybe, null] },
    time_embedding_type: [among("positional", "learned"), "positional"],
    resnet_time_scale_shift: [among("default", "scale_shift"), "default"],
    ...{ downsample_type: [among("conv"), "conv"], upsample_type: [among("conv"), "conv"] },
  },
  UNet2DConditionModel: {
    ...UNET,
    ...{ in_channels: [whole, 4], out_channels: [whole, 4], block_out_channels: [list(whole), [320, 640, 1280, 1280]] },
    down_block_types: blocks("DownBlock2D", "CrossAttnDownBlock2D", 3),
    up_block_types: blocks("UpBlock2D", "CrossAttnUpBlock2D", 0),
    mid_block_type: [among("UNetMidBlock2DCrossAttn"), "UNetMidBlock2DCrossAttn"],
    ...{ attention_head_dim: [or(whole, list(whole)), 8], num_attention_heads: [or(maybe, list(whole)), null] },
    ...{ cross_attention_dim: [whole, 1280], use_linear_projection: [flag, false], upcast_attention: [flag, false] },
    ...{ addition_embed_type: [among(null, "text"), null], addition_embed_type_num_heads: [whole, 64] },
    ...{ time_embedding_type: [among("positional"), "positional"], attention_type: [among("default"), "default"] },
    ...{ resnet_time_scale_shift: [among("default"), "default"], transformer_layers_per_block: [among(1), 1] },
    ...{ resnet_out_scale_factor: [among(1), 1], conv_in_kernel: [among(3), 3], conv_out_kernel: [among(3), 3] },
  },
  AutoencoderTiny: {
    ...{ in_channels: [among(3), 3], out_channels: [among(3), 3], latent_channels: [whole, 4] },
    ...{ encoder_block_out_channels: [list(whole, 6), [64]], block_out_channels: [list(whole), [64]] },
    ...{
      decoder_block_out_channels: [list(whole, 6), [64, 64, 64, 64]],
      num_decoder_blocks: [list(whole), [3, 3, 3, 1]],
    },
    ...{ num_encoder_blocks: [list(whole), [1, 3, 3, 3]], latent_magnitude: [real, 3], latent_shift: [real, 0.5] },
    ...{ act_fn: [among("relu", "silu", "gelu"), "relu"], upsample_fn: [among("nearest"), "nearest"] },
    ...{
      upsampling_scaling_factor: [among(2), 2],
      scaling_factor: [real, 1],
      shift_factor: [or(real, among(null)), 0],
    },
    force_upcast: [flag, false],
  },
  CLIPTextModel: {
    ...{ model_type: [among("clip_text_model"), "clip_text_model"], use_attention_mask: [among(false, null), null] },
    ...{ vocab_size: [whole, 49408], hidden_size: [whole, 512], intermediate_size: [whole, 2048] },
    ...{ num_hidden_layers: [whole, 12], num_attention_heads: [whole, 8], max_position_embeddings: [whole, 77] },
    ...{ hidden_act: [among("quick_gelu", "gelu"), "quick_gelu"], layer_norm_eps: [real, 1e-5] },
  },
  scheduler: {
    ...{
      num_train_timesteps: [whole, 1000],
      beta_start: [real, 1e-4],
      beta_end: [real, 0.02],
      steps_offset: [among(0, 1), 0],
      trained_betas: [or(among(null), list(real, TIMES)), null],
    },
    ...{
      thresholding: [among(false), false],
      clip_sample: [or(flag, among(null)), null],
      clip_sample_range: [real, 1],
    },
    // before diffusers 0.8, the field of prediction_type was predict_epsilon
    ...{ rescale_betas_zero_snr: [flag, false], predict_epsilon: [flag, true] },
    prediction_type: [among(null, "epsilon", "sample", "v_prediction", "mu", "flow"), null],
    variance_type: [
      among(null, ...["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", "learned", "learned_range"]),
      null,
    ],
  },
};
/** In these configurations, unknown fields don't change the result, so they are allowed. In all others, unknown fields must be null or false. */
const OPEN = ["CLIPTextModel", "scheduler"];

/** Write a limit, with separators if it is large: "10,000". */
const digits = (/** @type {number} */ limit) => (limit < 1 ? `${limit}` : limit.toLocaleString("en"));

/**
 * Return a configuration with diffusers' defaults for missing fields. Throws a UserError for an unsupported field.
 * @param {Record<string, any>} config @param {string} kind its class @returns {Record<string, any>}
 */
export function complete(config, kind) {
  const fields = FIELDS[kind];
  const filled = Object.entries(fields).map(([key, [{ is, fits }, absent]]) => {
    const value = config[key] === undefined ? absent : config[key];
    const [low, high] = LIMITS[key] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const inside = (/** @type {unknown} */ v) => typeof v !== "number" || (v >= low && v <= high);
    if (fits(value) && (Array.isArray(value) ? value.every(inside) : inside(value))) return [key, value];
    const reach = high < Number.POSITIVE_INFINITY ? ` from ${digits(low)} to ${digits(high)}` : "";
    throw new UserError(
      `${key} must be ${is.replace(/( or null)?$/, `${reach}$1`)}, got ${JSON.stringify(value) ?? "none"}`,
    );
  });
  const unknown = Object.keys(config).find((key) => !Object.hasOwn(fields, key) && !key.startsWith("_") && config[key]);
  if (unknown && !OPEN.includes(kind))
    throw new UserError(`${unknown} ${JSON.stringify(config[unknown])} is not supported in a ${kind}`);
  return { ...Object.fromEntries(filled), _class_name: kind };
}

/** Return the configuration of a U-Net with defaults for missing fields. Throws a UserError if the levels of the network don't fit each other. @param {Record<string, any>} config @param {string} kind */
export function completeUnet(config, kind) {
  const { sample_size: size } = config;
  const side = Array.isArray(size) && size.length === 2 && size[0] === size[1] ? size[0] : size;
  const found = complete({ ...config, sample_size: side }, kind);
  const { block_out_channels: widths, freq_shift } = found;
  for (const key of ["down_block_types", "up_block_types", "attention_head_dim", "num_attention_heads"])
    if (Array.isArray(found[key]) && found[key].length !== widths.length)
      throw new UserError(`${key} has ${found[key].length} entries, but block_out_channels ${widths.length}`);
  const step = 2 ** (widths.length - 1);
  if (side % step)
    throw new UserError(`sample_size must be a multiple of ${step} with ${widths.length} levels, got ${side}`);
  if (Math.floor(widths[0] / 2) <= freq_shift)
    throw new UserError(`the first of block_out_channels is ${widths[0]}, too few for the time embedding`);
  return found;
}
