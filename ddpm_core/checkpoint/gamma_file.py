"""The file that keeps Γ_t of the analytic variance, beside the weights that it was estimated for."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ddpm_core import files
from ddpm_core.analytic import Gamma
from ddpm_core.checkpoint.fields import is_whole, read_json
from ddpm_core.checkpoint.refs import ANALYTIC, CheckpointError
from ddpm_core.files import sha256
from ddpm_core.model import Model, Source
from ddpm_core.schedule import NoiseSchedule


def place(model: Model) -> Path:
    """The file that `write` writes. Its folder is made if it does not exist.

    Raises ValueError for a model that was not loaded, and CheckpointError where nothing can be written.
    """
    places = _places(model.source)
    if not places:
        raise ValueError("Γ can be saved only for a model loaded from a checkpoint")
    path = places[-1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror}") from None
    return path


def write(model: Model, estimate: Gamma, **about: str | int) -> Path:
    """Keep an estimate beside the weights, for a checkpoint from the Hub in the user's cache. Returns the file's path.

    about: anything worth keeping with it, such as the data set's name. Raises what `place` does, and CheckpointError
    when the disk refuses.
    """
    path = place(model)
    content = {
        "about": "Γ_t = E‖ε_θ(x_t, t)‖² / (d (1 − ᾱ_t)), for the variance 'analytic'",
        **about,
        "images": estimate.images,
        "weights_sha256": _weights_sha256(model.source),
        "times": estimate.times,
        "gamma": [float(f"{value:.9g}") for value in estimate.gamma],
        "standard_error": [float(f"{value:.3g}") for value in estimate.standard_error],
    }
    try:
        files.write_json(path, content)
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror}") from None
    return path


def beside(model: Model, weights: Path, rounded: bool) -> dict:
    """The content of the file of Γ that belongs beside a copy of the weights of a model that has Γ.

    weights: the copy's file. rounded: to float16, which changes ε_θ by some 1e-4 and so Γ by less than can be measured.
    Raises ValueError for a model without Γ.
    """
    if model.gamma is None:
        raise ValueError("this model has no Γ to keep")
    copied = {"weights_sha256": sha256(weights)}
    if rounded:
        copied["weights"] = "rounded to float16 after the estimate"
    for path in filter(Path.is_file, _places(model.source)):
        with suppress(OSError, ValueError, KeyError, TypeError, IndexError):  # not the file that was loaded
            content = json.loads(path.read_text(encoding="utf-8"))
            if _estimate(content).table(model.schedule).equal(model.gamma):
                return content | copied
    return copied | {
        "about": "Γ_t as it was given to the model: how it was estimated is not known",
        "images": None,
        "times": list(range(1, model.schedule.T + 1)),
        "gamma": model.gamma[1:].tolist(),
        "standard_error": [],
    }


def read(source: Source, schedule: NoiseSchedule) -> Tensor | None:
    """The table of Γ kept with a checkpoint, or None where there is none that was made for these very weights.

    Raises CheckpointError for a file that is not such a table.
    """
    for path in filter(Path.is_file, _places(source)):
        actual = _weights_sha256(source)
        try:
            content = read_json(path)
            times = content["times"]
            inside = all(is_whole(t) and 0 < t <= schedule.T for t in times)
            if not inside or times != sorted(set(times)):
                raise ValueError
            table = _estimate(content).table(schedule)
            if not bool((table.isfinite() & (table >= 0)).all()):
                raise ValueError
            if content["weights_sha256"] == actual:
                return table
        except (ValueError, KeyError, TypeError, IndexError, RuntimeError, OverflowError):
            raise CheckpointError(f"{path} is not a table of Γ_t: delete it, or make it again") from None
    return None


def _estimate(content: dict) -> Gamma:
    gamma, standard_error = (torch.tensor(content[key], dtype=torch.float64) for key in ("gamma", "standard_error"))
    return Gamma(tuple(content["times"]), gamma, standard_error, content["images"])


def _weights_sha256(source: Source | None) -> str:
    """The SHA-256 of the weights that a model was loaded from. Raises CheckpointError where they cannot be read."""
    if source is None or source.weights_path is None:
        raise ValueError("only a checkpoint that was loaded has a file of weights")
    try:
        return sha256(source.weights_path)
    except OSError as error:
        raise CheckpointError(f"{source.ref}: {source.file} cannot be read: {error.strerror}") from None


def _places(source: Source | None) -> list[Path]:
    """Where Γ may lie, the last one being where it is written; empty for a model that was not loaded."""
    if source is None or source.folder is None:
        return []
    beside = source.folder / ANALYTIC
    if source.revision is None:
        return [beside]
    return [beside, files.cache_folder(source.name.replace("/", "--"), source.revision, ANALYTIC)]
