"""Check the config.json of a UNet2DModel of diffusers, or of our OpenAIUNet.

diffusers tries to build any configuration, which can take hours or fail. Some networks that it builds cannot be
evaluated. So every field is checked before diffusers builds the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddpm_core.checkpoint.config.fields import (
    LIMITS,
    MAX_ACTIVATION,
    MAX_ATTENDED,
    MAX_LEVELS,
    MAX_PARAMETERS,
    choice,
    flag,
    names,
    number,
    numbers,
    shown,
    whole,
)

if TYPE_CHECKING:
    from torch import nn

_KINDS = ("{}Block2D", "Attn{}Block2D", "Resnet{}sampleBlock2D", "Skip{}Block2D", "AttnSkip{}Block2D", "K{}Block2D")
BLOCKS = {
    f"{side}_block_types": {prefix + kind.format(side.title()) for kind in _KINDS for prefix in ("", "UNetRes")}
    for side in ("down", "up")
}
# diffusers' defaults for fields that config.json lacks.
_WIDTHS = [224, 448, 672, 896]
_TYPES = {
    "down_block_types": ["DownBlock2D", *["AttnDownBlock2D"] * 3],
    "up_block_types": [*["AttnUpBlock2D"] * 3, "UpBlock2D"],
}


def count_parameters(network: nn.Module) -> int:
    """Return the number of a network's parameters. Raise ValueError for more than MAX_PARAMETERS."""
    count = sum(parameter.numel() for parameter in network.parameters())
    if count > MAX_PARAMETERS:
        raise ValueError(f"the network has {count:,} parameters; the limit is {MAX_PARAMETERS:,}")
    return count


def check(config: dict, times: tuple[str, ...] = ("positional", "learned")) -> tuple[int, int]:
    """Return the image's side in pixels and its channels. Raise ValueError for a network that cannot be built.

    times: the allowed values of time_embedding_type. "fourier" is only for networks that take σ, because it gives NaN
    at time 0.
    """
    if config.get("class_embed_type") is not None:
        raise ValueError(f"class_embed_type {shown(config['class_embed_type'])} is not supported: it must be null")
    channels = whole(config, "in_channels", 3)
    for key, default in (("out_channels", 3), ("layers_per_block", 2)):
        whole(config, key, default)
    whole(config, "norm_num_groups", 32, optional=_groups_by_width(config))
    whole(config, "downsample_padding", 1)
    for key in ("attention_head_dim", "attn_norm_num_groups", "num_class_embeds", "time_embedding_dim"):
        whole(config, key, optional=True)
    whole(config, "num_train_timesteps", optional=True)
    ours = config.get("_class_name") == "OpenAIUNet"
    if ours:
        for key in ("num_heads", "time_width"):
            whole(config, key, optional=True)
        number(config, "time_scale", 1.0)
    for key, default in (("mid_block_scale_factor", 1), ("norm_eps", 1e-5), ("dropout", 0.0)):
        number(config, key, default)
    for key, default in (("center_input_sample", False), ("flip_sin_to_cos", True), ("add_attention", True)):
        flag(config, key, default)
    choice(config, "time_embedding_type", times[:1] if ours else times, "positional")
    choice(config, "mid_block_type", ("UNetMidBlock2D", None), "UNetMidBlock2D")
    choice(config, "resnet_time_scale_shift", ("default", "scale_shift"), "default")
    for key in ("downsample_type", "upsample_type"):
        choice(config, key, ("conv", "resnet"), "conv")
    act_fn = config.get("act_fn", "silu")
    lowered = act_fn.lower() if isinstance(act_fn, str) else act_fn
    choice({"act_fn": lowered}, "act_fn", ("silu", "swish", "mish", "gelu", "relu"))
    return _check_levels(config), channels


def _groups_by_width(config: dict) -> bool:
    """Return whether all blocks are Skip blocks, whose number of groups is a quarter of their channels, at most 32."""
    listed = [config.get(key) for key in BLOCKS]
    return all(isinstance(types, list) and all("Skip" in str(name) for name in types) for types in listed)


def _check_levels(config: dict) -> int:
    """Return the image's side in pixels. Raise ValueError if the lists of levels or the layers' sizes are wrong."""
    widths = numbers({"block_out_channels": _WIDTHS, **config}, "block_out_channels", MAX_LEVELS, only_whole=True)
    types = {key: names({key: _TYPES[key], **config}, key, BLOCKS[key]) for key in BLOCKS}
    for key, listed in types.items():
        if len(listed) != len(widths):
            raise ValueError(f"{key} has {len(listed)} entries, but block_out_channels {len(widths)}")
    side = image_side(config)
    attends = [
        "Attn" in down + up
        for down, up in zip(types["down_block_types"], reversed(types["up_block_types"]), strict=True)
    ]
    middle = config.get("mid_block_type", "") is not None and config.get("add_attention", True)
    check_sizes(side, widths, attends, middle, number(config, "freq_shift", 0))
    return side


def check_sizes(image_side: int, widths: list[int], attends: list[bool], middle: bool, freq_shift: float) -> None:
    """Raise ValueError if layers are too large, or if the image can't be halved for each level.

    attends: whether each level has attention. middle: whether the middle block has attention.
    """
    if widths[0] // 2 <= freq_shift:
        raise ValueError(f"the first of block_out_channels is {widths[0]}, too few for the time embedding")
    step = 2 ** (len(widths) - 1)
    if image_side % step:
        raise ValueError(f"sample_size must be a multiple of {step} with {len(widths)} levels, got {image_side}")
    sides = [image_side // 2**level for level in range(len(widths))]
    largest = max(width * side**2 for width, side in zip(widths, sides, strict=True))
    if largest > MAX_ACTIVATION:
        raise ValueError(f"the network is too large: {largest:,} numbers in a layer, {MAX_ACTIVATION:,} at most")
    attending = [side for side, here in zip(sides, attends, strict=True) if here]
    if middle:
        attending.append(sides[-1])
    if attending and max(attending) ** 2 > MAX_ATTENDED:
        raise ValueError(f"attention over {max(attending) ** 2:,} pixels is too much: {MAX_ATTENDED:,} at most")


def image_side(config: dict) -> int:
    """Return the side of a square image in pixels, from sample_size. Raise ValueError for any other sample_size."""
    size = config.get("sample_size")
    if isinstance(size, list) and len(size) == 2 and size[0] == size[1]:
        return whole({"sample_size": size[0]}, "sample_size")
    if isinstance(size, int):
        return whole(config, "sample_size")
    low, high = LIMITS["sample_size"]
    raise ValueError(
        f"sample_size must be one whole number from {low} to {high}, the side of a square image, got {shown(size)}"
    )
