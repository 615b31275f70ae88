"""Kinds of fields of a script's request: what a value from a script or an address may be.

A request is a frozen dataclass, a subclass of `Request`, whose fields are made by `declare`. From that one line follow
the check of its values, its default and its parameter in the API for scripts. The page's forms are its own
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

ANY = "any"  # no class in particular


@dataclass(frozen=True)
class Field:
    """title: what it is called in a sentence."""

    title: str

    def check(self, value: object) -> Any:
        """The value as the computation needs it. Raises ValueError, with one sentence that says what is allowed."""
        raise NotImplementedError


def near(path: object) -> str:
    """The path that a visitor names. Raises ValueError for one that leads to another machine (`\\\\host\\share`).

    Windows tells that machine who its user is, already when a program looks whether there is such a folder, and a link
    of any website can name one. So this comes before anything that looks.
    """
    text = str(path or "")
    if re.fullmatch(r"[\\/]([\\/]|\?\?)[\s\S]*", text.strip()):
        raise ValueError(f"{shown(text)} is on another machine: give a folder of this one, or a drive's letter for it")
    return text


def reference(value: object) -> str:
    """A checkpoint as a visitor names it, without the spaces around it. Raises ValueError, as `near` does."""
    return typed(near(value))


@dataclass(frozen=True)
class Reference(Field):
    """What a checkpoint is loaded by. Whether there is such a one is found out later."""

    def check(self, value: object) -> str:
        text = reference(value)
        if not text or len(text) > 300 or not text.isprintable():
            raise ValueError(f"Choose a {self.title}: an embedded name, or a Hub id such as google/ddpm-cifar10-32")
        return text


@dataclass(frozen=True)
class Choice(Field):
    """One of a list of names."""

    names: tuple[str, ...] = ()

    def check(self, value: object) -> str:
        if value not in self.names:
            raise ValueError(f"There is no {self.title} {shown(value)}: choose from {', '.join(self.names)}")
        return str(value)


@dataclass(frozen=True)
class ClassName(Field):
    """A class by its name or number. Whether the model has it is found out later."""

    def check(self, value: object) -> str:
        text = str(value if value not in (None, "") else ANY).strip()
        if len(text) > 200:  # the longest of ImageNet's has 121
            raise ValueError(f"{self.title} has at most 200 characters, got {len(text):,}")
        return text


@dataclass(frozen=True)
class Switch(Field):
    """True or false, or None where that is left to the checkpoint."""

    def check(self, value: object) -> bool | None:
        value = {"true": True, "false": False, "": None}.get(value, value) if isinstance(value, str) else value
        if not isinstance(value, bool | None):
            raise ValueError(f"{self.title} must be true or false, or nothing for the model's own, got {shown(value)}")
        return value


@dataclass(frozen=True)
class Whole(Field):
    """A whole number from low to high, in any spelling. allowed: how the limits are said, where that is not enough."""

    low: int = 0
    high: int = 0
    allowed: str = ""

    def check(self, value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value).strip()
        is_whole = not isinstance(value, bool) and re.fullmatch(r"-?\d{1,30}", text, re.ASCII)
        if not is_whole or not self.low <= int(text) <= self.high:
            allowed = self.allowed or f"{self.low} to {self.high}"
            raise ValueError(f"{self.title} must be a whole number from {allowed}, got {shown(value)}")
        return int(text)


@dataclass(frozen=True)
class Seed(Whole):
    """Fixes all the noise."""

    high: int = 2**32 - 1
    allowed: str = "0 to 4,294,967,295 (2³² − 1)"


@dataclass(frozen=True)
class Number(Field):
    """A number from low to high. open: what no number means, "" where there must be one."""

    low: float = 0.0
    high: float = 1.0
    open: str = ""

    def check(self, value: object) -> float | None:
        if self.open and value in (None, ""):
            return None
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not self.low <= number <= self.high:
            raise ValueError(f"{self.title} must be a number from {self.low:g} to {self.high:g}, got {shown(value)}")
        return number


@dataclass(frozen=True)
class Prompt(Field):
    """Words that say what to draw, in one line of at most `most` characters. Whether the model takes any is found out
    later.
    """

    most: int = 300

    def check(self, value: object) -> str:
        text = " ".join(str(value or "").encode(errors="ignore").decode().split())  # half a surrogate pair is no text
        if len(text) > self.most:
            raise ValueError(f"{self.title} has at most {self.most} characters, got {len(text):,}")
        return text


def declare(kind: Field, default: Any) -> Any:
    """A field of a request, of this kind."""
    return dataclasses.field(default=default, metadata={"kind": kind})


@dataclass(frozen=True)
class Request:
    """What a script can ask for; the fields of subclasses are declared with `declare`."""

    @classmethod
    def kinds(cls) -> dict[str, Field]:
        """The kind of each field, by its name."""
        return {row.name: row.metadata["kind"] for row in dataclasses.fields(cls)}

    @classmethod
    def defaults(cls) -> dict[str, object]:
        return {row.name: row.default for row in dataclasses.fields(cls)}

    @classmethod
    def check(cls, values: Mapping[str, object]) -> Self:
        """The request of these values, by their names; others have their defaults.

        Raises ValueError, with one sentence that says what is allowed, for the first value outside its limits.
        """
        kinds = cls.kinds()
        return cls(**{name: kinds[name].check(value) for name, value in values.items() if name in kinds})


def shown(value: object) -> str:
    """A wrong value as part of a sentence."""
    text = str(value).strip() if value is not None else ""
    if not text:
        return "nothing"
    return f"'{text}'" if len(text) <= 40 else f"'{text[:37]}…'"


def sentence(error: Exception) -> str:
    """An error that says itself what was wrong, as a sentence."""
    text = str(error).rstrip(".")
    first = text.split(" ", 1)[0]
    is_word = first.isascii() and first.isalpha()  # a name, an id or a symbol keeps its case
    return text[:1].upper() + text[1:] if is_word else text
