"""Lists on the command line, with commas between their items."""

from __future__ import annotations

import math
from collections.abc import Collection

from train import TrainError


def words(text: str, flag: str, allowed: Collection[str]) -> list[str]:
    """A comma-separated list of names, each once. Raises TrainError for one that is not allowed."""
    found = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in found:
        if word not in allowed:
            raise TrainError(f"--{flag} can't be {word!r}: choose from {', '.join(allowed)}.")
    return found


def numbers(text: str, flag: str, kind: type) -> list:
    """A comma-separated list of finite numbers, each once. Raises TrainError for anything else."""
    try:
        found = list(dict.fromkeys(kind(word) for word in text.split(",")))
        if not all(map(math.isfinite, found)):
            raise ValueError
        return found
    except (ValueError, OverflowError):
        raise TrainError(f"--{flag} takes numbers with commas between them, not {text!r}.") from None
