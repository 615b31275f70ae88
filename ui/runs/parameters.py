"""What a parameter of a run may be: each kind checks a value from a page, a script or an address."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

ANY = "any"  # no class in particular


@dataclass(frozen=True)
class Limits:
    """title: what the parameter is called in a sentence."""

    title: str

    def check(self, value: object) -> Any:
        """The value as the run needs it. Raises ValueError, with one sentence that says what is allowed."""
        raise NotImplementedError

    def read(self, text: str) -> Any:
        """The same for the text of an address."""
        return self.check(text)


@dataclass(frozen=True)
class Reference(Limits):
    """What a checkpoint is loaded by. Whether there is such a one is found out later."""

    def check(self, value: object) -> str:
        text = str(value or "").strip()
        if not text or len(text) > 300:
            raise ValueError(f"Choose a {self.title}: an embedded name, or a Hub id such as google/ddpm-cifar10-32")
        return text


@dataclass(frozen=True)
class Choice(Limits):
    """One of a list of names."""

    names: tuple[str, ...]

    def check(self, value: object) -> str:
        if value not in self.names:
            raise ValueError(f"There is no {self.title} {shown(value)}: choose from {', '.join(self.names)}")
        return str(value)


@dataclass(frozen=True)
class ClassName(Limits):
    """A class by its name or number. Whether the model has it is found out later."""

    def check(self, value: object) -> str:
        return str(value if value not in (None, "") else ANY).strip()


@dataclass(frozen=True)
class Switch(Limits):
    """True or false, or None where that is left to the checkpoint."""

    def check(self, value: object) -> bool | None:
        if not isinstance(value, bool | None):
            raise ValueError(f"{self.title} must be true or false, or nothing for the model's own, got {shown(value)}")
        return value

    def read(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError("must be true or false")
        return text == "true"


@dataclass(frozen=True)
class Whole(Limits):
    """A whole number from low to high, in any spelling. allowed: how the limits are said, where that is not enough."""

    low: int
    high: int
    allowed: str = ""
    step: int = 1

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
class Number(Limits):
    """A number from low to high. step: of its slider."""

    low: float
    high: float
    step: float

    def check(self, value: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not self.low <= number <= self.high:
            raise ValueError(f"{self.title} must be a number from {self.low:g} to {self.high:g}, got {shown(value)}")
        return number


def shown(value: object) -> str:
    """A wrong value as part of a sentence."""
    text = str(value).strip() if value is not None else ""
    if not text:
        return "nothing"
    return f"'{text}'" if len(text) <= 40 else f"'{text[:37]}…'"
