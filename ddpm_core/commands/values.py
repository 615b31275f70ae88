"""Convert a value to the type of its dataclass field, or say which rule it breaks."""

from __future__ import annotations

import reprlib
import types
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from numbers import Integral, Real
from os import PathLike
from typing import Any, Literal, Union, get_args, get_origin

_WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text or a path", type(None): "None"}
_ACCEPTED = {bool: bool, int: Integral, float: Real, str: (str, PathLike), type(None): type(None)}


def convert(kind: Any, value: Any) -> Any:
    """Return a value as its type has it: numbers of NumPy and torch as Python's, a path as text, a list as a tuple.

    Arguments:
        kind: bool, int, float, str, a Literal, tuple[int, ...], or a union of these and None.
        value: anything. A text is no number, 2.0 is no whole number, and True is neither.

    Raises:
        ValueError: with the rule, such as "must be a whole number, got 2.0."
    """
    plain = value.tolist() if hasattr(value, "tolist") else value
    for one in _alternatives(kind):
        with suppress(TypeError, OverflowError):
            return _as(one, plain)
    raise _broken(kind, plain)


def check_word(kind: Any, word: str) -> None:
    """Raise the error of `convert` for a word of a command line that should be a number or one of several words, and
    isn't. Other types are passed over.
    """
    one, *others = [one for one in _alternatives(kind) if one is not type(None)]
    if others or (word == "None" and one is not kind):
        return
    if one in (int, float):
        try:
            one(word)
        except ValueError:
            raise _broken(one, word) from None
    elif get_origin(one) is Literal and isinstance(get_args(one)[0], str):
        convert(one, word)


def near(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, whatever the case of its letters; None if there is none."""
    by_letters = {name.casefold(): name for name in sorted(known)}
    found = get_close_matches(word.casefold(), by_letters, 1)
    return by_letters[found[0]] if found else None


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _as(kind: Any, value: Any) -> Any:
    """A plain value as one type has it. Raises TypeError for another type, and OverflowError for a huge number."""
    if get_origin(kind) is Literal:
        for choice in get_args(kind):
            if type(value) is type(choice) and value == choice:
                return choice
    elif get_origin(kind) is tuple:
        if isinstance(value, (tuple, list, range)):
            return tuple(_as(get_args(kind)[0], one) for one in value)
    elif isinstance(value, _ACCEPTED[kind]) and (kind is bool or not isinstance(value, bool)):
        return None if value is None else kind(value)
    raise TypeError


def _broken(kind: Any, value: Any) -> ValueError:
    rules, choices = [], []
    for one in _alternatives(kind):
        if get_origin(one) is Literal:
            choices = [str(choice) for choice in get_args(one)]
            rules.append(f"one of {', '.join(choices)}")
        else:
            rules.append(_WORDS.get(one, "a tuple of whole numbers"))
    meant = near(value, choices) if isinstance(value, str) else None
    end = f": did you mean {meant}?" if meant else "."
    return ValueError(f"must be {' or '.join(rules)}, got {' '.join(reprlib.repr(value).split())}{end}")
