"""Checkpoints of a run: written whole or not at all, checked before they are trusted, the last two kept."""

from __future__ import annotations

import errno
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from ddpm_core import files
from train import TrainError

KEPT = 2
_NAME = re.compile(r"step-(\d+)\.pt")


def found(folder: Path) -> list[Path]:
    """The checkpoints in a folder, newest first."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if _NAME.fullmatch(p.name)), key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """Steps done when this checkpoint was written."""
    return int(_NAME.fullmatch(path.name)[1])


def save(state: dict[str, Any], folder: Path, step: int) -> Path:
    """Write one checkpoint, whole; then drop all but the last two.

    Raises TrainError when the disk refuses; older checkpoints are untouched then.
    """
    path = folder / f"step-{step:09d}.pt"
    try:
        with files.replacing(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch wraps some of the disk's errors in RuntimeError
        raise TrainError(f"{_why(error)}: the checkpoint of step {step} was not written. {_kept(folder)}") from error
    for old in found(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def load_latest(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The newest checkpoint that is whole, on the CPU, and one sentence for each newer one that isn't.

    Raises TrainError when there is none.
    """
    paths, complaints = found(folder), []
    for path in paths:
        try:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()  # checks the CRC of every tensor
            if broken is None:
                return torch.load(path, map_location="cpu", weights_only=True), complaints
            reason = f"{broken} is damaged"
        except Exception as error:  # whatever a damaged file makes zipfile and torch raise
            reason = (str(error).splitlines() or [type(error).__name__])[0]
        complaints.append(f"{path} can't be read and was passed over ({reason}).")
    if complaints:
        raise TrainError(f"No checkpoint in {folder} can be read. {complaints[0]} Start again in another --out.")
    raise TrainError(f"There is no checkpoint to resume in {folder}: check --out, or leave out --resume.")


def _why(error: Exception) -> str:
    cause = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return f"Writing failed ({str(error).splitlines()[0]})"
    if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "The disk is full"
    return f"Writing failed ({cause.strerror})"


def _kept(folder: Path) -> str:
    last = found(folder)
    return f"The last good one is {last[0]}." if last else "There is no earlier one."
