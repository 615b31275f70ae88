"""The controls of a run, and what they offer for a model."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from ui import words
from ui.runs.models import Checkpoints
from ui.runs.pace import PACE
from ui.runs.settings import ANY, DEFAULTS, MAX_COUNT, MAX_GUIDANCE, PAGE, SAMPLERS, SPACINGS, Settings, class_names

_SAMPLERS = [(words.SAMPLER[name], name) for name in SAMPLERS]
PATIENCE = 5.0  # seconds that the default number of images may take at the default number of steps


# The two lessons of the published tables.
LESSONS = (10, 1000)  # steps, with β against β̃


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

    def all(self) -> list[gr.components.Component]:
        """In the order of settings.PAGE."""
        return [getattr(self, name) for name in PAGE]


def checkpoint_dropdown(models: Checkpoints, ref: str) -> gr.Dropdown:
    info = words.CHECKPOINT if models.public else words.CHECKPOINT_LOCAL
    return gr.Dropdown(
        models.choices(), value=ref, label="Model", info=info, allow_custom_value=True, elem_id="checkpoint"
    )


def steps_slider(maximum: int, value: int = Settings.steps) -> gr.Slider:
    return gr.Slider(1, maximum, value, step=1, label="Steps", info=words.STEPS, elem_id="steps")


def variance_radio(choices: list, value: str = Settings.variance) -> gr.Radio:
    return gr.Radio(choices, value=value, label="Variance", info=words.VARIANCE_INFO, elem_id="variance")


def compare_checkbox() -> gr.Checkbox:
    return gr.Checkbox(False, label="Compare two lanes", info=words.COMPARE, elem_id="compare")


def second_lane(maximum: int, variances: list) -> dict[str, gr.components.Component]:
    """The controls that a second lane has of its own, by the names in settings.PAGE."""
    return {
        "steps_b": gr.Slider(1, maximum, DEFAULTS["steps_b"], step=1, label="Steps", elem_id="steps-b"),
        "variance_b": gr.Radio(variances, value=DEFAULTS["variance_b"], label="Variance", elem_id="variance-b"),
        "sampler_b": gr.Radio(_SAMPLERS, value=DEFAULTS["sampler_b"], label="Sampler", elem_id="sampler-b"),
        "eta_b": gr.Slider(0, 1, DEFAULTS["eta_b"], step=0.05, label="η", interactive=False, elem_id="eta-b"),
    }


def lesson(steps: int) -> dict:
    """What the controls say for β against β̃ with so many steps."""
    lane = {"steps": steps, "steps_b": steps, "variance": "beta", "variance_b": "beta_tilde", "compare": True}
    return lane | {name: DEFAULTS[name] for name in ("sampler", "sampler_b", "eta", "eta_b", "spacing", "count")}


def against(steps: int, variance: str, sampler: str, eta: float) -> tuple:
    """A second lane for a first one: the same with the other variance."""
    return steps, "beta_tilde" if variance == "beta" else "beta", sampler, eta


def seed_textbox() -> gr.Textbox:
    return gr.Textbox(str(Settings.seed), label="Seed", info=words.SEED, max_lines=1, elem_id="seed")


def label_dropdown(choices: list, visible: bool, value: str = Settings.label) -> gr.Dropdown:
    return gr.Dropdown(choices, value=value, visible=visible, label="Class", info=words.CLASS, elem_id="label")


def advanced(clip: bool) -> dict[str, gr.components.Component]:
    """The controls under Advanced, by the names of their fields."""
    return {
        "sampler": gr.Radio(
            _SAMPLERS, value=Settings.sampler, label="Sampler", info=words.SAMPLER_INFO, elem_id="sampler"
        ),
        "eta": gr.Slider(
            0, 1, Settings.eta, step=0.05, label="η", info=words.ETA_DDPM, interactive=False, elem_id="eta"
        ),
        "spacing": gr.Dropdown(
            list(SPACINGS), value=Settings.spacing, label="Spacing", info=words.SPACING, elem_id="spacing"
        ),
        "count": gr.Slider(1, MAX_COUNT, Settings.count, step=1, label="Images", info=words.COUNT, elem_id="count"),
        "clip": gr.Checkbox(clip, label="Clip x̂₀ to [−1, 1]", info=words.CLIP, elem_id="clip"),
        "guidance": gr.Slider(
            0,
            MAX_GUIDANCE,
            Settings.guidance,
            step=0.1,
            label="Guidance w",
            info=words.GUIDANCE_ANY,
            interactive=False,
            elem_id="guidance",
        ),
    }


def for_model(model, **now) -> dict[str, dict]:
    """What changes of the controls for a model, by their names; None is one that is not known yet.

    now: the values of steps, variance, label, steps_b and variance_b, by default those the page starts with. One that
    can stay is left alone, since its user may be about to change it.
    """
    T = model.schedule.T if model else 1000
    variances = _variances(model)
    names = class_names(model) if model else []
    labels = names if names and model.null_label is None else [ANY, *names]
    fitted = {"label": {"choices": labels, "visible": bool(names)}}
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


def _variances(model) -> list[tuple[str, str]]:
    own = model.variance if model else None
    kinds = ["beta", "beta_tilde"]
    kinds += ["analytic"] if model and model.gamma is not None else []
    kinds += [own] if own and own.startswith("learned") else []
    return [(words.VARIANCE[kind] + (" · as published" if kind == own else ""), kind) for kind in kinds]


def for_sampler(sampler: str) -> tuple[dict, dict]:
    """Variance and η: each belongs to one sampler."""
    ddim = sampler == "ddim"
    return (
        gr.update(interactive=not ddim, info=words.VARIANCE_DDIM if ddim else words.VARIANCE_INFO),
        gr.update(interactive=ddim, info=words.ETA if ddim else words.ETA_DDPM),
    )


def for_label(label: str) -> dict:
    free = label not in (ANY, None)
    return gr.update(interactive=free, info=words.GUIDANCE if free else words.GUIDANCE_ANY)


def default_count(ref: str) -> int:
    """4 images where those take less than PATIENCE, else 1: also for a model whose pace nobody has measured yet."""
    seconds = PACE.of(ref, Settings.count)
    return Settings.count if seconds and seconds * Settings.steps < PATIENCE else 1
