"""The U-Net of improved- and guided-diffusion (Nichol & Dhariwal 2021), where diffusers' has no field for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ddpm_core.engines.from_diffusers import Attention, TimestepEmbedding, Timesteps, UNet2DModel

OWN_FIELDS = ("num_heads", "time_width", "time_scale")


class OpenAIUNet(UNet2DModel):
    """diffusers' U-Net with as many heads at every width, or with times of another scale.

    num_heads: of each attention, None for those of attention_head_dim. time_width: sines and cosines of a time, None
    for the channels of the first level. time_scale: the network sees time_scale · (t − 1). unet: UNet2DModel's fields.
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
        scale: Any = time_scale  # Any, as diffusers declares an int
        width = time_width or self.config["block_out_channels"][0]
        shift = self.config["freq_shift"]
        self.time_proj = Timesteps(width, self.config["flip_sin_to_cos"], shift, scale)
        if time_width is not None:
            self.time_embedding = TimestepEmbedding(time_width, self.time_embedding.linear_2.out_features)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **_: Any) -> OpenAIUNet:
        """One with any weights. What is no field is left out."""
        known = {*OWN_FIELDS, *inspect.signature(UNet2DModel).parameters}
        return cls(**{name: value for name, value in config.items() if name in known})
