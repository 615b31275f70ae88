"""Check the config.json of a DiTTransformer2DModel (Peebles & Xie 2023).

As in unet_config, every field is checked. Before diffusers 0.28, the class was named Transformer2DModel, and norm_type
was "ada_norm_zero". Such a configuration has further fields; their values must mean that they are not used.
"""

from __future__ import annotations

import inspect
from typing import Any

from ddpm_core.checkpoint.config.fields import MAX_ACTIVATION, MAX_ATTENDED, choice, flag, number, shown, whole

KIND, _FORMER = "DiTTransformer2DModel", "Transformer2DModel"
_UNUSED = (None, False, "default")


def is_transformer(config: dict[str, Any]) -> bool:
    """Return whether a config.json belongs to a transformer of any kind."""
    kind = config.get("_class_name")
    return isinstance(kind, str) and "Transformer" in kind


def normal(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with the fields of DiTTransformer2DModel only.

    Raise ValueError for other transformers.
    """
    from ddpm_core.engines.from_diffusers import DiTTransformer2DModel

    kind = config.get("_class_name")
    if kind not in (KIND, _FORMER) or config.get("norm_type", "ada_norm_zero") != "ada_norm_zero":
        raise ValueError(
            f"the network is a {shown(kind)}, as in SD3, Flux, Sana and PixArt; of transformers, only {KIND} loads"
        )
    known = [*inspect.signature(DiTTransformer2DModel).parameters]
    for name, value in config.items():
        if not name.startswith("_") and name not in known and value not in _UNUSED:
            raise ValueError(f"{name} {shown(value)} is not supported in a {KIND}")
    return {"_class_name": KIND, **{name: config[name] for name in known if name in config}}


def check(config: dict[str, Any]) -> tuple[int, int]:
    """Return the side and the channels of the latents. Raise ValueError for a transformer that can't be built."""
    side, channels = whole(config, "sample_size", 32), whole(config, "in_channels", 4)
    whole(config, "out_channels", optional=True)
    width = whole(config, "num_attention_heads", 16) * whole(config, "attention_head_dim", 72)
    whole(config, "num_layers", 28)
    whole(config, "num_embeds_ada_norm", 1000)
    whole(config, "norm_num_groups", 32)
    for key, default in (("dropout", 0.0), ("norm_eps", 1e-5)):
        number(config, key, default)
    for key, default in (("attention_bias", True), ("upcast_attention", False), ("norm_elementwise_affine", False)):
        flag(config, key, default)
    choice(config, "activation_fn", ("gelu", "gelu-approximate", "geglu"), "gelu-approximate")
    patch = whole(config, "patch_size", 2)
    if side % patch:
        raise ValueError(f"sample_size must be a multiple of patch_size {patch}, got {side}")
    if width % 4:
        raise ValueError(f"the heads must have a multiple of 4 channels in all, got {width}")
    patches = (side // patch) ** 2
    if patches > MAX_ATTENDED or patches * width > MAX_ACTIVATION:
        raise ValueError(f"attention over {patches:,} patches of {width:,} numbers is too much")
    return side, channels
