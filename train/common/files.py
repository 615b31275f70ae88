"""Write files with `ddpm_core.disk.files`. If a file can't be written, raise TrainError."""

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
    """Raise TrainError unless files can be written in a folder, or in its nearest parent if it does not exist yet.
    Leaves no file there. flag: the flag that names the folder, without its dashes.
    """
    try:
        place = next(path for path in (folder, *folder.parents) if path.exists())
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        reason = error.strerror or error
        raise TrainError(f"--{flag} {folder} can't be written ({reason}): choose another folder.") from error


def _safe(write: Callable[Concatenate[Path, Rest], None]) -> Callable[Concatenate[Path, Rest], None]:
    """Return a function that calls `write`, but raises TrainError instead of OSError."""

    @wraps(write)
    def written(path: Path, *rest: Rest.args, **options: Rest.kwargs) -> None:
        """Call `write`. Raises TrainError if the file can't be written."""
        try:
            write(path, *rest, **options)
        except OSError as error:
            reason = error.strerror or error
            raise TrainError(f"{path} can't be written ({reason}): solve this and start the command again.") from error

    return written


write_bytes, write_text, write_json = _safe(files.write_bytes), _safe(files.write_text), _safe(files.write_json)


@_safe
def save_arrays(path: Path, **arrays: Any) -> None:
    """Write an .npz file. arrays: the arrays by name, in any form that numpy.savez takes."""
    with files.replacing(path) as file:
        np.savez(file, **arrays)
