"""The controls of a run, and what they offer for a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ddpm_core.model import ModelSpec
from ddpm_core.names import SPACINGS, VARIANCES
from ui.runs import formats
from ui.runs.models import Models
from ui.runs.pace import PACE
from ui.runs.parameters import ANY, Number, Whole
from ui.runs.settings import DEFAULTS, PAGE, SAMPLERS, Settings, class_names, limits_of
from ui.tabs.denoise import texts

PATIENCE = 5.0  # seconds that the default number of images may take with the default number of steps
COMPARISONS = (10, 1000)  # steps of the two ready-made comparisons of β and β̃

FITTED = ("steps", "variance", "label", "steps_b", "variance_b")  # what `for_model` changes

_SAMPLERS = [(formats.SAMPLER[name], name) for name in SAMPLERS]


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
    steps_b: gr.Slider
    variance_b: gr.Radio
    sampler_b: gr.Radio
    eta_b: gr.Slider

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


def steps_slider(name: str = "steps", **fitted: Any) -> gr.Slider:
    info = texts.STEPS if name == "steps" else None
    return _slider(name, "Steps", info=info, **fitted)


def variance_radio(name: str = "variance", **fitted: Any) -> gr.Radio:
    options: dict[str, Any] = {"value": DEFAULTS[name], "info": texts.VARIANCE if name == "variance" else None}
    return gr.Radio(**options | fitted, label="Variance", elem_id=_id(name))


def sampler_radio(name: str = "sampler") -> gr.Radio:
    info = texts.SAMPLER if name == "sampler" else None
    return gr.Radio(_SAMPLERS, value=DEFAULTS[name], label="Sampler", info=info, elem_id=_id(name))


def eta_slider(name: str = "eta") -> gr.Slider:
    info = texts.ETA_DDPM if name == "eta" else None
    return _slider(name, "η", info=info, interactive=False)


def seed_textbox() -> gr.Textbox:
    return gr.Textbox(str(Settings.seed), label="Seed", info=texts.SEED, max_lines=1, elem_id="seed")


def label_dropdown(**fitted: Any) -> gr.Dropdown:
    options: dict[str, Any] = {"value": Settings.label} | fitted
    return gr.Dropdown(**options, label="Class", info=texts.CLASS, elem_id="label")


def compare_checkbox() -> gr.Checkbox:
    return gr.Checkbox(DEFAULTS["compare"], label="Compare two lanes", info=texts.COMPARE, elem_id="compare")


def second_lane(fitted: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The controls of lane B, by their names."""
    return {
        "steps_b": steps_slider("steps_b", **fitted["steps_b"]),
        "variance_b": variance_radio("variance_b", **fitted["variance_b"]),
        "sampler_b": sampler_radio("sampler_b"),
        "eta_b": eta_slider("eta_b"),
    }


def advanced(clip: bool) -> dict[str, Any]:
    """The controls under Advanced, by their names."""
    return {
        "sampler": sampler_radio(),
        "eta": eta_slider(),
        "spacing": gr.Dropdown(
            list(SPACINGS), value=Settings.spacing, label="Spacing", info=texts.SPACING, elem_id="spacing"
        ),
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


def comparison(steps: int) -> dict[str, Any]:
    """The values of the controls that compare β with β̃ at so many steps."""
    lanes = {"steps": steps, "steps_b": steps, "variance": "beta", "variance_b": "beta_tilde", "compare": True}
    return lanes | {name: DEFAULTS[name] for name in ("sampler", "sampler_b", "eta", "eta_b", "spacing", "count")}


def opposite_lane(lane: dict[str, Any]) -> dict[str, Any]:
    """Lane B for a lane A: the same with the other variance. Both by the names of settings.LANE."""
    return lane | {"variance": "beta_tilde" if lane["variance"] == "beta" else "beta"}


def for_model(model: ModelSpec | None, **now: Any) -> dict[str, dict[str, Any]]:
    """What changes in the controls of FITTED for a model, by their names. None: the model is not known yet.

    now: their values, by default those of a new page. A value that is possible with the model is left alone, as its
    user may be changing it.
    """
    T = model.schedule.T if model else 1000
    variances = _variances(model)
    names = class_names(model) if model else []
    labels = names if model and names and model.null_label is None else [ANY, *names]
    fitted: dict[str, dict[str, Any]] = {"label": {"choices": labels, "visible": bool(names)}}
    if now.get("label", ANY) not in labels:
        fitted["label"]["value"] = labels[0]
    for name in ("steps", "steps_b"):
        fitted[name] = {"maximum": T}
        value = now.get(name)
        if isinstance(value, (int, float)) and value > T:
            fitted[name]["value"] = T
    for name in ("variance", "variance_b"):
        fitted[name] = {"choices": variances}
        if now.get(name, Settings.variance) not in [kind for _, kind in variances]:
            fitted[name]["value"] = Settings.variance
    return fitted


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


def for_sampler(sampler: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variance and η for a sampler: DDPM takes the first, DDIM the second."""
    ddim = sampler == "ddim"
    return (
        gr.update(interactive=not ddim, info=texts.VARIANCE_DDIM if ddim else texts.VARIANCE),
        gr.update(interactive=ddim, info=texts.ETA if ddim else texts.ETA_DDPM),
    )


def for_label(label: str | None) -> dict[str, Any]:
    """Guidance for a class: it is possible with one only."""
    chosen = label not in (ANY, None)
    return gr.update(interactive=chosen, info=texts.GUIDANCE if chosen else texts.GUIDANCE_ANY)


def default_count(ref: str) -> int:
    """4 images where they take less than PATIENCE seconds, else 1, and 1 for a model whose steps were never timed."""
    seconds = PACE.of(ref, Settings.count)
    return Settings.count if seconds and seconds * Settings.steps < PATIENCE else 1
