"""The paper's U-Nets as `UNet2DModel` of diffusers, initialised as in the paper (Appendix B) and its code."""

from __future__ import annotations

from typing import Any

from torch import nn

from ddpm_core.engines.from_diffusers import Attention, ResnetBlock2D, UNet2DModel

# Fields of config.json as in Google's checkpoints on the Hub; diffusers has other defaults.
_PAPER = {
    "in_channels": 3,
    "out_channels": 3,
    "layers_per_block": 2,
    "act_fn": "silu",
    "attention_head_dim": None,  # one attention head
    "center_input_sample": False,
    "downsample_padding": 0,  # with 0, diffusers pads only at the right and below, like TensorFlow's "same"
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-6,
    "norm_num_groups": 32,
    "time_embedding_type": "positional",
}

PRESETS: dict[str, dict[str, Any]] = {
    # 35.7 million parameters, attention at 16×16
    "cifar10": {
        "sample_size": 32,
        "block_out_channels": (128, 256, 256, 256),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        "dropout": 0.1,
    },
    # CelebA-HQ and LSUN: 113.7 million parameters, attention at 16×16
    "256": {
        "sample_size": 256,
        "block_out_channels": (128, 128, 256, 256, 512, 512),
        "down_block_types": (*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4),
        "dropout": 0.0,
    },
    # the embedded model: 8.5 million parameters, attention at 8×8, 10 classes, null label 10
    "cifar10-tiny": {
        "sample_size": 32,
        "block_out_channels": (32, 96, 192),
        "down_block_types": ("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        "norm_num_groups": 16,
        "num_class_embeds": 11,
        "dropout": 0.0,
    },
}


def unet(preset: str, **overrides: Any) -> UNet2DModel:
    """Return a newly initialised network in training mode. overrides: any fields of UNet2DModel's configuration.

    Raise ValueError for a preset that is not in PRESETS.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown network {preset!r}: choose from {', '.join(PRESETS)}")
    model = UNet2DModel(**{**_PAPER, **PRESETS[preset], **overrides})
    initialise(model)
    return model


def initialise(model: UNet2DModel) -> None:
    """Initialise a network in place: Glorot-uniform weights and zero biases.

    The last layer of each residual block, of each attention and of the network has zero weights, so that each block
    starts as the identity. Embedding tables keep torch's normal distribution.
    """
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, ResnetBlock2D):
            nn.init.zeros_(module.conv2.weight)
        elif isinstance(module, Attention):
            nn.init.zeros_(module.get_submodule("to_out.0").get_parameter("weight"))
    nn.init.zeros_(model.conv_out.weight)
