"""The parameters of a run: their defaults on the page and in both API endpoints, and their limits."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from ddpm_core.names import SPACINGS

CHECKPOINT = "cifar10-tiny"
SAMPLERS = ("ddpm", "ddim")
VARIANCES = ("beta", "beta_tilde", "analytic", "learned", "learned_range")
MAX_SEED = 2**32 - 1
MAX_COUNT = 16
MAX_GUIDANCE = 10.0
ANY = "any"
LANE = ("steps", "variance", "sampler", "eta")  # what a second lane has of its own


@dataclass(frozen=True)
class Settings:
    """A run that was asked for, checked as far as that goes without the model. Image i has seed + i."""

    checkpoint: str = CHECKPOINT
    sampler: str = "ddpm"
    steps: int = 50
    spacing: str = "linspace"
    variance: str = "beta_tilde"
    eta: float = 0.0
    clip: bool | None = True  # None is the checkpoint's own
    seed: int = 42
    count: int = 4
    label: str = ANY
    guidance: float = 1.0

    @classmethod
    def check(cls, checkpoint, sampler, steps, spacing, variance, eta, clip, seed, count, label, guidance) -> Settings:
        """The settings that these values from a page or a script ask for.

        Raises ValueError, with one sentence that says what is allowed, for the first value that is out of its limits.
        """
        text = str(checkpoint or "").strip()
        if not text or len(text) > 300:
            raise ValueError("Choose a checkpoint: an embedded name, or a Hub id such as google/ddpm-cifar10-32")
        if not isinstance(clip, bool | None):
            raise ValueError(f"Clip x̂_0 must be true or false, or nothing for the model's own, got {_shown(clip)}")
        return cls(
            checkpoint=text,
            sampler=_choice("sampler", sampler, SAMPLERS),
            steps=_whole("Steps", steps, 1, 1_000_000, "1 to the model's T (1000 for most)"),
            spacing=_choice("spacing", spacing, SPACINGS),
            variance=_choice("variance", variance, VARIANCES),
            eta=_number("η", eta, 0, 1),
            clip=clip,
            seed=_whole("The seed", seed, 0, MAX_SEED, f"0 to {MAX_SEED:,} (2³² − 1)"),
            count=_whole("The number of images", count, 1, MAX_COUNT, f"1 to {MAX_COUNT}"),
            label=str(label if label not in (None, "") else ANY).strip(),
            guidance=_number("Guidance", guidance, 0, MAX_GUIDANCE),
        )

    @property
    def seeds(self) -> range:
        return range(self.seed, self.seed + self.count)

    @property
    def batch(self) -> int:
        """Images per step that the network sees: guidance evaluates each one with and without its label."""
        return self.count * (1 if self.guidance == 1 else 2)

    def resolved(self, model) -> Settings:
        """The same with all that was left to the checkpoint."""
        return replace(self, clip=model.clip) if self.clip is None else self

    def arguments(self, model) -> dict:
        """The arguments of `ddpm_core.trajectory(model, ...)`. Raises ValueError for what this model does not have."""
        T = model.schedule.T
        if self.steps > T:
            raise ValueError(f"Steps must be a whole number from 1 to {T} for this checkpoint, got {self.steps}")
        return {
            "seeds": self.seeds,
            "steps": self.steps,
            "sampler": self.sampler,
            "variance": self.variance,
            "spacing": self.spacing,
            "eta": self.eta,
            "clip": self.resolved(model).clip,
            "labels": self._class(model),
            "guidance": None if self.guidance == 1 else self.guidance,
        }

    def _class(self, model) -> int | None:
        from ddpm_core.predict import class_index

        if self.label == ANY:
            return None
        if not model.num_classes:
            raise ValueError(f"This checkpoint has no classes: leave the class at {ANY!r}")
        try:
            return class_index(model, self.label)
        except ValueError:
            names = ", ".join(class_names(model))
            raise ValueError(f"This checkpoint has no class {_shown(self.label)}: choose from {ANY}, {names}") from None


FIELDS = tuple(field.name for field in fields(Settings))
# What the page starts with, in the order of its events: a run, whether it has a second lane, and what is its own.
DEFAULTS = (
    {name: getattr(Settings, name) for name in FIELDS}
    | {"compare": False}
    | {f"{name}_b": getattr(Settings, name) for name in LANE}
    | {"variance_b": "beta"}
)
PAGE = tuple(DEFAULTS)


def lanes(values: Sequence) -> tuple[Settings, ...]:
    """The run, or two lanes, that the values of PAGE ask for. A control that is out of use says nothing.

    Raises ValueError as `Settings.check` does.
    """
    chosen = dict(zip(PAGE, values, strict=True))
    if chosen["label"] in (ANY, None):
        chosen["guidance"] = Settings.guidance
    one = {name: chosen[name] for name in FIELDS}
    wanted = [one] + [one | {name: chosen[f"{name}_b"] for name in LANE}] * bool(chosen["compare"])
    checked = []
    for number, lane in enumerate(wanted):
        if lane["sampler"] != "ddim":
            lane = lane | {"eta": Settings.eta}
        try:
            checked.append(Settings.check(**lane))
        except ValueError as error:
            raise ValueError(f"Lane B: {error}" if number else str(error)) from None
    return tuple(checked)


def class_names(model) -> list[str]:
    """What the model's classes are called; their numbers where it has no names."""
    return list(model.class_names or map(str, range(model.num_classes)))


def _choice(what: str, value, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"There is no {what} {_shown(value)}: choose from {', '.join(allowed)}")
    return value


def _whole(what: str, value, low: int, high: int, limits: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,30}", text, re.ASCII) or not low <= int(text) <= high:
        raise ValueError(f"{what} must be a whole number from {limits}, got {_shown(value)}")
    return int(text)


def _number(what: str, value, low: float, high: float) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low <= number <= high:
        raise ValueError(f"{what} must be a number from {low:g} to {high:g}, got {_shown(value)}")
    return number


def _shown(value) -> str:
    """A wrong value as part of a sentence."""
    text = str(value).strip() if value is not None else ""
    if not text:
        return "nothing"
    return f"'{text}'" if len(text) <= 40 else f"'{text[:37]}…'"
