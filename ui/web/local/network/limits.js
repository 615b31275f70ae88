// What the numbers of a checkpoint's configurations may be.

/** Lowest and highest value of every number, as in ddpm_core/checkpoint/config/fields.py. @type {Record<string, [number, number]>} */
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
