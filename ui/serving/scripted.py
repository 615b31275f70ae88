"""Define the lanes of scripts and links, which name only a few settings. All other settings have the page's first
values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, make_dataclass, replace
from itertools import product
from typing import Any, Self, TypeVar

from ddpm_core.commands import defaults
from ddpm_core.model import ModelSpec
from ddpm_core.names import SAMPLERS, SPACINGS, VARIANCES
from ddpm_core.prediction import class_index, few
from ddpm_core.samplers import DEFAULTS, OPTIONS, SWITCHES
from ddpm_core.timesteps import suited_spacing
from ui.forms.emoji import name_emoji
from ui.forms.fields import (
    ANY,
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
    quote,
)
from ui.models.catalogue import EMBEDDED, usual_guidance
from ui.models.form_options import QUICK, class_names, default_count, samplers, step_limits, variances
from ui.models.services import Services
from ui.parts.sampling import Frame, Sampling, SamplingAsked, SamplingPlan
from ui.runs.asked import Checkpoint, LaneAsked
from ui.runs.log import Values
from ui.runs.plans import Computation

AUTO = "auto"  # lets `suited_spacing` choose the spacing of the times for the sampler
Requested = TypeVar("Requested", bound=Request)
STEPS = Whole("Steps", low=1, high=1_000_000, allowed="1 to the model's T (1000 for most)")


def _with_switches(request: type[Requested]) -> type[Requested]:
    """Return the request class with additional fields: the switches among the samplers' options."""
    rows = [(name, bool, declare(Switch(name), usual)) for name, usual in SWITCHES.items()]
    return make_dataclass(request.__name__, rows, bases=(request,), frozen=True)


@_with_switches
@dataclass(frozen=True)
class Script(Request):
    """One run of a script. Scripts can also pass these fields by position. Image i has the seed `seed` + i.

    None as sampler, steps, clip, count or guidance means the model's default.
    """

    checkpoint: str = declare(Reference("checkpoint"), defaults.CHECKPOINT)
    sampler: str | None = declare(Choice("sampler", names=SAMPLERS), None)
    steps: int | None = declare(STEPS, None)
    spacing: str = declare(Choice("spacing", names=(AUTO, *SPACINGS)), AUTO)
    variance: str = declare(Choice("variance", names=VARIANCES), "beta_tilde")
    eta: float = declare(Number("η", low=0, high=1), 0.0)
    clip: bool | None = declare(Switch("Clip x̂_0"), None)
    seed: int = declare(Seed("The seed"), defaults.SEED)
    count: int | None = declare(Whole("The number of images", low=1, high=16), None)
    label: str = declare(ClassName("class"), ANY)
    guidance: float | None = declare(Number("Guidance", low=0, high=10, open="its own"), None)
    prompt: str = declare(Prompt("The prompt"), "")
    negative: str = declare(Prompt("The negative prompt"), "")
    S_churn: float = declare(Number("S_churn", low=0, high=100), 0.0)
    S_min: float = declare(Number("S_min", low=0, high=100), 0.0)
    S_max: float | None = declare(Number("S_max", low=0, high=100, open="no limit"), None)
    S_noise: float = declare(Number("S_noise", low=0, high=2), 1.0)

    @classmethod
    def check(cls, values: Mapping[str, object]) -> Self:
        """Return a script with these values; None counts as left out. Raises ValueError for the first invalid value."""
        return super().check({name: value for name, value in values.items() if value is not None})

    def lane(self, model: ModelSpec) -> LaneAsked:
        """Return the lane of this run. Raises ValueError, with one sentence, if the model can't run it."""
        steps, T = self.steps or step_limits(model)[2], model.schedule.T
        sampler: Any = self.sampler or samplers(model)[0]
        if steps > T:
            raise ValueError(f"Steps must be a whole number from 1 to {T} for this checkpoint, got {steps}")
        spacing = suited_spacing(model, sampler, steps) if self.spacing == AUTO else self.spacing
        own: Values = {name: getattr(self, name) for name in OPTIONS[sampler] if name in self.kinds()}
        # as in the page, variance and eta are always set, but other options only if they differ from their defaults
        options = {name: own[name] for name in own if name in ("variance", "eta") or own[name] != DEFAULTS[name]}
        options |= {"labels": self._class(model), "guidance": self._guidance(model), **self._words(model)}
        return LaneAsked(checkpoint=self.checkpoint, sampler=sampler, steps=steps, spacing=spacing, **options)

    def _guidance(self, model: ModelSpec) -> float | None:
        """Return the guidance scale for this model; None without guidance."""
        has_learned = model.student is not None and model.student.guidance is not None
        is_guided = model.takes_words and (self.prompt or self.negative) and not has_learned
        usual = usual_guidance(self.checkpoint) if is_guided else 1.0
        guidance = usual if self.guidance is None else self.guidance
        return None if guidance == 1 else guidance

    def _words(self, model: ModelSpec) -> dict[str, str]:
        """Return the prompts for this model. Raises ValueError if the model takes no prompts."""
        if not model.takes_words:
            if self.prompt or self.negative:
                raise ValueError("This model takes no prompt: leave it empty")
            return {}
        is_ours = self.checkpoint in EMBEDDED  # our models learned the names of emoji, not the characters
        words = {"prompts": self.prompt} | ({"negative": self.negative} if self.negative else {})
        return {name: name_emoji(text) if is_ours else text for name, text in words.items()}

    def _class(self, model: ModelSpec) -> int | None:
        """Return the index of the class; None for any class. Raises ValueError if the model does not have it."""
        if self.label == ANY:
            return None
        if not model.num_classes:
            raise ValueError(f"This checkpoint has no classes: leave the class at {ANY!r}")
        try:
            return class_index(model, self.label)
        except ValueError:
            names = few(class_names(model))
            raise ValueError(f"This checkpoint has no class {quote(self.label)}: choose from {ANY}, {names}") from None


class Scripted(Sampling):
    """The run of one script, or of several as lanes. All lanes have the seeds and the clipping of the first script."""

    def __init__(self, services: Services, scripts: Sequence[Script]):
        first, *_ = self.scripts = scripts
        self.count = first.count or default_count(first.checkpoint, services.step_times)
        checkpoints = [Checkpoint(checkpoint=script.checkpoint) for script in scripts]
        Computation.__init__(self, services, None, checkpoints, self.count * len(scripts))

    def plan(self, models: Sequence[ModelSpec]) -> SamplingPlan:
        """Return the plan of the scripts' lanes."""
        by_ref, (first, *_) = dict(zip(self.refs, models, strict=True)), self.scripts
        lanes = [script.lane(by_ref[script.checkpoint]) for script in self.scripts]
        clip = by_ref[first.checkpoint].clip if first.clip is None else first.clip
        seeds = [*range(first.seed, first.seed + self.count)]
        return Sampling(
            self.services, SamplingAsked(lanes=lanes, seeds=seeds, clip=clip, attention=False, touch=[])
        ).plan(models)

    def result_of(self, frame: Frame) -> object:
        """Return the frame unchanged, because scripts get its numbers."""
        return frame

    def log(self, plan: SamplingPlan | None) -> Values:
        """Return the log entry, also without a plan."""
        return super().log(plan) if plan else Computation.log(self, None)


# --- Links

# A link leaves out the settings that have their form's first values. These are the first values that differ from the
# defaults of a script.
OF_FORMS: dict[str, Values] = {
    "watch": {"sampler": "ddpm", "steps": 50, "count": 4},
    "compare": {"sampler": "ddpm", "steps": 10, "variance": "beta", "count": 4},
    "grid": {"sampler": "ddpm", "steps": 50, "count": 1},
}
OF_LANE_B = {"sampler": "ddpm", "steps": 10, "variance": "beta_tilde"}
COLUMNS = "5, 10, 20, 50, 200"
ROWS: dict[str, list[Values]] = {
    "variance": [{"sampler": "ddpm", "variance": name} for name in ("beta", "beta_tilde", "analytic")],
    "sampler": [{"sampler": name} for name in ("ddpm", "ddim", "dpm++", "unipc")],
}


def run_of_link(services: Services, part: str, values: Mapping[str, str]) -> Scripted:
    """Return the run of a link to Watch, Compare or Grid. Raises ValueError if it is impossible."""
    first = Script.check(OF_FORMS[part] | {"checkpoint": services.first, **_settings_of(values)})
    if part == "watch":
        return Scripted(services, [first])
    if part == "compare":
        own = {name.removesuffix("_b"): value for name, value in _settings_of(values).items() if name.endswith("_b")}
        other = Script.check(OF_LANE_B | own)
        names = [name for name in (*OF_LANE_B, *own) if name in Script.kinds()]
        return Scripted(services, [first, replace(first, **{name: getattr(other, name) for name in names})])
    return _Cells(services, [replace(first, **row, steps=STEPS.check(n)) for row, n in _cells(values)])


def _settings_of(values: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that a link names, by name. "same", for a setting that lane B shares with lane A, is left
    out, and so is guidance without a condition.
    """
    chosen = {name: value for name, value in values.items() if value not in ("", "same")}
    if chosen.get("label", ANY) == ANY and not {"prompt", "negative", "prompt_b"} & chosen.keys():
        chosen = {name: value for name, value in chosen.items() if name not in ("guidance", "guidance_b")}
    return chosen


def _cells(values: Mapping[str, str]) -> list[tuple[Values, str]]:
    """Return (row, number of steps) for each cell of a grid. Raises ValueError if there are no cells or too many."""
    columns = values.get("columns", COLUMNS).replace(",", " ").split()
    cells = list(product(ROWS.get(values.get("rows", "variance"), []), columns))
    if not 1 <= len(cells) <= 32:
        raise ValueError("A grid has 1 to 32 cells")
    return cells


class _Cells(Scripted):
    """The run of a grid without the cells that the model can't run."""

    def plan(self, models: Sequence[ModelSpec]) -> SamplingPlan:
        """Return the plan of the cells that the model can run. Raises ValueError if there are none."""
        (model,) = models
        low, high, _ = step_limits(model)
        self.scripts = [
            script
            for script in self.scripts
            if script.sampler in samplers(model)
            and (script.sampler != "ddpm" or script.variance in variances(model))
            and low <= (script.steps or low) <= high
        ]
        if not self.scripts:
            raise ValueError("No cell of this grid is possible with this model: choose other steps")
        return super().plan(models)


def is_quick(run: Computation) -> bool:
    """Return whether a run takes less than QUICK seconds. This is false if its time is unknown, a model must be
    downloaded, or other visitors compute.
    """
    services = run.services
    models = [model for ref in run.refs if (model := services.models.known(ref))]
    if len(models) < len(run.refs) or (services.public and len(services.turns)):
        return False
    seconds = run.checked_plan(models).left(services.step_times, {})
    return seconds is not None and seconds < QUICK
