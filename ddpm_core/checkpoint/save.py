"""Save a model as a checkpoint in the Hub's layout. After any interruption, the checkpoint is complete or unchanged."""

from __future__ import annotations

import errno
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ddpm_core.checkpoint import latent_parts, refs, spec
from ddpm_core.checkpoint.config.unet_config import count_parameters
from ddpm_core.checkpoint.refs import FACTS, CheckpointError
from ddpm_core.checkpoint.sidecars import gamma_file, optimised_file, readers_file
from ddpm_core.checkpoint.weights import SCALE, network_of, stored_weights
from ddpm_core.disk import files
from ddpm_core.engines.from_diffusers import DiTTransformer2DModel
from ddpm_core.engines.networks import NETWORKS, Network
from ddpm_core.model import Model, ModelSpec

WEIGHTS = refs.WEIGHT_FILES[0]
# Files of a checkpoint with a folder for each network, such as a latent model's.
IN_FOLDERS = tuple(name for name in refs.FILES if "/" in name and not name.endswith(".bin"))
SAVED = (
    "config.json",
    "scheduler_config.json",
    "model_index.json",
    "ddpm_core.json",
    refs.ANALYTIC,
    refs.OPTIMISED,
    refs.READERS,
    WEIGHTS,
)


def save(
    model: Model,
    folder: str | Path,
    half: bool = False,
    extra: Mapping[str, bytes | None] | None = None,
    int8: bool = False,
) -> None:
    """Save a model as a checkpoint in the Hub's layout. `load` and diffusers' `from_pretrained` read it back exactly.

    The layout of a latent model is that of StableDiffusionPipeline, or of LDMPipeline if it takes no words.

    If the network is a function or has a class that `load` does not know, everything except the network is written,
    with a warning: the schedule, prediction, variance, coordinates, classes, Γ and optimised steps. `load(folder,
    network=…)` reads these back.

    An existing folder is replaced only if it is empty or a checkpoint in this layout; other files in it stay. After an
    error, a Ctrl-C or a kill, the folder has either the whole old checkpoint or the whole new one. The replacement
    takes two renamings. If a kill comes between them, the next `load` or `save` gives the old checkpoint its name back.

    Arguments:
        model: its weights are the weights of `module(model)`. The Γ of the analytic variance, optimised steps and
            readers of its checkpoint are also stored, unless the weights were changed after loading.
        folder: the folder to write.
        half: store the weights as float16, which halves the size. Each weight is rounded to 11 significant bits; this
            changes Γ by far less than its standard error.
        extra: further files by name, such as README.md; None means that the folder must not have this file.
        int8: store the network's kernels and matrices as 8-bit whole numbers, with a scale for each output channel, and
            all other weights as float16: a quarter of the size. Only `load` and the page read such a file. Γ, optimised
            steps and readers are left out, because they were measured with the exact weights.

    Raises:
        CheckpointError: if the folder has other content; if the files can't be written; for half and int8, if the model
            was loaded from this folder; for your own network, if the folder has weights.
        ValueError: for your own network in latents, in your own coordinates, or with half or int8; for a model that
            `load` would refuse or read as another model; for weights that are not finite, or with half and int8 beyond
            ±65504; for rounded weights that are not the weights of the model's file after rounding.
    """
    unet = network_of(model)
    if not str(folder) or "\0" in str(folder):  # an empty name would mean the current folder
        raise CheckpointError(f"give the name of a folder to save to, got {str(folder)!r}")
    try:
        folder = Path(os.path.realpath(Path(folder).expanduser()))
    except RuntimeError:  # the path begins with "~name", and there is no such user
        raise CheckpointError(f"there is no folder {str(folder)!r}: this user has no home folder here") from None
    if unet is None:
        return _save_own(model, folder, half or int8, extra or {})
    write(model, unet, folder, half, extra, int8)


def write(
    model: ModelSpec,
    unet: Network,
    folder: Path,
    half: bool = False,
    extra: Mapping[str, bytes | None] | None = None,
    int8: bool = False,
) -> None:
    """Save a network and the specification of its model, as `save` does. unet: the network, a torch module.

    Raises:
        CheckpointError, ValueError: the errors of `save`.
    """
    contents = json_contents(model, unet)
    parts = latent_parts.files_of(model, unet)  # of a latent model, which has a folder for each network
    home = ("transformer/" if isinstance(unet, DiTTransformer2DModel) else "unet/") if parts else ""
    check_replaceable(folder)
    half = half or int8
    if half and model.source and model.source.folder and folder == Path(os.path.realpath(model.source.folder)):
        kind = "int8" if int8 else "float16"
        raise CheckpointError(
            f"{folder} may hold the only exact weights of this model: choose another folder for {kind}"
        )
    weights, unchanged = _unrounded(model, unet)
    weights = _for_file(weights, half)
    if int8:
        weights, unchanged = _in_bytes(weights), False
    with _replacing(folder, extra or {}) as new:
        file = new / home / WEIGHTS
        file.parent.mkdir(exist_ok=True)
        save_file(weights, file, metadata={"format": "pt"})
        unet.save_config(file.parent)
        for part in parts:
            its = new / part.folder
            its.mkdir()
            save_file(_for_file(part.network.state_dict(), half), its / part.weights, {"format": "pt"})
            part.save_config(its)
        _write_json(new, contents | (_sidecars(model, file, half) if unchanged else {}))
        if unchanged:
            readers_file.copy(model, new, file, half)
        for written in new.rglob("*.safetensors"):
            shutil.copymode(file.with_name("config.json"), written)  # safetensors lets only the owner read the file


def _save_own(model: Model, folder: Path, half: bool, extra: Mapping[str, bytes | None]) -> None:
    """Save a model whose network is the user's own: write everything except the network."""
    if half:
        raise ValueError("half and int8 are for weights, and those of your own network are not saved: leave them out")
    if model.latent:
        raise ValueError(
            "nothing is saved of a network of your own in latents: its autoencoder is in the folder that it is from, "
            "and load(folder, network=...) takes yours"
        )
    try:
        contents = spec.own_files(model)
    except ValueError as error:
        raise ValueError(f"`load` would not give this model back: {error}") from None
    check_replaceable(folder)
    if refs.holds_model(folder):
        raise CheckpointError(f"{folder} holds the weights of a network, and yours would not be saved: choose another")
    with _replacing(folder, extra) as new:
        _write_json(new, contents | _sidecars(model, None, False))
    warnings.warn(
        f"{folder} has everything except your own network: keep its weights, and give the network to "
        "load(folder, network=...)",
        stacklevel=3,
    )


def _sidecars(model: ModelSpec, weights: Path | None, half: bool) -> dict[str, dict[str, Any]]:
    """Return {file name: content} for Γ and for optimised steps, if the model has them.

    weights: the saved file of weights, None if no weights are saved. half: whether the weights were rounded to float16.
    """
    found = {}
    if model.gamma is not None:
        found[refs.ANALYTIC] = gamma_file.content_for_copy(model, weights, half)
    if model.optimised is not None:
        found[refs.OPTIMISED] = optimised_file.content_for_copy(model, weights, half)
    return found


@contextmanager
def _replacing(folder: Path, extra: Mapping[str, bytes | None]) -> Iterator[Path]:
    """Yield a new folder for the files of `save`. After the block, it gets the files of `extra` and replaces `folder`.

    Raise CheckpointError if the files can't be written.
    """
    try:
        with files.replacing_folder(folder, ours={*SAVED, *IN_FOLDERS, *extra}) as new:
            yield new
            for name, content in extra.items():
                if content is not None:
                    (new / name).write_bytes(content)
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        reason = "the disk is full" if full else getattr(error, "strerror", None) or error
        raise CheckpointError(f"cannot save to {folder}: {reason}") from None


def _write_json(folder: Path, contents: Mapping[str, Any]) -> None:
    """Write JSON files into a folder. contents: {file name: content}."""
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def json_contents(model: ModelSpec, unet: Network) -> dict[str, dict[str, Any]]:
    """Return {file name: content} of the JSON files beside a network's weights and config.json.

    Raise ValueError if `load` would refuse them, or read another model from them. A trainer calls this before it
    begins, so that it fails early.
    """
    try:
        count_parameters(unet)  # raises ValueError for too many parameters
        decoder, text = (part and part.config for part in latent_parts.decoder_and_text(model, unet))
        return spec.json_files(model, json.loads(unet.to_json_string()), decoder, text)
    except ValueError as error:
        raise ValueError(f"`load` would not give this model back: {error}") from None


def check_replaceable(folder: Path) -> None:
    """Raise CheckpointError for a folder that `save` must not replace, because its content is not from `save`.

    Checkpoints in another layout count, too: their weights would stay beside ours, and could be loaded instead.
    """
    files.restore(folder)
    if not os.path.lexists(folder):
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    home = next((home for home in refs.HOMES if home[:-1] in names), "")
    latent = home and FACTS in names and "config.json" not in names
    others = names - {*SAVED, "README.md"}
    foreign = {name for name in others if name.startswith("diffusion_pytorch_model")}
    if not latent:
        foreign |= {name.partition("/")[0] for name in IN_FOLDERS if (folder / name).exists()}
    config = folder / (f"{home}config.json" if latent else "config.json")
    if not folder.is_dir() or foreign or (names and not _is_network(config) and not _is_own(folder)):
        found = f" (it holds {min(foreign or others)})" if others else ""
        raise CheckpointError(f"{folder} exists and was not written by ddpm_core{found}: choose another folder")


def _is_network(config: Path) -> bool:
    """Return whether a file is the config.json of a network that `load` knows."""
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("_class_name") in NETWORKS


def _is_own(folder: Path) -> bool:
    """Return whether `save` wrote this folder for a model with a user's network."""
    try:
        return spec.read_own(refs.Ref("folder", str(folder), folder)) is not None
    except CheckpointError:
        return False


def _unrounded(model: ModelSpec, unet: Network) -> tuple[dict[str, Tensor], bool]:
    """Return the exact weights, and whether Γ, optimised steps and readers of the checkpoint belong to them.

    If the network's weights are rounded, the exact weights are read from its file. Γ, optimised steps and readers
    belong to the weights unless these were changed after loading. Raise ValueError if no file has the exact weights.
    """
    weights, source = unet.state_dict(), model.source
    exact = all(weight.dtype == torch.float32 for weight in weights.values())
    measured = model.gamma is not None or model.optimised is not None or readers_file.exists(source)
    if exact and not (measured and source and source.weights_path):
        return weights, True
    stored = stored_weights(unet, source)
    if not exact and stored is None:
        raise ValueError("the weights were rounded when they were loaded: load with precision='fp32' to save them")
    return weights if exact or stored is None else stored, stored is not None


def _for_file(weights: dict[str, Tensor], half: bool) -> dict[str, Tensor]:
    """Return the weights as float32, or as float16 if `half`, for the file.

    Raise ValueError if a number isn't finite.
    """
    found = {
        key: value.to("cpu", torch.float16 if half else torch.float32).contiguous() for key, value in weights.items()
    }
    for key, value in found.items():
        if not value.isfinite().all():
            if half and weights[key].isfinite().all():
                raise ValueError(f"{key} has numbers beyond ±65504, which float16 cannot hold: save without half")
            raise ValueError(f"{key} has NaN or infinite numbers: the training run failed, and nothing was saved")
    return found


def _in_bytes(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return kernels and matrices as int8, with a scale for each row, and all other weights unchanged."""
    found = {}
    for key, value in weights.items():
        if value.ndim == 1:
            found[key] = value
            continue
        largest = value.float().flatten(1).abs().amax(1).view(-1, *[1] * (value.ndim - 1))
        found[key + SCALE] = torch.where(largest > 0, largest / 127, 1.0)
        found[key] = (value / found[key + SCALE]).round().to(torch.int8)
    return found
