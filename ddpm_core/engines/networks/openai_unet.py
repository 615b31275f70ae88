"""The U-Net of improved- and guided-diffusion (Nichol & Dhariwal 2021), for options that diffusers' U-Net lacks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ddpm_core.engines.from_diffusers import Attention, TimestepEmbedding, Timesteps, UNet2DModel

OWN_FIELDS = ("num_heads", "time_width", "time_scale")


class OpenAIUNet(UNet2DModel):
    """diffusers' U-Net with the same number of heads in each attention layer, or with another embedding of the time.

    num_heads: the number of heads of each attention layer; None if attention_head_dim determines it. time_width: the
    number of sines and cosines that embed a time; None for the number of channels of the first level. time_scale: the
    network embeds time_scale · (t − 1). unet: the fields of UNet2DModel.
    """

    def __init__(
        self, num_heads: int | None = None, time_width: int | None = None, time_scale: float = 1.0, **unet: Any
    ):
        super().__init__(**unet)
        self.register_to_config(num_heads=num_heads, time_width=time_width, time_scale=time_scale)
        if num_heads is not None:
            for module in self.modules():
                if isinstance(module, Attention):
                    module.heads, module.scale = num_heads, (module.inner_dim // num_heads) ** -0.5
        scale: Any = time_scale  # annotated as Any, because diffusers annotates this argument as int
        width = time_width or self.config["block_out_channels"][0]
        shift = self.config["freq_shift"]
        self.time_proj = Timesteps(width, self.config["flip_sin_to_cos"], shift, scale)
        if time_width is not None:
            self.time_embedding = TimestepEmbedding(time_width, self.time_embedding.linear_2.out_features)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **_: Any) -> OpenAIUNet:
        """Return a network with arbitrary weights. Keys of config that are no fields are ignored."""
        known = {*OWN_FIELDS, *inspect.signature(UNet2DModel).parameters}
        return cls(**{name: value for name, value in config.items() if name in known})
