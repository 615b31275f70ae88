"""Models, and their checkpoints in the Hub's layout: `load`, `save` and what `info` says of one."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ddpm_core import analytic, hub, refs, settings
from ddpm_core import engine as engines
from ddpm_core.from_diffusers import UNet2DModel
from ddpm_core.process import LEARNED, PREDICTIONS
from ddpm_core.refs import CheckpointError
from ddpm_core.schedule import NoiseSchedule

__all__ = ["CheckpointError", "Model", "Source", "describe", "load", "save"]

VARIANCES = ("beta", "beta_tilde", *LEARNED)  # what a checkpoint can have as its own
SAVED = ("config.json", "scheduler_config.json", "model_index.json", "ddpm_core.json", refs.ANALYTIC, refs.WEIGHTS[0])
# Google's repositories whose weights are not the moving average, though their names do not say so.
NOT_EMA = ("google/ddpm-cifar10-32", "google/ddpm-cat-256", "google/ddpm-bedroom-256", "google/ddpm-church-256")
# Attention weights as diffusers named them before 0.12.
LEGACY_KEYS = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    ref: what `load` was given; name: what to show; revision: the Hub's commit; weights: "EMA", "not EMA" or "unknown";
    file and bytes: the weights file; folder: where it lies.
    """

    ref: str = ""
    name: str = ""
    revision: str | None = None
    weights: str = "unknown"
    file: str | None = None
    bytes: int | None = None
    parameters: int | None = None
    folder: Path | None = None


@dataclass
class Model:
    """A network and what it was trained to predict, under which schedule.

    network(x, t_index, labels) -> tensor like x, (N, C, H, W), with 2C channels for a learned variance; t_index = t − 1
    and labels are int64 (N,), labels None for a model without classes.
    prediction: "epsilon", "x0", "v" or "mu". variance: the checkpoint's own reverse variance, one of VARIANCES.
    num_classes: without the null label; labels are 0..num_classes − 1. null_label: the label that means "none".
    clip: whether the checkpoint asks for x̂_0 to be clipped.
    gamma: Γ_t for the variance "analytic", float64 (T + 1,), or None where it was not estimated (ddpm_core.analytic).
    Raises ValueError for other values.
    """

    network: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    schedule: NoiseSchedule
    image_size: int
    channels: int = 3
    prediction: str = "epsilon"
    variance: str = "beta"
    num_classes: int = 0
    null_label: int | None = None
    class_names: tuple[str, ...] | None = None
    clip: bool = True
    source: Source | None = None
    gamma: Tensor | None = None

    def __post_init__(self):
        if self.prediction not in PREDICTIONS:
            raise ValueError(f"unknown prediction {self.prediction!r}: choose from {', '.join(PREDICTIONS)}")
        if self.variance not in VARIANCES:
            raise ValueError(f"a model's own variance is one of {', '.join(VARIANCES)}, got {self.variance!r}")
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise ValueError(f"{self.num_classes} classes need as many names, got {len(self.class_names)}")


def load(
    ref: str | Path | refs.Ref,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    engine: str = "auto",
    progress: hub.Progress | None = None,
) -> Model:
    """Load a checkpoint: an embedded name, a local folder, or a Hub id "owner/name" with an optional "@revision".

    progress(bytes done, bytes in all) reports a download; what it raises cancels it and comes out unchanged.
    Raises CheckpointError, whose text is one sentence for the user, and ValueError for a device, precision or engine
    that does not exist.
    """
    where = refs.parse(ref, revision)

    def read(folder: Path, layout: refs.Layout) -> settings.Settings:
        return settings.read(folder, layout, str(where))

    folder, layout, commit = hub.fetch(where, read, progress)
    found, path = read(folder, layout), folder / layout.weights
    unet = _network(found.unet, path, f"{where}: {layout.weights}")
    source = Source(
        ref=str(where),
        name=folder.resolve().name if where.kind == "folder" else where.name,
        revision=commit,
        weights=_weights(where) if found.weights == "unknown" else found.weights,
        file=layout.weights,
        bytes=path.stat().st_size,
        parameters=sum(p.numel() for p in unet.parameters()),
        folder=folder,
    )
    gamma = analytic.read(source, found.model["schedule"])
    network = engines.wrap(unet, device, precision, engine, owned=True)
    return Model(network=network, source=source, gamma=gamma, **found.model)


def save(model: Model, folder: str | Path, half: bool = False) -> None:
    """Write a checkpoint in the Hub's layout, which `load` and diffusers' `from_pretrained` read back exactly.

    half: keep the weights as float16, half the size, each rounded to 11 significant bits.
    It is written whole beside the folder, then renamed. A folder that exists is replaced only if it is such a
    checkpoint (its README.md stays). Raises CheckpointError when it is not, or when the disk refuses; TypeError for a
    network that is not a UNet2DModel, ValueError for one whose weights are rounded to less than float32 and are not
    (or no longer) those of the file it was loaded from.
    """
    unet = getattr(model.network, "unet", None)
    if not isinstance(unet, UNet2DModel):
        raise TypeError("only a model whose network is a diffusers UNet2DModel can be saved in the Hub's layout")
    weights = _unrounded(model, unet)
    folder = Path(folder).expanduser().absolute()
    readme = _check_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            dtype = torch.float16 if half else torch.float32
            weights = {key: value.to("cpu", dtype).contiguous() for key, value in weights.items()}
            save_file(weights, new / refs.WEIGHTS[0], metadata={"format": "pt"})
            unet.save_config(new)
            for name, content in settings.files(model).items():
                (new / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            shutil.copymode(new / "config.json", new / refs.WEIGHTS[0])  # safetensors makes it its owner's only
            if readme:
                shutil.copy2(readme, new)
            if folder.exists():
                os.rename(folder, Path(temporary) / "old")
            os.rename(new, folder)
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        reason = "the disk is full" if full else getattr(error, "strerror", None) or error
        raise CheckpointError(f"cannot save to {folder}: {reason}") from None


def _unrounded(model: Model, unet: UNet2DModel) -> dict[str, Tensor]:
    """The weights in float32: the network's own, or those of its file where it has them rounded."""
    weights = unet.state_dict()
    if all(weight.dtype == torch.float32 for weight in weights.values()):
        return weights
    source = model.source
    if source and source.folder:
        stored = _read_weights(source.folder / source.file, source.name)
        if all(stored[key].to(weight.dtype).equal(weight.cpu()) for key, weight in weights.items() if key in stored):
            return stored
    raise ValueError("the weights were rounded when they were loaded: load with precision='fp32' to save them")


def describe(model: Model) -> dict[str, str]:
    """What `python -m ddpm_core info` prints: a title and a line of text for each thing worth knowing."""
    source = model.source or Source()
    config = model.schedule.config
    name = config.get("beta_schedule", "given betas")
    betas = model.schedule.beta[1:].tolist()
    lines = {
        "checkpoint": source.ref,
        "revision": source.revision,
        "weights": source.weights,
        "file": source.file and f"{source.file}, {source.bytes / 1e6:.1f} MB",
        "parameters": source.parameters and f"{source.parameters:,}",
        "image": f"{model.image_size}×{model.image_size}, {model.channels} channels",
        "schedule": f"{name}, T = {model.schedule.T}, β from {betas[0]:.4g} to {betas[-1]:.4g}",
        "prediction": model.prediction,
        "variance": f"{model.variance} (as published)",
        "analytic variance": "estimated" if model.gamma is not None else "not estimated",
        "clip": "x̂_0 to [−1, 1]" if model.clip else "no",
        "classes": _classes(model),
        "engine": getattr(model.network, "description", None),
    }
    return {title: str(line) for title, line in lines.items() if line}


def _classes(model: Model) -> str:
    if not model.num_classes:
        return "none"
    names = f" ({', '.join(model.class_names)})" if model.class_names else ""
    null = "" if model.null_label is None else f", and {model.null_label} for no label"
    return f"{model.num_classes}{names}{null}"


def _weights(where: refs.Ref) -> str:
    """Whether a repository whose files do not say so holds the moving average of the weights."""
    if where.kind != "hub":
        return "unknown"
    return "EMA" if "-ema-" in where.name else "not EMA" if where.name in NOT_EMA else "unknown"


def _network(config: dict[str, Any], path: Path, where: str) -> UNet2DModel:
    """The network of config.json with the weights of a file, float32. Nothing is allocated before the shapes agree."""
    try:
        with torch.device("meta"):
            unet = UNet2DModel.from_config(config)
    except Exception as error:  # diffusers checks a configuration by running into it
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{where}: config.json is not one that UNet2DModel can be built of ({reason})") from None
    weights = _read_weights(path, where)
    expected = unet.state_dict()
    for keys, problem in ((expected.keys() - weights.keys(), "lacks"), (weights.keys() - expected.keys(), "has also")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise CheckpointError(f"{where} does not fit config.json: it {problem} {min(keys)}{more}")
    for key, value in weights.items():
        if value.shape != expected[key].shape:
            shapes = f"{tuple(value.shape)}, not {tuple(expected[key].shape)}"
            raise CheckpointError(f"{where} does not fit config.json: {key} has shape {shapes}")
        if not torch.stack(torch.aminmax(value.float())).isfinite().all():  # NaN is kept; a third of isfinite's time
            raise CheckpointError(f"{where} holds NaN or infinite numbers in {key}: the training run failed")
    unet.to_empty(device="cpu").load_state_dict(weights)
    return unet


def _read_weights(path: Path, where: str) -> dict[str, Tensor]:
    """The tensors of a file, under today's names. A .bin file is a pickle: only tensors are taken, nothing is run."""
    try:
        if path.suffix == ".safetensors":
            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{where} is damaged or holds more than weights: refused, nothing in it was run"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise CheckpointError(f"{where} cannot be read: {error.strerror}") from None
        file = path.resolve()  # in the Hub's cache, where path is a link
        raise CheckpointError(f"{where} is damaged or cut off: delete {file} and load or copy it again") from None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(f"{where} is not a plain list of weights by name")
    return {_modern(key): value for key, value in weights.items()}


def _modern(key: str) -> str:
    for old, new in LEGACY_KEYS.items():
        key = key.replace(old, new)
    return key


def _check_replaceable(folder: Path) -> Path | None:
    """Refuse to replace anything but a checkpoint like those `save` writes; returns its README.md, if any."""
    if not os.path.lexists(folder):
        return None
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    others = names - {*SAVED, "README.md"}
    if folder.is_symlink() or others or (names and "config.json" not in names):
        found = f" (it holds {min(others)})" if others else ""
        raise CheckpointError(f"{folder} exists and is not a checkpoint of ours{found}: choose another folder")
    return folder / "README.md" if "README.md" in names else None
