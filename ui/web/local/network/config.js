// What the configurations of a checkpoint may say: the networks that this page can compute. As ddpm_core/checkpoint does
// it, every field is checked before it is used, and one that nothing here knows must be null or false.

/** @typedef {{ absent: unknown, allowed: string, fits: (value: any) => boolean }} Field absent: what no such field means */

/** @param {number} low @param {number} high @param {number | null} [absent] null: it may be null @returns {Field} */
const whole = (low, high, absent) => ({
  absent,
  allowed: `a whole number from ${low} to ${high}${absent === null ? " or null" : ""}`,
  fits: (v) => (Number.isInteger(v) && v >= low && v <= high) || (absent === null && v === null),
});
/** @param {number} low @param {number} high @param {number} absent @returns {Field} */
const number = (low, high, absent) => ({
  absent,
  allowed: `a number from ${low} to ${high}`,
  fits: (v) => Number.isFinite(v) && v >= low && v <= high,
});
/** The first is what none means. @param {(string | number | boolean | null)[]} values @returns {Field} */
const among = (...values) => ({
  absent: values[0],
  allowed: values.map(String).join(" or "),
  fits: (v) => values.includes(v),
});
const flag = (/** @type {boolean} */ absent) => among(absent, !absent);
/** @param {Field} field of each value @param {unknown[]} [absent] @returns {Field} */
const list = (field, absent) => ({
  absent,
  allowed: `a list of 1 to 8, each ${field.allowed}`,
  fits: (v) => Array.isArray(v) && v.length >= 1 && v.length <= 8 && v.every(field.fits),
});
/** @param {Field} one @param {Field} other @returns {Field} */
const either = (one, other) => ({
  absent: one.absent,
  allowed: `${one.allowed}, or ${other.allowed}`,
  fits: (v) => one.fits(v) || other.fits(v),
});

const WIDTHS = whole(1, 8192);
const UNET = {
  sample_size: whole(1, 1024),
  layers_per_block: whole(1, 16, 2),
  norm_num_groups: whole(1, 8192, 32),
  norm_eps: number(0, 1, 1e-5),
  downsample_padding: whole(0, 1, 1),
  mid_block_scale_factor: number(1e-6, 1e6, 1),
  center_input_sample: flag(false),
  flip_sin_to_cos: flag(true),
  freq_shift: number(0, 1, 0),
  dropout: number(0, 1, 0),
  act_fn: among("silu", "swish", "mish", "gelu", "relu"),
  class_embed_type: among(null),
};

const AUTOENCODER = {
  in_channels: among(3),
  out_channels: among(3),
  scaling_factor: number(1e-6, 1e6, 1),
  shift_factor: either(number(-1e6, 1e6, 0), among(null)),
  force_upcast: among(true, false), // they are computed in float32 anyway
};
const FULL = {
  ...AUTOENCODER,
  block_out_channels: list(WIDTHS, [64]),
  down_block_types: list(among("DownEncoderBlock2D"), ["DownEncoderBlock2D"]),
  up_block_types: list(among("UpDecoderBlock2D"), ["UpDecoderBlock2D"]),
  layers_per_block: whole(1, 16, 1),
  norm_num_groups: whole(1, 8192, 32),
  act_fn: among("silu"),
  sample_size: whole(1, 8192, 32),
  mid_block_add_attention: flag(true),
};

/** @type {Record<string, Record<string, Field>>} the fields of each class */
const FIELDS = {
  UNet2DModel: {
    ...UNET,
    in_channels: whole(1, 64, 3),
    out_channels: whole(1, 128, 3),
    block_out_channels: list(WIDTHS, [224, 448, 672, 896]),
    down_block_types: list(among("DownBlock2D", "AttnDownBlock2D"), [
      "DownBlock2D",
      ...Array(3).fill("AttnDownBlock2D"),
    ]),
    up_block_types: list(among("UpBlock2D", "AttnUpBlock2D"), [...Array(3).fill("AttnUpBlock2D"), "UpBlock2D"]),
    mid_block_type: among("UNetMidBlock2D", null),
    attention_head_dim: { ...whole(1, 8192, null), absent: 8 },
    attn_norm_num_groups: whole(1, 8192, null),
    add_attention: flag(true),
    num_class_embeds: whole(1, 100000, null),
    time_embedding_dim: whole(1, 65536, null),
    time_embedding_type: among("positional", "learned"),
    num_train_timesteps: whole(1, 100000, null),
    resnet_time_scale_shift: among("default", "scale_shift"),
    downsample_type: among("conv"),
    upsample_type: among("conv"),
  },
  UNet2DConditionModel: {
    ...UNET,
    in_channels: whole(1, 64, 4),
    out_channels: whole(1, 64, 4),
    block_out_channels: list(WIDTHS, [320, 640, 1280, 1280]),
    down_block_types: list(among("CrossAttnDownBlock2D", "DownBlock2D"), [
      ...Array(3).fill("CrossAttnDownBlock2D"),
      "DownBlock2D",
    ]),
    up_block_types: list(among("CrossAttnUpBlock2D", "UpBlock2D"), [
      "UpBlock2D",
      ...Array(3).fill("CrossAttnUpBlock2D"),
    ]),
    mid_block_type: among("UNetMidBlock2DCrossAttn"),
    attention_head_dim: either(whole(1, 8192, 8), list(WIDTHS)),
    num_attention_heads: either(whole(1, 1024, null), list(WIDTHS)),
    cross_attention_dim: whole(1, 8192, 1280),
    use_linear_projection: flag(false),
    upcast_attention: flag(false),
    addition_embed_type: among(null, "text"),
    addition_embed_type_num_heads: whole(1, 1024, 64),
    // what every other network is refused for
    time_embedding_type: among("positional"),
    resnet_time_scale_shift: among("default"),
    attention_type: among("default"),
    transformer_layers_per_block: among(1),
    resnet_out_scale_factor: among(1),
    conv_in_kernel: among(3),
    conv_out_kernel: among(3),
  },
  AutoencoderTiny: {
    ...AUTOENCODER,
    encoder_block_out_channels: list(WIDTHS, [64, 64, 64, 64]),
    decoder_block_out_channels: list(WIDTHS, [64, 64, 64, 64]),
    block_out_channels: list(WIDTHS, [64, 64, 64, 64]),
    num_encoder_blocks: list(whole(1, 16), [1, 3, 3, 3]),
    num_decoder_blocks: list(whole(1, 16), [3, 3, 3, 1]),
    latent_channels: whole(1, 64, 4),
    act_fn: among("relu", "silu", "gelu"),
    upsample_fn: among("nearest"),
    upsampling_scaling_factor: among(2),
    latent_magnitude: number(0, 1e6, 3), // this and the next are for latents as bytes, which nobody wants here
    latent_shift: number(0, 1e6, 0.5),
  },
  AutoencoderKL: {
    ...FULL,
    scaling_factor: number(1e-6, 1e6, 0.18215),
    latent_channels: whole(1, 64, 4),
    use_quant_conv: flag(true),
    use_post_quant_conv: flag(true),
  },
  VQModel: {
    ...FULL,
    latent_channels: whole(1, 64, 3),
    num_vq_embeddings: whole(1, 2 ** 20, 256),
    vq_embed_dim: whole(1, 1024, null),
    norm_type: among("group"),
  },
  CLIPTextModel: {
    model_type: among("clip_text_model"),
    vocab_size: whole(1, 2 ** 20, 49408),
    hidden_size: whole(1, 8192, 512),
    intermediate_size: whole(1, 65536, 2048),
    num_hidden_layers: whole(1, 64, 12),
    num_attention_heads: whole(1, 1024, 8),
    max_position_embeddings: whole(2, 1024, 77),
    hidden_act: among("quick_gelu", "gelu"),
    layer_norm_eps: number(0, 1, 1e-5),
    use_attention_mask: among(false, null),
  },
  scheduler: {
    num_train_timesteps: whole(1, 100000, 1000),
    beta_start: number(0, 1, 1e-4),
    beta_end: number(0, 1, 0.02),
    prediction_type: among(null, "epsilon", "sample", "v_prediction", "mu"),
    predict_epsilon: flag(true), // its name before diffusers 0.8
    variance_type: among(
      null,
      "fixed_small",
      "fixed_small_log",
      "fixed_large",
      "fixed_large_log",
      "learned",
      "learned_range",
    ),
    clip_sample: among(null, true, false),
    clip_sample_range: number(0, Number.MAX_VALUE, 1),
    thresholding: among(false),
    rescale_betas_zero_snr: flag(false),
    steps_offset: whole(0, 1, 0),
  },
};
/** Those whose further fields say nothing of what is computed. */
const OPEN = ["CLIPTextModel", "scheduler"];

/**
 * A configuration with diffusers' defaults for what it lacks. Throws a sentence for one that can't be computed.
 * @param {Record<string, any>} config @param {string} kind its class @returns {Record<string, any>}
 */
export function checked(config, kind) {
  const fields = FIELDS[kind];
  const filled = Object.entries(fields).map(([key, { absent, allowed, fits }]) => {
    const value = config[key] === undefined ? absent : config[key];
    if (fits(value)) return [key, value];
    throw new Error(`${key} must be ${allowed}, got ${JSON.stringify(value) ?? "none"}`);
  });
  for (const [key, value] of Object.entries(config))
    if (!Object.hasOwn(fields, key) && !key.startsWith("_") && !OPEN.includes(kind) && ![null, false].includes(value))
      throw new Error(`${key} ${JSON.stringify(value)} is not supported in a ${kind}`);
  return { ...Object.fromEntries(filled), _class_name: kind };
}

/** The same of a U-Net, whose levels must fit each other. @param {Record<string, any>} config @param {string} kind */
export function checkedUnet(config, kind) {
  const size = config.sample_size;
  const side = Array.isArray(size) && size.length === 2 && size[0] === size[1] ? size[0] : size;
  const { addition_embed_type: added } = config;
  if (added === "text_time")
    throw new Error("the network is one of SDXL, which has two text encoders: only one is supported");
  const found = checked({ ...config, sample_size: side }, kind);
  const { block_out_channels: widths, freq_shift } = found;
  for (const key of ["down_block_types", "up_block_types", "attention_head_dim", "num_attention_heads"])
    if (Array.isArray(found[key]) && found[key].length !== widths.length)
      throw new Error(`${key} has ${found[key].length} entries, but block_out_channels ${widths.length}`);
  const step = 2 ** (widths.length - 1);
  if (side % step)
    throw new Error(`sample_size must be a multiple of ${step} with ${widths.length} levels, got ${side}`);
  if (Math.floor(widths[0] / 2) <= freq_shift)
    throw new Error(`the first of block_out_channels is ${widths[0]}, too few for the time embedding`);
  return found;
}
