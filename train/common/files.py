"""Writing results with `ddpm_core.disk.files`: a file that can't be written raises TrainError, in one sentence."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import numpy as np

from ddpm_core.disk import files
from train import TrainError

Rest = ParamSpec("Rest")


def check_folder(folder: Path, flag: str) -> None:
    """Raise TrainError unless files can be written in a folder, or where it would be made. Leaves no file there."""
    try:
        place = next(path for path in (folder, *folder.parents) if path.exists())
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        reason = error.strerror or error
        raise TrainError(f"--{flag} {folder} can't be written ({reason}): choose another folder.") from error


def _safe(write: Callable[Concatenate[Path, Rest], None]) -> Callable[Concatenate[Path, Rest], None]:
    """Return the same function, whose OSError becomes a TrainError."""

    @wraps(write)
    def written(path: Path, *rest: Rest.args, **options: Rest.kwargs) -> None:
        try:
            write(path, *rest, **options)
        except OSError as error:
            reason = error.strerror or error
            raise TrainError(f"{path} can't be written ({reason}): solve this and start the command again.") from error

    return written


write_bytes, write_text, write_json = _safe(files.write_bytes), _safe(files.write_text), _safe(files.write_json)


@_safe
def save_arrays(path: Path, **arrays: Any) -> None:
    """Write an .npz file. arrays: whatever numpy can make arrays of."""
    with files.replacing(path) as file:
        np.savez(file, **arrays)
