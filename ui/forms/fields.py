"""Define the kinds of fields in a script's request, and check their values.

A request is a frozen dataclass, a subclass of `Request`. `declare` creates each of its fields with a kind and a
default. The kind checks values, and describes the parameter in the API for scripts. The page has its own forms
(ui/web/plans/forms.js).
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ddpm_core.checkpoint.refs import typed

ANY = "any"  # in the form's field "class": the model chooses the class


@dataclass(frozen=True)
class Field:
    """A kind of field, which checks values. title: the name of the field in error messages."""

    title: str

    def check(self, value: object) -> Any:
        """Return the value in the form that the computation needs. Raises ValueError with one sentence that says what
        is allowed.
        """
        raise NotImplementedError


def check_path(path: object) -> str:
    """Return a visitor's path as text. Raises ValueError if it leads to another machine (`\\\\host\\share`).

    Windows sends the user's credentials to that machine as soon as a program looks for the path, and a link on any
    website can contain such a path. So call this before any access to the path.
    """
    text = str(path or "")
    if re.fullmatch(r"[\\/]([\\/]|\?\?)[\s\S]*", text.strip()):
        raise ValueError(
            f"{quote(text)} is on another machine: choose a folder of this machine, or give the folder a drive letter"
        )
    return text


def reference(value: object) -> str:
    """Return the checkpoint that a visitor names, without spaces around it. Raises ValueError as `check_path` does."""
    return typed(check_path(value))


@dataclass(frozen=True)
class Reference(Field):
    """A reference to a checkpoint: an embedded name, a folder or a Hub id. Loading checks whether it exists."""

    def check(self, value: object) -> str:
        """Return the reference. Raises ValueError if it is empty, longer than 300 characters or not printable."""
        text = reference(value)
        if not text or len(text) > 300 or not text.isprintable():
            raise ValueError(f"Choose a {self.title}: an embedded name, or a Hub id such as google/ddpm-cifar10-32")
        return text


@dataclass(frozen=True)
class Choice(Field):
    """One name of a list."""

    names: tuple[str, ...] = ()

    def check(self, value: object) -> str:
        """Return the name. Raises ValueError if the list does not contain it."""
        if value not in self.names:
            raise ValueError(f"There is no {self.title} {quote(value)}: choose from {', '.join(self.names)}")
        return str(value)


@dataclass(frozen=True)
class ClassName(Field):
    """A class, by its name or number. The run checks whether the model has it."""

    def check(self, value: object) -> str:
        """Return the class as text, ANY for an empty value. Raises ValueError if it is longer than 200 characters."""
        text = str(value if value not in (None, "") else ANY).strip()
        if len(text) > 200:  # the longest name of an ImageNet class has 121 characters
            raise ValueError(f"{self.title} has at most 200 characters, got {len(text):,}")
        return text


@dataclass(frozen=True)
class Switch(Field):
    """True or false; None lets the checkpoint decide."""

    def check(self, value: object) -> bool | None:
        """Return the value as a boolean, None for an empty value. Raises ValueError for another value."""
        value = {"true": True, "false": False, "": None}.get(value, value) if isinstance(value, str) else value
        if not isinstance(value, bool | None):
            raise ValueError(
                f"{self.title} must be true or false, or empty for the model's default, got {quote(value)}"
            )
        return value


@dataclass(frozen=True)
class Whole(Field):
    """A whole number from low to high, as a number or text. allowed: the limits in words, if "low to high" is not
    enough.
    """

    low: int = 0
    high: int = 0
    allowed: str = ""

    def check(self, value: object) -> int:
        """Return the value as a whole number. Raises ValueError if it is not whole, or outside the limits."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value).strip()
        is_whole = not isinstance(value, bool) and re.fullmatch(r"-?\d{1,30}", text, re.ASCII)
        if not is_whole or not self.low <= int(text) <= self.high:
            allowed = self.allowed or f"{self.low} to {self.high}"
            raise ValueError(f"{self.title} must be a whole number from {allowed}, got {quote(value)}")
        return int(text)


@dataclass(frozen=True)
class Seed(Whole):
    """The seed of all noise."""

    high: int = 2**32 - 1
    allowed: str = "0 to 4,294,967,295 (2³² − 1)"


@dataclass(frozen=True)
class Number(Field):
    """A number from low to high. open: the meaning of an empty value; "" if a number is required."""

    low: float = 0.0
    high: float = 1.0
    open: str = ""

    def check(self, value: object) -> float | None:
        """Return the value as a number, None for an allowed empty value. Raises ValueError if it is outside
        the limits.
        """
        if self.open and value in (None, ""):
            return None
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not self.low <= number <= self.high:
            raise ValueError(f"{self.title} must be a number from {self.low:g} to {self.high:g}, got {quote(value)}")
        return number


@dataclass(frozen=True)
class Prompt(Field):
    """A prompt in one line of at most `most` characters. The run checks whether the model takes prompts."""

    most: int = 300

    def check(self, value: object) -> str:
        """Return the prompt with single spaces. Raises ValueError if it is too long."""
        # drops half surrogate pairs, which can't be encoded
        text = " ".join(str(value or "").encode(errors="ignore").decode().split())
        if len(text) > self.most:
            raise ValueError(f"{self.title} has at most {self.most} characters, got {len(text):,}")
        return text


def declare(kind: Field, default: Any) -> Any:
    """Return a dataclass field of a request, with its kind and default."""
    return dataclasses.field(default=default, metadata={"kind": kind})


@dataclass(frozen=True)
class Request:
    """The base class of a script's request. Subclasses create their fields with `declare`."""

    @classmethod
    def kinds(cls) -> dict[str, Field]:
        """Return the kind of each field, by its name."""
        return {row.name: row.metadata["kind"] for row in dataclasses.fields(cls)}

    @classmethod
    def defaults(cls) -> dict[str, object]:
        """Return the default of each field, by its name."""
        return {row.name: row.default for row in dataclasses.fields(cls)}

    @classmethod
    def check(cls, values: Mapping[str, object]) -> Self:
        """Return a request with these values, by name; other fields get their defaults.

        Raises ValueError at the first value outside its limits, with one sentence that says what is allowed.
        """
        kinds = cls.kinds()
        return cls(**{name: kinds[name].check(value) for name, value in values.items() if name in kinds})


def quote(value: object) -> str:
    """Return a wrong value, quoted and shortened, for an error message."""
    text = str(value).strip() if value is not None else ""
    if not text:
        return "nothing"
    return f"'{text}'" if len(text) <= 40 else f"'{text[:37]}…'"


def sentence(error: Exception) -> str:
    """Return an error's text as a sentence: with a capital, without a full stop."""
    text = str(error).rstrip(".")
    first = text.split(" ", 1)[0]
    is_word = first.isascii() and first.isalpha()  # a name, an id or a symbol keeps its case
    return text[:1].upper() + text[1:] if is_word else text
