"""Snapshots of a run's power-function averages in OUT/snapshots, from which `power.combine` makes other averages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ddpm_core.errors import first_line
from train import TrainError
from train.common.files import write_bytes
from train.fit.power import Profile, exponent

_NAME = re.compile(r"step-(\d+)-(0\.\d+)\.safetensors")


def snapshot_due(count: int, steps: int, step: int) -> bool:
    """Return whether a run keeps a snapshot of this step. It keeps `count` at even distances, the last at the end."""
    return count * step // steps > count * (step - 1) // steps


def save_snapshot(weights: Mapping[float, Mapping[str, Tensor]], out: Path, step: int) -> None:
    """Write the averages of one step, in one file for each length. A file is written whole or not at all.

    Arguments:
        weights: the averages' parameters by name, for each length σ_rel.
        out: folder of the run.
        step: the number of steps done.

    Raises:
        TrainError: if the files can't be written.
    """
    folder = out / "snapshots"
    folder.mkdir(parents=True, exist_ok=True)
    for length, named in weights.items():
        plain = {name: value.detach().cpu().contiguous() for name, value in named.items()}
        write_bytes(folder / f"step-{step:09d}-{length:g}.safetensors", save(plain))


def find_snapshots(out: Path) -> dict[Path, tuple[int, float]]:
    """Return the files of a run's snapshots, the oldest first, each with its step and its length σ_rel."""
    found = {path: _NAME.fullmatch(path.name) for path in sorted((out / "snapshots").glob("*"))}
    return {path: (int(match[1]), float(match[2])) for path, match in found.items() if match}


def drop_later(out: Path, step: int) -> None:
    """Delete the snapshots of later steps. A run that goes on from this step writes them again."""
    for path, (later, _) in find_snapshots(out).items():
        if later > step:
            path.unlink()


def profiles(snapshots: Mapping[Path, tuple[int, float]]) -> list[Profile]:
    """Return the profile of each snapshot: how it weighs the steps of its run."""
    return [Profile(step, exponent(length)) for step, length in snapshots.values()]


def weighted_sum(paths: Sequence[Path], factors: Sequence[float]) -> dict[str, Tensor]:
    """Return the weighted sum of the snapshots' parameters. It is computed in float64 and returned in the parameters'
    dtype.

    Only one snapshot is in memory at a time. Raises TrainError for a file that can't be read.
    """
    totals: dict[str, Tensor] = {}
    dtypes = {}
    for path, factor in zip(paths, factors, strict=True):
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            raise TrainError(f"The snapshot {path} can't be read ({first_line(error)}): remove this file.") from error
        for name, value in weights.items():
            totals[name] = totals.get(name, 0) + factor * value.double()
            dtypes[name] = value.dtype
    return {name: total.to(dtypes[name]) for name, total in totals.items()}
