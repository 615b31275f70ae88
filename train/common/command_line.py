"""Reads a command line: with tyro, after refusing what tyro would accept; then the lists and ranges of its values."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import tyro

from ddpm_core.errors import first_line
from train import TrainError

T = TypeVar("T")
Name = TypeVar("Name", bound=str)
Number = TypeVar("Number", int, float)

HELP = {"-h", "--help"}


def parse(kind: type[T], arguments: Sequence[str], **options: Any) -> T:
    """An instance of the dataclass `kind` from the arguments of a command line; options: of `tyro.cli`.

    Raises TrainError for a flag that is given twice or empty, SystemExit (after a message) for what tyro refuses.
    """
    check_arguments(arguments)
    return tyro.cli(kind, args=arguments, **options)


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise TrainError for a flag that is given twice (--NAME and --no-NAME are the same flag) or has an empty value.

    tyro takes the last of two values, which is seldom what was meant; and an empty folder would be the current one.
    """
    seen = set()
    for word, following in zip_longest(arguments, arguments[1:]):
        if not word.startswith("--"):
            continue
        flag, equals, value = word.partition("=")
        flag = flag.replace("_", "-")
        name = flag.removeprefix("--no-").removeprefix("--")
        if name in seen:
            raise TrainError(f"--{name} is given twice: give it once.")
        seen.add(name)
        if (equals and not value.strip()) or (not equals and following is not None and not following.strip()):
            raise TrainError(f"{flag} can't be empty: give it a value, or leave it out.")


def flag(field: str) -> str:
    """The flag that sets a field of a dataclass."""
    return f"--{field.replace('_', '-')}"


def imported(name: str, what: str) -> Any:
    """What a module of the user has, of a text module:attribute. what: a noun. Raises TrainError where it has none."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # a user's own module may raise anything
        raise TrainError(f"The {what} {name} can't be imported ({first_line(error)}).") from error


def user_path(text: str | Path) -> Path:
    """A path given on the command line: ~ is the home folder. (Path.expanduser raises RuntimeError for ~unknown.)"""
    return Path(os.path.expanduser(text))


def names(text: str, field: str, allowed: Sequence[Name]) -> list[Name]:
    """A comma-separated list of names, each once. Raises TrainError for one that is not allowed."""
    known: dict[str, Name] = {name: name for name in allowed}
    found = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in found:
        if word not in known:
            raise TrainError(f"{flag(field)} can't be {word!r}: choose from {', '.join(allowed)}.")
    return [known[word] for word in found]


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
