"""The files of a study, checked as they are read: a TrainError names the one that is damaged and says how to go on."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from ddpm_core.names import SAMPLERS, SPACINGS, VARIANCES
from train import TrainError

# What is read of each file, as `_fits` has it.
_NUMBER, _TEXT = (int, float), (str, NoneType)
_STUDY = {
    "identity": {
        **dict.fromkeys(("checkpoint", "weights", "weights_sha256", "engine", "labels"), str),
        **dict.fromkeys(("revision", "reference"), _TEXT),
        "references": (int, NoneType),
        "batch": int,
    },
    "data": str,
    "model": {"null_label": (int, NoneType)},
    "runs": [{"seconds": _NUMBER, "processes": int, "machine": {"processor": str, "gpu": _TEXT}}],
}
_CELL = {
    "sampler": SAMPLERS,
    "variance": (*VARIANCES, None),
    "eta": (*_NUMBER, NoneType),
    "spacing": SPACINGS,
    "steps": int,
    "samples": int,
    "scores": [{"metric": str, "title": str, "value": _NUMBER, "std": (*_NUMBER, NoneType)}],
    "sampling_seconds": _NUMBER,
}
_BITS = {
    "images": int,
    "data": str,
    "chains": [
        {
            "variance": VARIANCES,
            "spacing": SPACINGS,
            "steps": int,
            "bits_per_dim": _NUMBER,
            "standard_error": (*_NUMBER, NoneType),
            **dict.fromkeys(("rate", "rmse", "L"), (list, NoneType)),
        }
    ],
}


def read_study(out: Path) -> dict[str, Any] | None:
    """study.json of a study's folder, or None where there is none."""
    return _read(out / "study.json", _STUDY, "put back a copy of it, or choose another --out")


def read_cell(folder: Path) -> dict[str, Any] | None:
    """result.json of a cell's folder, or None where the cell has no scores yet."""
    return _read(folder / "result.json", _CELL, "delete it, and its images are sampled again")


def read_cells(out: Path) -> list[dict[str, Any]]:
    """All that `read_cell` finds in a study's folder, with "folder" relative to it."""
    folders = sorted(file.parent for file in out.glob("cells/*/result.json"))
    return [{"folder": f"cells/{folder.name}", **read_cell(folder)} for folder in folders]


def read_bits(out: Path) -> dict[str, Any] | None:
    """bits.json of a study's folder, or None where there is none."""
    return _read(out / "bits.json", _BITS, "delete it, and it is made again from the terms in bits/")


def read_arrays(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Arrays of an .npz: those named, or all."""
    try:
        with np.load(path) as found:
            return {name: found[name] for name in names or found.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise TrainError(f"{path} is damaged: delete it, and what is in it is computed again.") from error


def _read(path: Path, shape: dict, remedy: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise TrainError(f"{path} is not JSON, so it is damaged: {remedy}.") from error
    if not _fits(content, shape):
        raise TrainError(f"{path} is damaged, for it lacks what `evaluate` writes there: {remedy}.")
    return content


def _fits(value: Any, shape: Any) -> bool:
    """Whether a JSON value has a shape.

    A shape is a type, a value, several of these (one must fit), the shapes of what an object has by name (None where it
    has nothing), or a list with the shape of all items.
    """
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(_fits(value.get(name), inner) for name, inner in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    if isinstance(shape, tuple):
        return any(_fits(value, one) for one in shape)
    return isinstance(value, shape) if isinstance(shape, type) else value == shape
