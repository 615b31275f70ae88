"""Reads the values of a command line: lists, ranges, paths and names of modules."""

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
    """The flag that sets a field of a dataclass."""
    return f"--{field.replace('_', '-')}"


def imported(name: str, what: str) -> Any:
    """Import module:attribute, which a user wrote. what: a noun for messages. Raises TrainError where it can't."""
    module, _, attribute = name.partition(":")
    with as_train_error(lambda reason: f"The {what} {name} can't be imported ({reason})."):
        return getattr(import_module(module), attribute)


def user_path(text: str | Path) -> Path:
    """A path given on the command line: ~ is the home folder. (Path.expanduser raises RuntimeError for ~unknown.)"""
    return Path(os.path.expanduser(text))


def names(text: str, field: str, allowed: Sequence[Name]) -> list[Name]:
    """Read a comma-separated list of names, each once. Raises TrainError if a name is not allowed."""
    known: dict[str, Name] = {name: name for name in allowed}
    words = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in known:
            raise TrainError(f"{flag(field)} can't be {word!r}: choose from {', '.join(allowed)}.")
    return [known[word] for word in words]


def numbers(text: str, field: str, kind: type[Number]) -> list[Number]:
    """A comma-separated list of finite numbers, each once. Raises TrainError for anything else."""
    try:
        found = list(dict.fromkeys(kind(word) for word in text.split(",")))
        if not all(map(math.isfinite, found)):
            raise ValueError
        return found
    except (ValueError, OverflowError):
        raise TrainError(f"{flag(field)} takes numbers with commas between them, not {text!r}.") from None


def check_range(options: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Raise TrainError for a field of `options` that is outside its limits, both of which are allowed; None is none."""
    for field, (least, most) in limits.items():
        value = getattr(options, field)
        if value is not None and not least <= value <= most:
            raise TrainError(f"{flag(field)} must be {least:,} to {most:,}, got {value}.")
