"""Read the values of a command line: lists, ranges, paths and names of modules."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from train import TrainError
from train.common.errors import as_train_error

Name = TypeVar("Name", bound=str)
Number = TypeVar("Number", int, float)


def flag(field: str) -> str:
    """Return the flag that sets a field of a dataclass, such as --log-every for log_every."""
    return f"--{field.replace('_', '-')}"


def import_object(name: str, what: str) -> Any:
    """Return the object that a text module:attribute names. Raises TrainError if it can't be imported.

    what: a noun for the message, such as "loss weight".
    """
    module, _, attribute = name.partition(":")
    with as_train_error(lambda reason: f"The {what} {name} can't be imported ({reason})."):
        return getattr(import_module(module), attribute)


def user_path(text: str | Path) -> Path:
    """Return a path from the command line, with ~ expanded. (Path.expanduser raises RuntimeError for ~unknown.)"""
    return Path(os.path.expanduser(text))


def names(text: str, field: str, allowed: Sequence[Name]) -> list[Name]:
    """Return the names of a comma-separated list, each once. Raises TrainError if a name is not allowed."""
    known: dict[str, Name] = {name: name for name in allowed}
    words = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in known:
            raise TrainError(f"{flag(field)} can't be {word!r}: choose from {', '.join(allowed)}.")
    return [known[word] for word in words]


def numbers(text: str, field: str, kind: type[Number]) -> list[Number]:
    """Return the finite numbers of a comma-separated list, each once. Raises TrainError for anything else."""
    try:
        found = list(dict.fromkeys(kind(word) for word in text.split(",")))
        if not all(map(math.isfinite, found)):
            raise ValueError
        return found
    except (ValueError, OverflowError):
        raise TrainError(f"{flag(field)} takes numbers with commas between them, not {text!r}.") from None


def check_range(options: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Raise TrainError if a field of `options` is outside its limits. The limits and None are allowed."""
    for field, (least, most) in limits.items():
        value = getattr(options, field)
        if value is not None and not least <= value <= most:
            raise TrainError(f"{flag(field)} must be {least:,} to {most:,}, got {value}.")
