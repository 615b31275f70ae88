"""What a checkpoint's JSON files say, beside its weights, and how to write them.

config.json is the network's, scheduler_config.json diffusers' (schedule, prediction, variance, clipping),
model_index.json names the pipeline, and ddpm_core.json keeps what the Hub's layout has no field for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_core.process import LEARNED, PREDICTIONS
from ddpm_core.refs import CheckpointError, Layout
from ddpm_core.schedule import NoiseSchedule

if TYPE_CHECKING:
    from ddpm_core.checkpoint import Model

WEIGHTS = ("EMA", "not EMA", "unknown")

_PREDICTIONS = {"epsilon": "epsilon", "sample": "x0", "v_prediction": "v", "mu": "mu"}  # diffusers' name: ours
_VARIANCES = {
    "fixed_small": "beta_tilde",
    "fixed_small_log": "beta_tilde",
    "fixed_large": "beta",
    "fixed_large_log": "beta",
    "learned": "learned",
    "learned_range": "learned_range",
}


@dataclass(frozen=True)
class Settings:
    """unet: the configuration of the UNet2DModel; model: fields of `Model`; weights: one of WEIGHTS."""

    unet: dict[str, Any]
    model: dict[str, Any]
    weights: str


def read(folder: Path, layout: Layout, where: str) -> Settings:
    """Read and check the JSON files of a checkpoint; where names it in the sentence of a CheckpointError."""

    def load(name: str) -> dict[str, Any]:
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{where}: {name} cannot be read as JSON ({str(error).splitlines()[0]})") from None
        if not isinstance(content, dict):
            raise CheckpointError(f"{where}: {name} must hold a JSON object, not a {type(content).__name__}")
        return content

    index, own = (load(name) if name in layout.extra else {} for name in ("model_index.json", "ddpm_core.json"))
    unet, scheduler = load(layout.config), load(layout.scheduler)
    try:
        _check_kind(unet, index)
        model = {**_from_unet(unet), **_from_scheduler(scheduler)}
        if "prediction" in own:
            model["prediction"] = _choice(own, "prediction", {name: name for name in PREDICTIONS}, None)
        _check_channels(unet, model)
        model |= _classes(unet, own)
        weights = _choice(own, "weights", {name: name for name in WEIGHTS}, "unknown")
    except (ValueError, TypeError, RuntimeError) as error:  # torch's, of odd numbers, can have many lines
        raise CheckpointError(f"{where}: {str(error).splitlines()[0]}") from None
    return Settings(unet, model, weights)


def files(model: Model) -> dict[str, dict[str, Any]]:
    """The JSON files, but for config.json, that `read` turns back into the fields of the model."""
    from ddpm_core import from_diffusers  # seconds, which reading a checkpoint's JSON need not take

    version = {"_diffusers_version": from_diffusers.__version__}
    names = {ours: theirs for theirs, ours in _PREDICTIONS.items()}
    scheduler = {
        "_class_name": "DDPMScheduler",
        **version,
        **model.schedule.config,
        "prediction_type": names[model.prediction],  # diffusers refuses to step with "mu", better than misreading it
        "variance_type": {"beta": "fixed_large", "beta_tilde": "fixed_small"}.get(model.variance, model.variance),
        "clip_sample": model.clip,
    }
    index = {
        "_class_name": "DDPMPipeline",
        **version,
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }
    own: dict[str, Any] = {"weights": model.source.weights if model.source else "unknown"}
    if model.prediction == "mu":
        own["prediction"] = "mu"
    if model.null_label is not None:
        own["null_label"] = model.null_label
    if model.class_names is not None:
        own["class_names"] = list(model.class_names)
    return {"scheduler_config.json": scheduler, "model_index.json": index, "ddpm_core.json": own}


def _choice(config: dict, key: str, allowed: dict[str, str], default: str | None) -> str:
    value = config.get(key, default)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"unknown {key} {value!r}: allowed are {', '.join(allowed)}")
    return allowed[value]


def _check_kind(unet: dict, index: dict) -> None:
    kind = unet.get("_class_name")
    if kind != "UNet2DModel":
        raise ValueError(f"the network is a {kind or 'model of no named class'}, only UNet2DModel loads")
    others = [key for key, value in index.items() if isinstance(value, list) and key not in ("unet", "scheduler")]
    if others:
        pipeline = index.get("_class_name", "a pipeline")
        raise ValueError(
            f"{pipeline} needs its {', '.join(others)} too: only models of pixels load, a UNet2DModel alone"
        )


def _from_unet(unet: dict) -> dict[str, Any]:
    size = unet.get("sample_size")
    height, width = size if isinstance(size, list) and len(size) == 2 else (size, size)
    if not _is_count(height) or height != width:
        raise ValueError(f"sample_size must be one whole number, the side of a square image, got {size!r}")
    channels = unet.get("in_channels", 3)
    if not _is_count(channels):
        raise ValueError(f"in_channels must be a whole number of at least 1, got {channels!r}")
    return {"image_size": height, "channels": channels}


def _from_scheduler(scheduler: dict) -> dict[str, Any]:
    if "beta_schedule" not in scheduler and scheduler.get("trained_betas") is None:
        kind = scheduler.get("_class_name", "the scheduler")
        raise ValueError(f"{kind} is not a DDPM or DDIM scheduler: scheduler_config.json names no beta_schedule")
    default = "epsilon" if scheduler.get("predict_epsilon", True) else "sample"  # its name before diffusers 0.8
    return {
        "schedule": NoiseSchedule.from_config(scheduler),
        "prediction": _choice(scheduler, "prediction_type", _PREDICTIONS, default),
        "variance": _choice(scheduler, "variance_type", _VARIANCES, "fixed_small"),
        "clip": bool(scheduler.get("clip_sample", True)),
    }


def _check_channels(unet: dict, model: dict) -> None:
    channels, variance = model["channels"], model["variance"]
    expected = channels * (2 if variance in LEARNED else 1)
    if unet.get("out_channels", 3) != expected:
        raise ValueError(
            f"the network gives {unet.get('out_channels', 3)} channels, but {channels} image channels with variance "
            f"{variance} need {expected}"
        )


def _classes(unet: dict, own: dict) -> dict[str, Any]:
    """Without ddpm_core.json every class embedding is a class, and none means "no label"."""
    if unet.get("class_embed_type") is not None:
        raise ValueError(f"class_embed_type {unet['class_embed_type']!r} is not supported: it must be null")
    embeddings = unet.get("num_class_embeds") or 0
    null, names = own.get("null_label"), own.get("class_names")
    classes = embeddings if null is None else embeddings - 1
    if null is not None and (embeddings < 2 or null != classes):
        raise ValueError(f"null_label must be the last of the {embeddings} class embeddings, got {null!r}")
    if names is not None:
        if not isinstance(names, list) or len(names) != classes or not all(isinstance(name, str) for name in names):
            raise ValueError(f"class_names must be a list of {classes} names, got {names!r}")
        names = tuple(names)
    return {"num_classes": classes, "null_label": null, "class_names": names}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
