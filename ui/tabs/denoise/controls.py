"""The controls of a run, and what they offer for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ddpm_core.checkpoint.refs import embedded
from ddpm_core.model import ModelSpec
from ddpm_core.names import SAMPLERS, VARIANCES
from ui.runs import formats
from ui.runs.models import Models
from ui.runs.pace import PACE
from ui.runs.parameters import ANY, Choice, Number, Whole
from ui.runs.settings import DEFAULTS, LANE, PAGE, SAME, Settings, class_names, limits_of
from ui.tabs.denoise import texts

PATIENCE = 5.0  # seconds that the default number of images may take with the default number of steps
FITTED = ("sampler", "steps", "variance", "label", "sampler_b", "steps_b", "variance_b")  # what `for_models` changes

_AS_A = ("As in lane A", SAME)


@dataclass(frozen=True)
class Controls:
    """A component for each of settings.PAGE."""

    checkpoint: gr.Dropdown
    sampler: gr.Radio
    steps: gr.Slider
    spacing: gr.Dropdown
    variance: gr.Radio
    eta: gr.Slider
    clip: gr.Checkbox
    seed: gr.Textbox
    count: gr.Slider
    label: gr.Dropdown
    guidance: gr.Slider
    compare: gr.Checkbox
    checkpoint_b: gr.Dropdown
    steps_b: gr.Slider
    variance_b: gr.Radio
    sampler_b: gr.Radio
    eta_b: gr.Slider
    spacing_b: gr.Dropdown

    def all(self) -> list[Any]:
        """In the order of settings.PAGE."""
        return self.named(*PAGE)

    def named(self, *names: str) -> list[Any]:
        return [getattr(self, name) for name in names]


def checkpoint_dropdown(models: Models, ref: str) -> gr.Dropdown:
    info = texts.CHECKPOINT if models.takes_any else texts.CHECKPOINT_LISTED
    info = info if models.public else texts.CHECKPOINT_LOCAL
    return gr.Dropdown(
        models.choices(), value=ref, label="Model", info=info, allow_custom_value=True, elem_id="checkpoint"
    )


def checkpoint_b_dropdown(models: Models) -> gr.Dropdown:
    return gr.Dropdown(
        choices_b(models),
        value=DEFAULTS["checkpoint_b"],
        label="Model",
        info=texts.CHECKPOINT_B,
        allow_custom_value=True,
        elem_id="checkpoint-b",
    )


def choices_b(models: Models) -> list[tuple[str, str]]:
    """What lane B's model is chosen from."""
    return [_AS_A, *models.choices()]


def steps_slider(name: str = "steps", **fitted: Any) -> gr.Slider:
    info = texts.STEPS if name == "steps" else None
    return _slider(name, "Steps", info=info, **fitted)


def variance_radio(name: str = "variance", **fitted: Any) -> gr.Radio:
    options: dict[str, Any] = {"value": DEFAULTS[name], "info": texts.VARIANCE if name == "variance" else None}
    return gr.Radio(**options | fitted, label="Variance", elem_id=_id(name))


def sampler_radio(name: str = "sampler") -> gr.Radio:
    info = texts.SAMPLER[DEFAULTS[name]]
    return gr.Radio(_titled(SAMPLERS), value=DEFAULTS[name], label="Sampler", info=info, elem_id=_id(name))


def eta_slider(name: str = "eta") -> gr.Slider:
    return _slider(name, "η", info=texts.ETA_OTHERS, interactive=False)


def spacing_dropdown(name: str = "spacing") -> gr.Dropdown:
    limits = limits_of(name)
    assert isinstance(limits, Choice)
    names: Any = [_AS_A if value == SAME else value for value in limits.names]
    return gr.Dropdown(names, value=DEFAULTS[name], label="Spacing", info=texts.SPACING, elem_id=_id(name))


def seed_textbox() -> gr.Textbox:
    return gr.Textbox(str(Settings.seed), label="Seed", info=texts.SEED, max_lines=1, elem_id="seed")


def label_dropdown(**fitted: Any) -> gr.Dropdown:
    options: dict[str, Any] = {"value": Settings.label} | fitted
    return gr.Dropdown(**options, label="Class", info=texts.CLASS, elem_id="label")


def compare_checkbox() -> gr.Checkbox:
    return gr.Checkbox(DEFAULTS["compare"], label="Compare two lanes", info=texts.COMPARE, elem_id="compare")


def second_lane(models: Models, fitted: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The controls of lane B, by their names."""
    return {
        "checkpoint_b": checkpoint_b_dropdown(models),
        "steps_b": steps_slider("steps_b", **fitted["steps_b"]),
        "variance_b": variance_radio("variance_b", **fitted["variance_b"]),
        "sampler_b": sampler_radio("sampler_b"),
        "eta_b": eta_slider("eta_b"),
        "spacing_b": spacing_dropdown("spacing_b"),
    }


def advanced(clip: bool) -> dict[str, Any]:
    """The controls under Advanced, by their names."""
    return {
        "sampler": sampler_radio(),
        "eta": eta_slider(),
        "spacing": spacing_dropdown(),
        "count": _slider("count", "Images", info=texts.COUNT),
        "clip": gr.Checkbox(clip, label="Clip x̂₀ to [−1, 1]", info=texts.CLIP, elem_id="clip"),
        "guidance": _slider("guidance", "Guidance w", info=texts.GUIDANCE_ANY, interactive=False),
    }


def _slider(name: str, label: str, **options: Any) -> gr.Slider:
    limits = limits_of(name)
    assert isinstance(limits, Whole | Number)
    ends: dict[str, Any] = {"minimum": limits.low, "maximum": limits.high, "value": DEFAULTS[name], "step": limits.step}
    return gr.Slider(**ends | options, label=label, elem_id=_id(name))


def _id(name: str) -> str:
    return name.replace("_", "-")


def comparison(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """The values of the controls for two lanes. a, b: what is given to each, by the names of settings.LANE.

    The model, the seed and the like stay as they are; other parameters get their defaults, and B's are those of A.
    """
    reset = ("count", *(name for name in LANE if name != "checkpoint"))
    first = {name: DEFAULTS[name] for name in reset} | a
    second = {name: SAME if DEFAULTS[f"{name}_b"] == SAME else first[name] for name in LANE} | b
    return first | {f"{name}_b": value for name, value in second.items()} | {"compare": True}


def of_variances(steps: int) -> dict[str, Any]:
    """β against β̃ in so many steps."""
    return comparison({"steps": steps, "variance": "beta"}, {"variance": "beta_tilde"})


# One spacing for both, so that they differ in nothing but the solver: the one that suits few steps.
OF_SOLVERS = comparison({"steps": 10, "sampler": "ddim", "spacing": "quadratic"}, {"sampler": "unipc"})

COMPARISONS: dict[str, dict[str, Any]] = {
    "10 steps: βₜ against β̃ₜ": of_variances(10),
    "1000 steps: βₜ against β̃ₜ": of_variances(1000),
    "10 steps: DDIM against UniPC": OF_SOLVERS,
}
_OTHER_SAMPLER = {"ddim": "unipc", "dpm++": "ddim", "unipc": "ddim", "consistency": "ddim"}


def opposite_lane(lane: dict[str, Any]) -> dict[str, Any]:
    """Lane B for a lane A: the same with the other variance, or another sampler where that adds none of its own.

    Both by the names of settings.LANE.
    """
    same = {name: SAME for name in LANE if DEFAULTS[f"{name}_b"] == SAME}
    if lane["sampler"] in _OTHER_SAMPLER:
        return lane | same | {"sampler": _OTHER_SAMPLER[lane["sampler"]]}
    return lane | same | {"variance": "beta_tilde" if lane["variance"] == "beta" else "beta"}


def for_models(model: ModelSpec | None, model_b: ModelSpec | None, **now: Any) -> dict[str, dict[str, Any]]:
    """What changes in the controls of FITTED for the models of both lanes, by their names. None: not known yet.

    now: their values, by default those of a new page. A value that is possible with the model is left alone, as its
    user may be changing it.
    """
    names = class_names(model) if model else []
    labels = names if model and names and model.null_label is None else [ANY, *names]
    fitted: dict[str, dict[str, Any]] = {"label": {"choices": labels, "visible": bool(names)}}
    if now.get("label", ANY) not in labels:
        fitted["label"]["value"] = labels[0]
    for mark, own in (("", model), ("_b", model_b)):
        variances, variance = _variances(own), now.get(f"variance{mark}", Settings.variance)
        steps, (low, high, usual) = now.get(f"steps{mark}"), step_limits(own)
        fitted[f"steps{mark}"] = {"maximum": high}
        if isinstance(steps, (int, float)) and not low <= steps <= high:
            fitted[f"steps{mark}"]["value"] = usual
        samplers = [own.student.sampler] if own and own.student else SAMPLERS
        fitted[f"sampler{mark}"] = {"choices": _titled(samplers)}
        if now.get(f"sampler{mark}", Settings.sampler) not in samplers:
            fitted[f"sampler{mark}"]["value"] = samplers[0]
        fitted[f"variance{mark}"] = {"choices": variances}
        if variance not in [kind for _, kind in variances]:
            fitted[f"variance{mark}"]["value"] = Settings.variance
    return fitted


def step_limits(model: ModelSpec | None) -> tuple[int, int, int]:
    """The least and the most steps of a run, and how many to set where there are more or fewer now."""
    T = model.schedule.T if model else 1000
    if model is None or model.student is None:
        return 1, T, T
    student = model.student
    return student.steps if student.method == "progressive" else 1, len(student.times), student.steps


def _titled(samplers: Sequence[str]) -> list[tuple[str, str]]:
    return [(formats.SAMPLER[name], name) for name in samplers]


def _variances(model: ModelSpec | None) -> list[tuple[str, str]]:
    """(label, name) of the variances that a model has."""
    own = model.variance if model else None
    has = {
        "beta": True,
        "beta_tilde": True,
        "analytic": model is not None and model.gamma is not None,
        "learned": own == "learned",
        "learned_range": own == "learned_range",
    }
    mark = {own: " · as published"}
    return [(formats.VARIANCE[kind] + mark.get(kind, ""), kind) for kind in VARIANCES if has[kind]]


def for_sampler(sampler: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The sampler's own words, and variance and η for it: DDPM takes the first, DDIM the second."""
    return (
        gr.update(info=texts.SAMPLER.get(sampler)),
        gr.update(interactive=sampler == "ddpm", info=texts.NO_VARIANCE.get(sampler, texts.VARIANCE)),
        gr.update(interactive=sampler == "ddim", info=texts.ETA if sampler == "ddim" else texts.ETA_OTHERS),
    )


def for_label(label: str | None) -> dict[str, Any]:
    """Guidance for a class: it is possible with one only."""
    chosen = label not in (ANY, None)
    return gr.update(interactive=chosen, info=texts.GUIDANCE if chosen else texts.GUIDANCE_ANY)


def default_count(ref: str) -> int:
    """4 images where they take less than PATIENCE seconds, else 1. A model whose steps were never timed gets 1, unless
    it comes with the project: those are small enough for any machine.
    """
    seconds = PACE.of(ref, Settings.count)
    if seconds is None:
        return Settings.count if ref in embedded() else 1
    return Settings.count if seconds * Settings.steps < PATIENCE else 1
