"""Convert a value to the type of its dataclass field, with an error that says which values are allowed."""

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
    """Return a value as an instance of a type.

    Numbers of NumPy and torch become Python's, a path becomes text, and a list becomes a tuple.

    Arguments:
        kind: bool, int, float, str, a Literal, tuple[int, ...], or a union of these and None.
        value: any value. A text is no number, 2.0 is no whole number, and True is neither.

    Raises:
        ValueError: for a value of another type, with a message like "must be a whole number, got 2.0."
    """
    plain = value.tolist() if hasattr(value, "tolist") else value
    for one in _alternatives(kind):
        with suppress(TypeError, OverflowError):
            return _as(one, plain)
    raise _broken(kind, plain)


def check_word(kind: Any, word: str) -> None:
    """Raise the ValueError of `convert` if a flag takes a number or a choice, and its word is neither.

    kind: the flag's type; for other types, words are not checked.
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
    """Return the known word that is most similar to a misspelt word, ignoring case; None if no word is similar."""
    by_letters = {name.casefold(): name for name in sorted(known)}
    found = get_close_matches(word.casefold(), by_letters, 1)
    return by_letters[found[0]] if found else None


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _as(kind: Any, value: Any) -> Any:
    """Return a value as an instance of one type.

    Raise TypeError for another type, and OverflowError for huge numbers.
    """
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
    """Return the error for a value of a wrong type. The message names the allowed values."""
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
