"""Convert a file of weights of improved- or guided-diffusion into a folder in the Hub's layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddpm_core.checkpoint.config import families, unet_config
from ddpm_core.checkpoint.openai import shapes
from ddpm_core.checkpoint.openai.presets import PRESETS, SIGMAS, Preset, preset_of
from ddpm_core.checkpoint.openai.shapes import Flags
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.checkpoint.save import check_replaceable, write
from ddpm_core.checkpoint.weights import check_evaluation, check_values, read_tensors
from ddpm_core.engines.networks import make_network
from ddpm_core.errors import UNCHECKED, first_line
from ddpm_core.model import ModelSpec, Source
from ddpm_core.names import Averaging
from ddpm_core.schedule import NoiseSchedule


def convert(path: Path, folder: Path, like: str | None = None) -> ModelSpec:
    """Convert OpenAI's file of weights into a checkpoint that `load` can read. Return the model's specification.

    Arguments:
        path: the file, a dictionary of tensors as OpenAI's scripts write it. Only tensors are read from it.
        folder: the folder to write, as for `save`.
        like: one of presets.PRESETS, for the settings that the file does not contain; None if a published file has the
            same shapes.

    Raises:
        CheckpointError: if the file can't be converted, or does not fit `like`; the text is one sentence for the user.
    """
    if like is not None and like not in PRESETS:
        raise CheckpointError(f"there is no --like {like!r}: choose from {', '.join(PRESETS)}")
    if not os.path.isfile(path):
        raise CheckpointError(f"there is no file {str(path)!r}")
    folder = Path(os.path.realpath(folder))
    check_replaceable(folder)
    weights = read_tensors(path, path.name)
    try:
        flags = shapes.read_flags({name: (*value.shape,) for name, value in weights.items()})
        chosen = like or preset_of(flags, path.stem)
        config = _config(flags, PRESETS[chosen], chosen)
        unet_config.check(config)
        network = _network(config)
        renamed = _renamed(weights, flags, PRESETS[chosen], network.state_dict(), path.name)
    except ValueError as error:
        raise CheckpointError(f"{path.name}: {error}") from None
    weights.clear()
    network.load_state_dict(renamed, assign=True)
    spec = _spec(flags, PRESETS[chosen], path.stem)
    network.takes_sigma = spec.coordinates is not None  # explained at engines.common.takes_sigma
    check_evaluation(network, spec.image_size, spec.schedule.T, path.name)
    write(spec, network, folder)
    return spec


def _config(flags: Flags, preset: Preset, like: str) -> dict[str, Any]:
    """Return the content of config.json, for UNet2DModel if that class has all options needed, else for OpenAIUNet.

    like: the preset's name, for messages.
    """
    widths = {flags.widths[-1], *(width for width, here in zip(flags.widths, flags.attention, strict=True) if here)}
    for width in sorted(widths):
        if width % (preset.head_width or preset.heads or 1):
            heads = f"of {preset.head_width} channels" if preset.head_width else f", {preset.heads} of them"
            raise ValueError(f"--like {like} has heads {heads}, and there is an attention over {width} channels")
    own: dict[str, Any] = {}
    head_width = preset.head_width
    if preset.heads and len(widths) == 1:
        head_width = min(widths) // preset.heads
    elif preset.heads and preset.heads > 1:
        own["num_heads"] = preset.heads
    if flags.widths[0] != flags.channels:
        own["time_width"] = flags.channels
    if preset.time_scale != 1:
        own["time_scale"] = preset.time_scale
    kind = "OpenAIUNet" if own else "UNet2DModel"
    return {"_class_name": kind, **shapes.config_of(flags), "attention_head_dim": head_width, **own}


def _network(config: Mapping[str, Any]) -> Any:
    """Return the network of a configuration, without memory for its weights."""
    try:
        with torch.device("meta"):
            return make_network(dict(config))
    except UNCHECKED as error:
        raise ValueError(f"no U-Net has these shapes ({first_line(error)})") from None


def _renamed(
    weights: Mapping[str, Tensor], flags: Flags, preset: Preset, expected: Mapping[str, Tensor], where: str
) -> dict[str, Tensor]:
    """Return the weights with our names, as float32.

    expected: our names and shapes. where: the file's name for messages. Raise ValueError, with the name, for a tensor
    that is missing, has another shape or is not expected.
    """
    found: dict[str, Tensor] = {}
    taken: set[str] = set()
    for theirs, ours, shape in _expected(flags, expected):
        if theirs not in weights:
            raise ValueError(f"{theirs} is missing; its shape should be {shape}")
        value = weights[theirs]
        if value.shape != shape:
            raise ValueError(f"{theirs} has shape {(*value.shape,)}, not {shape}")
        check_values(theirs, value, where)
        taken.add(theirs)
        parts = _split(value.float(), preset) if len(ours) > 1 else [value.float()]
        found |= {name: part.reshape(expected[name].shape) for name, part in zip(ours, parts, strict=True)}
    more = next((name for name in weights if name not in taken), None)
    if more is not None:
        raise ValueError(f"{more} belongs to no U-Net of OpenAI's with these blocks")
    return found


def _expected(flags: Flags, expected: Mapping[str, Tensor]) -> Iterator[tuple[str, list[str], tuple[int, ...]]]:
    """Yield (OpenAI's name, our names, OpenAI's shape) for each tensor. OpenAI's "qkv" is three tensors here."""
    for theirs, ours in shapes.names(flags):
        module, _, last = ours.rpartition(".")
        for kind in ("weight", "bias"):
            parts = [f"{module}.to_{part}.{kind}" for part in "qkv"] if last == "qkv" else [f"{ours}.{kind}"]
            if parts[0] not in expected:
                continue
            shape = (*expected[parts[0]].shape,)
            # In OpenAI's networks, the matrices of attention are convolutions with a kernel of size 1.
            if ".attentions." in ours and last in ("qkv", "0") and kind == "weight":
                shape = (len(parts) * shape[0], *shape[1:], *(1, 1)[: 1 + flags.flat])
            elif last == "qkv":
                shape = (len(parts) * shape[0],)
            yield f"{theirs}.{kind}", parts, shape


def _split(qkv: Tensor, preset: Preset) -> list[Tensor]:
    """Split OpenAI's weight or bias "qkv" into three tensors: for query, key and value."""
    if preset.new_order:
        return [part.clone() for part in qkv.chunk(3)]
    channels = len(qkv) // 3
    heads = preset.heads or channels // (preset.head_width or channels)
    return [part.flatten(0, 1) for part in qkv.unflatten(0, (heads, 3, -1)).unbind(1)]


def _spec(flags: Flags, preset: Preset, stem: str) -> ModelSpec:
    """Return the model's specification. stem: the file's name without its ending, for a consistency model's times."""
    fields: dict[str, Any]
    if preset.schedule in SIGMAS:
        scheduler = {"_class_name": SIGMAS[preset.schedule], "num_train_timesteps": preset.T, "clip_denoised": True}
        family = families.family_of(scheduler)
        assert family is not None
        fields = family.read(scheduler)
        fields["student"] = families.with_published_times(fields.get("student"), stem)
    else:
        cosine = preset.schedule == "cosine"
        fields = {"schedule": (NoiseSchedule.cosine if cosine else NoiseSchedule.linear)(preset.T)}
        fields["prediction"] = "epsilon"
    return ModelSpec(
        image_size=flags.side,
        channels=flags.image_channels,
        variance="learned_range" if flags.learned else "beta",
        num_classes=flags.classes,
        source=Source(weights=_averaging(stem)),
        **fields,
    )


def _averaging(stem: str) -> Averaging:
    """Return whether weights are a moving average, judged by the name that OpenAI's trainer or pages gave the file."""
    words = re.split(r"[^a-z]", stem.lower())
    return "EMA" if "ema" in words else "not EMA" if re.fullmatch(r"model\d+", stem) else "unknown"
