"""A hostile file, wherever it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Case(NamedTuple):
    """kind: what is wrong. path: a checkpoint's folder. may_load: it may be read as well as refused."""

    kind: str
    path: Path
    may_load: bool = False
