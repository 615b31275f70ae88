"""The parameters of a run, in one table: `Settings`.

From it follow the controls of the page with their limits, the parameters of both API endpoints, and the keys of the
page's address. A new parameter is one line of it, and a control in `ui.tabs.denoise.controls`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ddpm_core.model import ModelSpec
from ddpm_core.names import SPACINGS, VARIANCES, Sampler, Spacing, Variance
from ddpm_core.predict import class_index
from ui.runs.parameters import ANY, Choice, ClassName, Limits, Number, Reference, Switch, Whole, shown

CHECKPOINT = "cifar10-tiny"
SAMPLERS: tuple[Sampler, ...] = ("ddpm", "ddim")  # of names.SAMPLERS, those that the page explains
MAX_SEED = 2**32 - 1
STEPS = Whole("Steps", 1, 1_000_000, "1 to the model's T (1000 for most)")
SEED = Whole("The seed", 0, MAX_SEED, f"0 to {MAX_SEED:,} (2³² − 1)")


def _has(limits: Limits, lane_b: object = None) -> dict[str, Any]:
    """lane_b: what a second lane starts with, for a parameter that it has of its own."""
    return {"limits": limits, "lane_b": lane_b}


@dataclass(frozen=True)
class Settings:
    """A requested run, checked as far as possible without its model. Image i has seed + i.

    Two lanes share what has no default for lane B.
    """

    checkpoint: str = field(default=CHECKPOINT, metadata=_has(Reference("checkpoint")))
    sampler: Sampler = field(default="ddpm", metadata=_has(Choice("sampler", SAMPLERS), lane_b="ddpm"))
    steps: int = field(default=50, metadata=_has(STEPS, lane_b=50))
    spacing: Spacing = field(default="linspace", metadata=_has(Choice("spacing", SPACINGS)))
    variance: Variance = field(default="beta_tilde", metadata=_has(Choice("variance", VARIANCES), lane_b="beta"))
    eta: float = field(default=0.0, metadata=_has(Number("η", 0, 1, step=0.05), lane_b=0.0))
    clip: bool | None = field(default=True, metadata=_has(Switch("Clip x̂_0")))  # None is the checkpoint's own
    seed: int = field(default=42, metadata=_has(SEED))
    count: int = field(default=4, metadata=_has(Whole("The number of images", 1, 16)))
    label: str = field(default=ANY, metadata=_has(ClassName("class")))
    guidance: float = field(default=1.0, metadata=_has(Number("Guidance", 0, 10, step=0.1)))

    @classmethod
    def check(cls, values: Mapping[str, object]) -> Settings:
        """The settings that these values from a page or a script ask for, by their names; others have their defaults.

        Raises ValueError, with one sentence that says what is allowed, for the first value outside its limits.
        """
        return cls(**{name: LIMITS[name].check(value) for name, value in values.items()})

    @property
    def seeds(self) -> range:
        return range(self.seed, self.seed + self.count)

    @property
    def batch(self) -> int:
        """Images per step that the network evaluates: guidance evaluates each with and without its label."""
        return self.count * (1 if self.guidance == 1 else 2)

    def resolved(self, model: ModelSpec) -> Settings:
        """The same, with the model's own value for everything that was left to the checkpoint."""
        return replace(self, clip=model.clip) if self.clip is None else self

    def arguments(self, model: ModelSpec) -> dict[str, Any]:
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

    def _class(self, model: ModelSpec) -> int | None:
        if self.label == ANY:
            return None
        if not model.num_classes:
            raise ValueError(f"This checkpoint has no classes: leave the class at {ANY!r}")
        try:
            return class_index(model, self.label)
        except ValueError:
            names = ", ".join(class_names(model))
            raise ValueError(f"This checkpoint has no class {shown(self.label)}: choose from {ANY}, {names}") from None


FIELDS = tuple(row.name for row in fields(Settings))
LIMITS: dict[str, Limits] = {row.name: row.metadata["limits"] for row in fields(Settings)}
LANE = tuple(row.name for row in fields(Settings) if row.metadata["lane_b"] is not None)  # a second lane's own

# The controls of the page with what they start with, in the order in which its events pass their values. The names are
# also the keys of an address; "_b" marks those of lane B.
DEFAULTS: dict[str, Any] = (
    {row.name: row.default for row in fields(Settings)}
    | {"compare": False}
    | {f"{row.name}_b": row.metadata["lane_b"] for row in fields(Settings) if row.name in LANE}
)
PAGE = tuple(DEFAULTS)


def limits_of(control: str) -> Limits:
    """The limits of a control of the page."""
    return Switch("Compare") if control == "compare" else LIMITS[control.removesuffix("_b")]


def lanes(values: Sequence[object]) -> tuple[Settings, ...]:
    """The run, or the two lanes, that the values of PAGE ask for. The value of a disabled control is ignored.

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
            checked.append(Settings.check(lane))
        except ValueError as error:
            raise ValueError(f"Lane B: {error}" if number else str(error)) from None
    return tuple(checked)


def class_names(model: ModelSpec) -> list[str]:
    """The names of the model's classes; their numbers where it has no names."""
    return list(model.class_names or map(str, range(model.num_classes)))
