"""Writing results with `ddpm_core.disk.files`: a file that can't be written raises TrainError, in one sentence."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ddpm_core.disk import files
from train import TrainError


def check_folder(folder: Path, flag: str) -> None:
    """Raise TrainError unless files can be written in a folder, or where it would be made. Leaves no file there."""
    try:
        place = next(path for path in (folder, *folder.parents) if path.exists())
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        reason = error.strerror or error
        raise TrainError(f"--{flag} {folder} can't be written ({reason}): choose another folder.") from error


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write an .npz file. arrays: whatever numpy can make arrays of."""
    with _replacing(path) as file:
        np.savez(file, **arrays)


def write_json(path: Path, content: dict) -> None:
    """Write a dictionary as JSON."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text, UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write encoded content, such as a PNG."""
    with _replacing(path) as file:
        file.write(content)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    try:
        with files.replacing(path) as file:
            yield file
    except OSError as error:
        reason = error.strerror or error
        raise TrainError(f"{path} can't be written ({reason}): solve this and start the command again.") from error
