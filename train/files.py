"""Files that are either whole or not there, whenever the process that writes them is killed.

What can't be written is a TrainError, in one sentence.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from train import TrainError


def check_folder(folder: Path, flag: str) -> None:
    """Raise TrainError unless files can be written in a folder, or where it would be made. Leaves nothing behind."""
    try:
        place = next(path for path in (folder, *folder.parents) if path.exists())
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        reason = error.strerror or error
        raise TrainError(f"--{flag} {folder} can't be written ({reason}): choose another folder.") from error


def save(path: Path, **arrays) -> None:
    """Write an .npz."""
    with _aside(path, ".npz") as temporary:
        np.savez(temporary, **arrays)


def write_json(path: Path, content: dict) -> None:
    """Write a dictionary as JSON."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text, UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write what is already encoded, such as a PNG."""
    with _aside(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def _aside(path: Path, suffix: str = "") -> Iterator[Path]:
    """A hidden name beside `path` to write under; it becomes `path` when all is written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()  # a full disk needs the space
        reason = error.strerror or error
        raise TrainError(f"{path} can't be written ({reason}): put that right and start the command again.") from error
