"""Files that are either whole or not there, whenever the process that writes them is killed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np


def save(path: Path, **arrays) -> None:
    """Write an .npz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez(temporary, **arrays)
    os.replace(temporary, path)


def write_json(path: Path, content: dict) -> None:
    """Write a dictionary as JSON."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def write_text(path: Path, text: str) -> None:
    """Write a text, UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
