"""Command lines: read by tyro, after what tyro would let pass has been refused."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import tyro

from train import TrainError

T = TypeVar("T")


def parse(kind: type[T], arguments: Sequence[str], **options: Any) -> T:
    """An instance of the dataclass `kind` from the words of a command line; options: of `tyro.cli`.

    Raises TrainError for a flag that is given twice or empty, SystemExit (after a message) for what tyro refuses.
    """
    check_words(arguments)
    return tyro.cli(kind, args=arguments, **options)


def check_words(arguments: Sequence[str]) -> None:
    """Raise TrainError for a flag that is given twice, --NAME and --no-NAME included, or without a text in its value.

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


def place(text: str | Path) -> Path:
    """A path on the command line: ~ is the home folder. (Path.expanduser raises RuntimeError for an unknown ~name.)"""
    return Path(os.path.expanduser(text))
