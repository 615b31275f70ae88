"""The parameters of a run, in one table: `Settings`.

From it follow the controls of the page with their limits, the parameters of both API endpoints, and the keys of the
page's address. A new parameter is one line of it, and a control in `ui.tabs.denoise.controls`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from ddpm_core import defaults
from ddpm_core.model import ModelSpec, check_same_images
from ddpm_core.names import SAMPLERS, SPACINGS, VARIANCES, Sampler, Spacing, Variance
from ddpm_core.prediction import class_index
from ddpm_core.timesteps import suited_spacing
from ui.runs.parameters import ANY, Choice, ClassName, Limits, Number, Reference, Switch, Whole, shown

AUTO = "auto"  # the spacing that suits the sampler: timesteps.suited_spacing
SAME = "same"  # in lane B: what lane A has
MAX_SEED = 2**32 - 1
STEPS = Whole("Steps", 1, 1_000_000, "1 to the model's T (1000 for most)")
SEED = Whole("The seed", 0, MAX_SEED, f"0 to {MAX_SEED:,} (2³² − 1)")


def _has(limits: Limits, lane_b: object = None) -> dict[str, Any]:
    """lane_b: what a second lane starts with, for a parameter that it has of its own; SAME follows lane A."""
    return {"limits": limits, "lane_b": lane_b}


@dataclass(frozen=True)
class Settings:
    """A requested run, checked as far as possible without its model. Image i has seed + i.

    Two lanes share what has no default for lane B.
    """

    checkpoint: str = field(default=defaults.CHECKPOINT, metadata=_has(Reference("checkpoint"), lane_b=SAME))
    sampler: Sampler = field(default="ddpm", metadata=_has(Choice("sampler", SAMPLERS), lane_b="ddpm"))
    steps: int = field(default=50, metadata=_has(STEPS, lane_b=50))
    spacing: Spacing | Literal["auto"] | None = field(  # None, once resolved: a student's own times
        default=AUTO, metadata=_has(Choice("spacing", (AUTO, *SPACINGS)), lane_b=SAME)
    )
    variance: Variance = field(default="beta_tilde", metadata=_has(Choice("variance", VARIANCES), lane_b="beta"))
    eta: float = field(default=0.0, metadata=_has(Number("η", 0, 1, step=0.05), lane_b=0.0))
    clip: bool | None = field(default=True, metadata=_has(Switch("Clip x̂_0")))  # None is the checkpoint's own
    seed: int = field(default=defaults.SEED, metadata=_has(SEED))
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

    @property
    def adds_noise(self) -> bool:
        """Whether any step adds noise."""
        return self.sampler in ("ddpm", "consistency") or (self.sampler == "ddim" and self.eta > 0)

    @property
    def sampling(self) -> dict[str, Any]:
        """The fields of `ddpm_core.runs.SamplerSettings`, without those that this sampler does not have."""
        own = {"ddpm": {"variance": self.variance}, "ddim": {"eta": self.eta}}.get(self.sampler, {})
        return {"steps": self.steps, "sampler": self.sampler, "spacing": self.spacing, **own}

    def resolved(self, model: ModelSpec) -> Settings:
        """The same, with what suits the model and the sampler for everything that was left open."""
        spacing = suited_spacing(model, self.sampler, self.steps) if self.spacing == AUTO else self.spacing
        return replace(self, clip=model.clip if self.clip is None else self.clip, spacing=spacing)

    def arguments(self, model: ModelSpec) -> dict[str, Any]:
        """The arguments of `ddpm_core.trajectory(model, ...)`. Raises ValueError for what this model does not have."""
        T, chosen = model.schedule.T, self.resolved(model)
        if self.steps > T:
            raise ValueError(f"Steps must be a whole number from 1 to {T} for this checkpoint, got {self.steps}")
        return {
            "seeds": self.seeds,
            **chosen.sampling,
            "clip": chosen.clip,
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
    if control == "compare":
        return Switch("Compare")
    limits = LIMITS[control.removesuffix("_b")]
    if DEFAULTS[control] == SAME and isinstance(limits, Choice):
        return replace(limits, names=(SAME, *limits.names))
    return limits


def lanes(values: Sequence[object]) -> tuple[Settings, ...]:
    """The run, or the two lanes, that the values of PAGE ask for. The value of a disabled control is ignored.

    Raises ValueError as `Settings.check` does.
    """
    chosen = dict(zip(PAGE, values, strict=True))
    if chosen["label"] in (ANY, None):
        chosen["guidance"] = Settings.guidance
    one = {name: chosen[name] for name in FIELDS}
    own = {name: chosen[f"{name}_b"] for name in LANE if chosen[f"{name}_b"] != SAME}
    wanted = [one] + [one | own] * bool(chosen["compare"])
    checked = []
    for number, lane in enumerate(wanted):
        if lane["sampler"] != "ddim":
            lane = lane | {"eta": Settings.eta}
        with _named(number):
            checked.append(Settings.check(lane))
    return tuple(checked)


def resolved(lanes: Sequence[Settings], models: Sequence[ModelSpec]) -> tuple[Settings, ...]:
    """`Settings.resolved` of each lane for its model. What lanes share, and leave open, is the first one's."""
    first = lanes[0].resolved(models[0])
    return tuple(replace(lane, clip=first.clip).resolved(model) for lane, model in zip(lanes, models, strict=True))


def arguments(lanes: Sequence[Settings], models: Sequence[ModelSpec]) -> list[dict[str, Any]]:
    """`Settings.arguments` of each lane for its model. Raises ValueError also for models that can't share one x_T."""
    check_same_images(models)
    found = []
    for number, (lane, model) in enumerate(zip(resolved(lanes, models), models, strict=True)):
        with _named(number):
            found.append(lane.arguments(model))
    return found


@contextmanager
def _named(number: int) -> Iterator[None]:
    """What is wrong with the second lane is said to be of lane B."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"Lane B: {error}" if number else str(error)) from None


def class_names(model: ModelSpec) -> list[str]:
    """The names of the model's classes; their numbers where it has no names."""
    return list(model.class_names or map(str, range(model.num_classes)))
