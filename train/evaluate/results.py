"""The types of a study's files, and functions that read them. A TrainError names a damaged file and what to do.

A file is checked against its type when it is read. It may hold more than the type says.
"""

from __future__ import annotations

import json
import types
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

from ddpm_core.names import Spacing, Variance
from train import TrainError
from train.evaluate.metrics import ScoreName

CellSpacing = Literal[Spacing, "own"]  # "own": the times that a student has learned
CELL_SPACINGS: tuple[CellSpacing, ...] = get_args(CellSpacing)


class Identity(TypedDict):
    """The facts that all parts of a study must have in common."""

    checkpoint: str
    revision: str | None
    weights: str
    weights_sha256: str
    engine: str
    labels: str
    batch: int
    reference: str | None  # description of the reference images; None without scores
    references: int | None  # number of the reference images; None without scores


class ModelFacts(TypedDict):
    """The facts about the model that the report needs."""

    null_label: int | None


class RunMachine(TypedDict):
    """The part of `machine` that the report needs."""

    processor: str
    gpu: str | None


class RunRecord(TypedDict):
    """A record of one run of the command."""

    seconds: float
    processes: int
    machine: RunMachine


class StudyFile(TypedDict):
    """The content of study.json."""

    identity: Identity
    data: str
    model: ModelFacts
    runs: list[RunRecord]


class Score(TypedDict):
    """One score of a cell."""

    metric: ScoreName
    title: str
    value: float
    std: float | None  # see metrics.Metric.error_meaning; absent if the metric has no error


class CellFile(TypedDict):
    """The content of cells/NAME/result.json."""

    sampler: str
    variance: Variance | None
    eta: float | None
    spacing: CellSpacing
    steps: int
    samples: int
    scores: list[Score]
    sampling_seconds: float


class StoredCell(CellFile):
    """A cell's file, with its folder."""

    folder: str  # path relative to the study's folder


class Bound(TypedDict):
    """The variational bound of one chain."""

    variance: Variance
    steps: int
    spacing: Spacing
    bits_per_dim: float
    standard_error: float | None
    # One number for each t; absent unless the chain has all T steps.
    L: list[float] | None
    rate: list[float] | None
    rmse: list[float] | None


class FlowBits(TypedDict):
    """Bits/dim by the probability-flow ODE."""

    bits_per_dim: float
    standard_error: float | None
    evaluations: float  # mean number of evaluations of the network for an image


class BitsFile(TypedDict):
    """The content of bits.json."""

    images: int
    data: str
    clip: bool
    chains: list[Bound]
    flow: FlowBits | None  # None if --metrics had no flow-bpd


def read_study(out: Path) -> StudyFile | None:
    """Return study.json of a study's folder, or None if there is none. Raises TrainError if it is damaged."""
    return _read(out / "study.json", StudyFile, "put back a copy of it, or choose another --out")


def read_cell(folder: Path) -> CellFile | None:
    """Return result.json of a cell's folder, or None before the cell is scored. Raises TrainError if it is damaged."""
    return _read(folder / "result.json", CellFile, "delete it, and its images are sampled again")


def read_cells(out: Path) -> list[StoredCell]:
    """Return all cells in a study's folder that have scores. Raises TrainError if a file is damaged."""
    found: list[StoredCell] = []
    for file in sorted(out.glob("cells/*/result.json")):
        if cell := read_cell(file.parent):
            found.append({"folder": f"cells/{file.parent.name}", **cell})
    return found


def read_bits(out: Path) -> BitsFile | None:
    """Return bits.json of a study's folder, or None if there is none. Raises TrainError if it is damaged."""
    return _read(out / "bits.json", BitsFile, "delete it, and it is made again from the terms in bits/")


def read_arrays(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Return the arrays with these names from an .npz file, or all of them. Raises TrainError if it is damaged."""
    try:
        with np.load(path) as found:
            return {name: found[name] for name in names or found.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise TrainError(f"{path} is damaged: delete it, and its content is computed again.") from error


def _read(path: Path, kind: type, remedy: str) -> Any:
    """Return the content of a JSON file, or None if there is none. Raises TrainError, with the remedy, if it is
    damaged.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise TrainError(f"{path} is not JSON, so it is damaged: {remedy}.") from error
    if not _has_type(content, kind):
        raise TrainError(f"{path} is damaged, because it lacks what `evaluate` writes there: {remedy}.")
    return content


def _has_type(value: Any, kind: Any) -> bool:
    """Return whether a JSON value has this type: a TypedDict (absent keys are None), list, Literal, union or class."""
    if is_typeddict(kind):
        fields = get_type_hints(kind)
        return isinstance(value, dict) and all(_has_type(value.get(name), inner) for name, inner in fields.items())
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        return isinstance(value, list) and all(_has_type(item, arguments[0]) for item in value)
    if origin is Literal:
        return value in arguments
    if origin in (Union, types.UnionType):
        return any(_has_type(value, one) for one in arguments)
    return isinstance(value, (int, float) if kind is float else kind)
