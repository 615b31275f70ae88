"""`save`: a checkpoint in the Hub's layout, written whole or not at all."""

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
IN_FOLDERS = tuple(name for name in refs.FILES if "/" in name and not name.endswith(".bin"))  # of a latent model
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
    """Write a checkpoint in the Hub's layout, which `load` and diffusers' `from_pretrained` read back exactly. The
    layout of a latent model is that of StableDiffusionPipeline, or of LDMPipeline if it takes no words.

    If `load` does not know the class of the network, everything but the network is written, with a warning: the
    schedule, prediction, variance, coordinates, classes, Γ and optimised steps. `load(folder, network=…)` reads them
    back.

    An existing folder is replaced only if it is empty or such a checkpoint, and other files in it stay. It is replaced
    whole: after an error, a Ctrl-C or a kill, either the former checkpoint or the new one is there. This takes two
    renamings. If a kill comes between them, the next `load` or `save` gives the former checkpoint its name back.

    Arguments:
        model: the weights are those of `module(model)`. Its checkpoint's Γ of the analytic variance, optimised steps
            and readers are stored too, unless the weights were changed after loading.
        folder: the folder to write.
        half: store the weights as float16, half the size. Each is rounded to 11 significant bits; this changes Γ by far
            less than its standard error.
        extra: more files by name, such as README.md; None for a file that must not be there.
        int8: store the network's kernels and matrices as whole numbers of 8 bits, with a scale for each output channel,
            and all other weights as float16: a quarter of the size. Only `load` and the page read such a file. Γ,
            optimised steps and readers are left out, because they were measured with the exact weights.

    Raises:
        CheckpointError: if the folder holds something else, if the disk refuses, or for half and int8 if the model was
            loaded from this folder; with your own network, also if the folder holds weights.
        ValueError: for your own network in latents, in your own coordinates, or with half or int8; for a model that
            `load` would refuse or read as another one; for weights that are not finite (with half and int8: beyond
            ±65504); for weights that are rounded to less than float32 and are not (or no longer) those of the file
            from which they were loaded.
    """
    unet = network_of(model)
    if not str(folder) or "\0" in str(folder):  # the first is where Python runs
        raise CheckpointError(f"give the name of a folder to save to, got {str(folder)!r}")
    try:
        folder = Path(os.path.realpath(Path(folder).expanduser()))
    except RuntimeError:  # expanduser raises it for "~name" of an unknown user
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
    """Do the same as `save`, for a network beside its specification that no engine evaluates.

    Raises:
        CheckpointError: for a folder that holds something else, and for half or int8 where the model was read from.
    """
    contents = json_contents(model, unet)
    parts = latent_parts.files_of(model, unet)  # of a latent model, whose networks are in folders
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
            shutil.copymode(file.with_name("config.json"), written)  # safetensors makes it its owner's only


def _save_own(model: Model, folder: Path, half: bool, extra: Mapping[str, bytes | None]) -> None:
    """`save` where the network is the caller's own."""
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
    """The files of Γ and of the optimised steps, where the model has them. weights: what they lie beside."""
    found = {}
    if model.gamma is not None:
        found[refs.ANALYTIC] = gamma_file.beside(model, weights, half)
    if model.optimised is not None:
        found[refs.OPTIMISED] = optimised_file.beside(model, weights, half)
    return found


@contextmanager
def _replacing(folder: Path, extra: Mapping[str, bytes | None]) -> Iterator[Path]:
    """Yield a new folder for the files of `save`; it then replaces the old folder. Raises CheckpointError."""
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
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def json_contents(model: ModelSpec, unet: Network) -> dict[str, dict[str, Any]]:
    """The JSON files that belong beside a network's weights and config.json; ValueError where `load` would refuse them,
    or make another model of them.

    A trainer asks this before it begins, for a network that it makes.
    """
    try:
        count_parameters(unet)  # refuses too many
        decoder, text = (part and part.config for part in latent_parts.both(model, unet))
        return spec.json_files(model, json.loads(unet.to_json_string()), decoder, text)
    except ValueError as error:
        raise ValueError(f"`load` would not give this model back: {error}") from None


def check_replaceable(folder: Path) -> None:
    """Raise CheckpointError for a folder that `save` would not write to: one that holds something else.

    A checkpoint in another layout is something else too: both its weights and ours would be there, and either loaded.
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
    """Whether this is the config.json of a network."""
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("_class_name") in NETWORKS


def _is_own(folder: Path) -> bool:
    """Return whether `save` wrote this folder for a user's network."""
    try:
        return spec.read_own(refs.Ref("folder", str(folder), folder)) is not None
    except CheckpointError:
        return False


def _unrounded(model: ModelSpec, unet: Network) -> tuple[dict[str, Tensor], bool]:
    """The weights in float32, and whether Γ, the optimised steps and the readers, where there are any, are theirs.

    They are the network's own, or where it has them rounded, those of the file it was loaded from. The rest is theirs
    unless they were changed after loading.
    """
    weights, source = unet.state_dict(), model.source
    exact = all(weight.dtype == torch.float32 for weight in weights.values())
    measured = model.gamma is not None or model.optimised is not None or readers_file.there(source)
    if exact and not (measured and source and source.weights_path):
        return weights, True
    stored = stored_weights(unet, source)
    if not exact and stored is None:
        raise ValueError("the weights were rounded when they were loaded: load with precision='fp32' to save them")
    return weights if exact or stored is None else stored, stored is not None


def _for_file(weights: dict[str, Tensor], half: bool) -> dict[str, Tensor]:
    """The weights as they are written. ValueError for what `load` would refuse."""
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
    """Kernels and matrices as int8 beside their scales, one for each row; the rest as it is."""
    found = {}
    for key, value in weights.items():
        if value.ndim == 1:
            found[key] = value
            continue
        largest = value.float().flatten(1).abs().amax(1).view(-1, *[1] * (value.ndim - 1))
        found[key + SCALE] = torch.where(largest > 0, largest / 127, 1.0)
        found[key] = (value / found[key + SCALE]).round().to(torch.int8)
    return found
