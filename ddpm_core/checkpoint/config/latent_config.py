"""Check the configurations of a latent checkpoint: an autoencoder, a text encoder, and a U-Net that takes prompts.

As in unet_config, every field is checked. A field that is not listed here must have diffusers' default.
"""

from __future__ import annotations

import inspect
from typing import Any

from ddpm_core.checkpoint.config.fields import (
    LIMITS,
    MAX_LEVELS,
    choice,
    flag,
    is_whole,
    number,
    numbers,
    shown,
    whole,
)
from ddpm_core.checkpoint.config.unet_config import check_sizes, image_side

_UNET_KNOWN = {
    *("sample_size", "in_channels", "out_channels", "down_block_types", "up_block_types", "mid_block_type"),
    *("block_out_channels", "layers_per_block", "attention_head_dim", "num_attention_heads", "cross_attention_dim"),
    *("use_linear_projection", "upcast_attention", "flip_sin_to_cos", "freq_shift", "norm_eps", "norm_num_groups"),
    *("act_fn", "dropout", "downsample_padding", "mid_block_scale_factor", "center_input_sample"),
    *("addition_embed_type", "addition_embed_type_num_heads"),
}
_DOWN = ("CrossAttnDownBlock2D", "DownBlock2D")
_UP = ("CrossAttnUpBlock2D", "UpBlock2D")
_WIDTHS = [320, 640, 1280, 1280]


def check(config: dict[str, Any]) -> tuple[int, int]:
    """Return the side and the channels of the latents of a UNet2DConditionModel.

    Raise ValueError for a network that can't be used.
    """
    from ddpm_core.engines.from_diffusers import UNet2DConditionModel

    added = config.get("addition_embed_type")
    if added == "text_time":
        raise ValueError(
            "the network is one of SDXL, which has two text encoders: only networks with one are supported"
        )
    for name, parameter in inspect.signature(UNet2DConditionModel).parameters.items():
        value = config.get(name)
        usual = (None, False, parameter.default)
        if name not in _UNET_KNOWN and (list(value) if isinstance(value, tuple) else value) not in usual:
            raise ValueError(f"{name} {shown(value)} is not supported in a network with prompts")
    channels = whole(config, "in_channels", 4)
    if config.get("out_channels", 4) != channels:
        raise ValueError(f"the network takes {channels} channels and gives {shown(config.get('out_channels'))}")
    widths = numbers({"block_out_channels": _WIDTHS, **config}, "block_out_channels", MAX_LEVELS, only_whole=True)
    types = {}
    for key, allowed, default in (
        ("down_block_types", _DOWN, [*_DOWN[:1] * 3, _DOWN[1]]),
        ("up_block_types", _UP, [_UP[1], *_UP[:1] * 3]),
    ):
        types[key] = config.get(key, default)
        if not isinstance(types[key], list) or len(types[key]) != len(widths):
            raise ValueError(f"{key} must be a list of {len(widths)} names, got {shown(types[key])}")
        for name in types[key]:
            choice({key: name}, key, allowed)
    whole(config, "layers_per_block", 2)
    whole(config, "cross_attention_dim", 1280)
    whole(config, "norm_num_groups", 32)
    whole(config, "downsample_padding", 1)
    whole(config, "addition_embed_type_num_heads", 64)
    choice(config, "addition_embed_type", (None, "text"))
    choice(config, "mid_block_type", ("UNetMidBlock2DCrossAttn",), "UNetMidBlock2DCrossAttn")
    choice(config, "act_fn", ("silu", "swish", "gelu", "relu", "mish"), "silu")
    for key in ("attention_head_dim", "num_attention_heads"):
        value = config.get(key)
        if isinstance(value, list):
            numbers(config, key, len(widths), only_whole=True)
        elif value is not None or key == "attention_head_dim":
            whole(config, key, 8)
    for key in ("flip_sin_to_cos", "center_input_sample", "use_linear_projection", "upcast_attention"):
        flag({**config, key: config.get(key) or False} if config.get(key) is None else config, key, False)
    for key, default in (("mid_block_scale_factor", 1), ("norm_eps", 1e-5), ("dropout", 0.0)):
        number(config, key, default)
    side = image_side(config)
    attends = [
        "Cross" in down + up
        for down, up in zip(types["down_block_types"], reversed(types["up_block_types"]), strict=True)
    ]
    check_sizes(side, widths, attends, middle=True, freq_shift=number(config, "freq_shift", 0))
    return side, channels


def check_decoder(config: dict[str, Any]) -> tuple[int, int]:
    """Return the channels of an autoencoder's latents, and how many pixels a side one position of the latents covers.

    Raise ValueError for an autoencoder that can't be used.
    """
    kind = config.get("_class_name")
    if kind == "AutoencoderTiny":
        widths = _widths(config, "encoder_block_out_channels", [64] * 4)
        if _widths(config, "decoder_block_out_channels", [64] * 4) != widths:
            raise ValueError("the two halves of the AutoencoderTiny must have the same widths")
        for key in ("num_encoder_blocks", "num_decoder_blocks"):
            blocks = numbers({key: [1] * len(widths), **config}, key, MAX_LEVELS, only_whole=True)
            if len(blocks) != len(widths):
                raise ValueError(f"{key} must be {len(widths)} numbers, got {shown(blocks)}")
        choice(config, "act_fn", ("relu", "silu", "gelu"), "relu")
        choice(config, "upsample_fn", ("nearest",), "nearest")
        if config.get("upsampling_scaling_factor", 2) != 2:
            raise ValueError("upsampling_scaling_factor must be 2")
    elif kind in ("AutoencoderKL", "VQModel"):
        widths = _widths(config, "block_out_channels", [64])
        for key, name in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
            if config.get(key, [name]) != [name] * len(widths):
                raise ValueError(f"{key} must be {name} at each of {len(widths)} levels, got {shown(config.get(key))}")
        whole(config, "layers_per_block", 1)
        whole(config, "norm_num_groups", 32)
        choice(config, "act_fn", ("silu",), "silu")
        choice(config, "norm_type", ("group",), "group")
        whole(config, "num_vq_embeddings", 256)
        whole(config, "vq_embed_dim", optional=True)
        for key in ("latents_mean", "latents_std"):
            if config.get(key) is not None:
                raise ValueError(f"{key} is not supported: it must be null")
    else:
        raise ValueError(
            f"the autoencoder is a {shown(kind)}: AutoencoderKL, AutoencoderTiny and VQModel are supported"
        )
    for key in ("in_channels", "out_channels"):
        if config.get(key, 3) != 3:
            raise ValueError(f"{key} of the autoencoder must be 3, got {shown(config.get(key))}")
    scaling(config)
    return whole(config, "latent_channels", 3 if kind == "VQModel" else 4), 2 ** (len(widths) - 1)


def scaling(config: dict[str, Any]) -> tuple[float, float]:
    """Return scale and shift of x = scale · (z − shift) from an autoencoder's configuration.

    Older configurations do not have the field scaling_factor. Then the scale is Stable Diffusion's, 0.18215, for an
    AutoencoderKL, and 1 for a VQModel. diffusers has the default 0.18215 for both classes, which is wrong for existing
    VQModels (diffusers#6725).
    """
    default = 0.18215 if config.get("_class_name") == "AutoencoderKL" else 1.0
    shift = config.get("shift_factor")
    return number(config, "scaling_factor", default), 0.0 if shift is None else number(config, "shift_factor")


def check_text(config: dict[str, Any]) -> int:
    """Return the width of a CLIPTextModel's states. Raise ValueError for any other text encoder."""
    kinds = config.get("architectures") or ["CLIPTextModel"]
    if config.get("model_type", "clip_text_model") != "clip_text_model" or kinds != ["CLIPTextModel"]:
        raise ValueError(f"the text encoder is a {shown(kinds)}: only a CLIPTextModel is supported")
    for key, default in (("vocab_size", 49408), ("hidden_size", 512), ("intermediate_size", 2048)):
        whole(config, key, default)
    for key, default in (("num_hidden_layers", 12), ("num_attention_heads", 8), ("max_position_embeddings", 77)):
        whole(config, key, default)
    choice(config, "hidden_act", ("quick_gelu", "gelu"), "quick_gelu")
    number(config, "layer_norm_eps", 1e-5)
    if config.get("use_attention_mask"):
        raise ValueError("use_attention_mask of the text encoder is not supported")
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        whole(config, key, optional=True)
    return config.get("hidden_size", 512)


TEXT_FIELDS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("max_position_embeddings", "hidden_act", "layer_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id"),
)


def _widths(config: dict[str, Any], key: str, default: list[int]) -> list[int]:
    """Return config[key], a list of 1 to 6 layer widths of an autoencoder. Raise ValueError for anything else."""
    low, high = LIMITS["block_out_channels"]
    widths = config.get(key, default)
    if not isinstance(widths, list) or not 1 <= len(widths) <= 6:
        raise ValueError(f"{key} must be a list of 1 to 6 numbers, got {shown(widths)}")
    if not all(is_whole(width) and low <= width <= high for width in widths):
        raise ValueError(f"{key} must be whole numbers from {low} to {high:,}, got {shown(widths)}")
    return widths
