"""The settings of one run of the reverse chain, which several parts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from ddpm_core.commands import defaults
from ddpm_core.model import ModelSpec
from ddpm_core.names import SAMPLERS, SPACINGS, VARIANCES, Sampler, Spacing, Variance
from ddpm_core.prediction import class_index, few
from ddpm_core.samplers import DEFAULTS, OPTIONS
from ddpm_core.timesteps import suited_spacing
from ui.forms import units
from ui.forms.emoji import in_words
from ui.forms.fields import (
    ANY,
    MODEL,
    SET,
    Choice,
    ClassName,
    Number,
    Prompt,
    Reference,
    Request,
    Seed,
    Switch,
    Whole,
    declare,
    shown,
)
from ui.models.catalogue import EMBEDDED, usual_guidance
from ui.models.form_options import class_names
from ui.runs.touch import Stroke, TouchField

AUTO = "auto"  # the spacing that suits the sampler: timesteps.suited_spacing

CHECKPOINT = Reference("checkpoint", "Model")
SAMPLER = Choice(
    "sampler", help="How a step is made", more=True, follows="samplers", names=SAMPLERS, titles=units.SAMPLER
)
STEPS = Whole(
    "Steps",
    help="Each step runs the network once; Langevin corrections run it again",
    follows="steps",
    low=1,
    high=1_000_000,
    allowed="1 to the model's T (1000 for most)",
    presets=(10, 50, 1000),
    slider=True,
)
SPACING = Choice(
    "spacing",
    help="Which times t the steps visit",
    names=(AUTO, *SPACINGS),
    sentences={
        AUTO: "Whichever suits the sampler",
        "linspace": "Evenly spaced, from T down to 1",
        "leading": "Evenly spaced, down to 1; begins a little below T",
        "trailing": "Evenly spaced, from T; ends a little above 1",
        "quadratic": "Closer together where little noise is left; begins at ⅘ of T, whose xₜ is x_T",
        "quadratic_T": "The same, stretched to begin at T",
        "optimised": "Found by a search for this model and sampler",
    },
    more=True,
)
VARIANCE = Choice(
    "variance",
    "Noise added back",
    help="Each step adds fresh noise; σ² is its variance",
    follows="variances",
    names=VARIANCES,
    titles=units.VARIANCE_CHOICE,
)
ETA = Number("η", "Noise, η", help="Of each step: 0 adds none, 1 as much as β̃ₜ", low=0, high=1, step=0.05, more=True)
TOUCH = TouchField("touch")
SEED = Seed("The seed", help="The same seed gives the same starting noise")
IF_CLASSES, IF_WORDS = [{MODEL: "classes"}], [{MODEL: "prompts"}]
IF_GUIDED = [{"label": SET}, *IF_WORDS]
LABEL = ClassName("class", "What to draw", help="“any” lets the model choose")
PROMPT = Prompt("The prompt", help="What to draw, in words", placeholder="a red apple")
GUIDANCE = Number(
    "Guidance",
    help="How closely the picture follows the class or the words, w: 1 is as learned, more is closer",
    more=True,
    low=0,
    high=10,
    step=0.1,
    open="its own",
)


def if_has(option: str, names: Sequence[Sampler] = SAMPLERS, field: str = "sampler") -> list[dict[str, str]]:
    """Return when the page shows a sampler's option: for those of these names that have it."""
    return [{field: name} for name in names if option in OPTIONS[name]]


def options_of(run: Any) -> dict[str, Any]:
    """Return the options of a run's sampler that the run has a field for, without switches at their default."""
    own = {name: getattr(run, name) for name in OPTIONS[run.sampler] if hasattr(run, name)}
    return {name: value for name, value in own.items() if not isinstance(value, bool) or value != DEFAULTS[name]}


@dataclass(frozen=True)
class Settings(Request):
    """One run, checked as far as possible without its model. Image i has seed + i."""

    checkpoint: str = declare(CHECKPOINT, defaults.CHECKPOINT)
    prompt: str = declare(PROMPT, "", IF_WORDS)
    steps: int = declare(STEPS, 50)
    variance: Variance = declare(VARIANCE, "beta_tilde", if_has("variance"))
    seed: int = declare(SEED, defaults.SEED)
    label: str = declare(LABEL, ANY, IF_CLASSES)
    sampler: Sampler = declare(SAMPLER, "ddpm")
    # None, once resolved: a student's own times
    spacing: Spacing | Literal["auto"] | None = declare(SPACING, AUTO)
    eta: float = declare(ETA, 0.0, if_has("eta"))
    # None, until it is resolved: what suits the model
    guidance: float | None = declare(GUIDANCE, None, IF_GUIDED)
    negative: str = declare(
        Prompt("The negative prompt", "", "Words that guidance leads away from", True, placeholder="blurred"),
        "",
        IF_WORDS,
    )
    count: int = declare(
        Whole(
            "The number of images",
            "Pictures",
            "Each next one has the next seed",
            more=True,
            follows="count",
            low=1,
            high=16,
            slider=True,
        ),
        4,
    )
    # None is the checkpoint's own
    clip: bool | None = declare(
        Switch("Clip x̂_0", "Clip the guess, x̂₀", "Keeps the guessed picture in the range of pixels", True, "clip"),
        None,
    )

    @property
    def seeds(self) -> range:
        return range(self.seed, self.seed + self.count)

    def batch(self, model: ModelSpec) -> int:
        """Images per step that the network evaluates: guidance evaluates each with and without its label, and each
        correction of "langevin" once more.
        """
        guided = 1 if self.guidance in (None, 1) else 2
        return self.count * guided * (1 + (model.corrections if self.sampler == "langevin" else 0))

    @property
    def sampling(self) -> dict[str, Any]:
        """The arguments of `ddpm_core.runs.make_chain`, with the sampler's own options."""
        return {"steps": self.steps, "sampler": self.sampler, "spacing": self.spacing, **options_of(self)}

    def lanes(self) -> tuple[Settings, ...]:
        """The runs that are asked for."""
        return (self,)

    def plain(self) -> Settings:
        """One run without what does nothing: guidance without class or words, options of other samplers.

        The variance stays: the files that were saved name it beside every sampler.
        """
        one = {row.name: getattr(self, row.name) for row in fields(Settings)}
        if self.label == ANY and not self.prompt and not self.negative:
            one["guidance"] = Settings.guidance
        for name in OF_SAMPLERS:
            if name != "variance" and name not in OPTIONS[self.sampler]:
                one[name] = getattr(Settings, name)
        return Settings(**one)

    def resolved(self, model: ModelSpec) -> Settings:
        """The same, with what suits the model and the sampler for everything that was left open."""
        spacing = suited_spacing(model, self.sampler, self.steps) if self.spacing == AUTO else self.spacing
        asked = model.takes_words and (self.prompt or self.negative)
        has_learned = model.student is not None and model.student.guidance is not None
        usual = usual_guidance(self.checkpoint) if asked and not has_learned else 1.0
        guidance = usual if self.guidance is None else self.guidance
        own = self.checkpoint in EMBEDDED
        return replace(
            self,
            clip=model.clip if self.clip is None else self.clip,
            spacing=spacing,
            guidance=guidance,
            prompt=in_words(self.prompt) if own else self.prompt,
            negative=in_words(self.negative) if own else self.negative,
        )

    def arguments(self, model: ModelSpec) -> dict[str, Any]:
        """Resolved settings as arguments of `ddpm_core.trajectory(model, ...)`. Raises ValueError for what this model
        does not have.
        """
        T = model.schedule.T
        if self.steps > T:
            raise ValueError(f"Steps must be a whole number from 1 to {T} for this checkpoint, got {self.steps}")
        return {
            "seeds": self.seeds,
            **self.sampling,
            "clip": self.clip,
            "labels": self._class(model),
            "guidance": None if self.guidance == 1 else self.guidance,
            **self._words(model),
        }

    def _words(self, model: ModelSpec) -> dict[str, str]:
        if model.takes_words:
            return {"prompts": self.prompt} | ({"negative": self.negative} if self.negative else {})
        if self.prompt or self.negative:
            raise ValueError("This model takes no prompt: leave it empty")
        return {}

    def _class(self, model: ModelSpec) -> int | None:
        if self.label == ANY:
            return None
        if not model.num_classes:
            raise ValueError(f"This checkpoint has no classes: leave the class at {ANY!r}")
        try:
            return class_index(model, self.label)
        except ValueError:
            names = few(class_names(model))
            raise ValueError(f"This checkpoint has no class {shown(self.label)}: choose from {ANY}, {names}") from None


OF_SAMPLERS = tuple(name for name in Settings.kinds() if name in DEFAULTS)  # fields that are options
LANE = ("checkpoint", "prompt", "sampler", "steps", "spacing", *OF_SAMPLERS, "guidance")  # what a second lane may have


@dataclass(frozen=True)
class Touched(Settings):
    """A run that a hand changes on its way."""

    touch: tuple[Stroke, ...] = declare(TOUCH, ())
