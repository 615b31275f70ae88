"""The controls of a run, and what they offer for a model."""

from __future__ import annotations

from dataclasses import dataclass, fields

import gradio as gr

from ui import words
from ui.checkpoints import Checkpoints
from ui.jobs import PACE
from ui.settings import ANY, MAX_COUNT, MAX_GUIDANCE, SAMPLERS, SPACINGS, Settings, class_names

PATIENCE = 5.0  # seconds that the default number of images may take at the default number of steps


@dataclass(frozen=True)
class Controls:
    """A component for each field of Settings."""

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

    def all(self) -> list[gr.components.Component]:
        """In the order of Settings' fields."""
        return [getattr(self, field.name) for field in fields(Settings)]


def checkpoint_dropdown(models: Checkpoints, ref: str) -> gr.Dropdown:
    info = words.CHECKPOINT if models.public else words.CHECKPOINT_LOCAL
    return gr.Dropdown(
        models.choices(), value=ref, label="Model", info=info, allow_custom_value=True, elem_id="checkpoint"
    )


def steps_slider(maximum: int, value: int = Settings.steps) -> gr.Slider:
    return gr.Slider(1, maximum, value, step=1, label="Steps", info=words.STEPS, elem_id="steps")


def variance_radio(choices: list, value: str = Settings.variance) -> gr.Radio:
    return gr.Radio(choices, value=value, label="Variance", info=words.VARIANCE_INFO, elem_id="variance")


def seed_textbox() -> gr.Textbox:
    return gr.Textbox(str(Settings.seed), label="Seed", info=words.SEED, max_lines=1, elem_id="seed")


def label_dropdown(choices: list, visible: bool, value: str = Settings.label) -> gr.Dropdown:
    return gr.Dropdown(choices, value=value, visible=visible, label="Class", info=words.CLASS, elem_id="label")


def advanced() -> dict[str, gr.components.Component]:
    """The controls under Advanced, by the names of their fields."""
    samplers = [(words.SAMPLER[name], name) for name in SAMPLERS]
    return {
        "sampler": gr.Radio(
            samplers, value=Settings.sampler, label="Sampler", info=words.SAMPLER_INFO, elem_id="sampler"
        ),
        "eta": gr.Slider(
            0, 1, Settings.eta, step=0.05, label="η", info=words.ETA_DDPM, interactive=False, elem_id="eta"
        ),
        "spacing": gr.Dropdown(
            list(SPACINGS), value=Settings.spacing, label="Spacing", info=words.SPACING, elem_id="spacing"
        ),
        "count": gr.Slider(1, MAX_COUNT, Settings.count, step=1, label="Images", info=words.COUNT, elem_id="count"),
        "clip": gr.Checkbox(Settings.clip, label="Clip x̂₀ to [−1, 1]", info=words.CLIP, elem_id="clip"),
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


def for_model(model, steps=Settings.steps, variance=Settings.variance, label=Settings.label) -> tuple[dict, dict, dict]:
    """What changes of steps, variance and class for a model; None is one that is not known yet.

    The arguments are the values now: one that can stay is left alone, since its user may be about to change it.
    """
    T = model.schedule.T if model else 1000
    variances = _variances(model.variance if model else None)
    names = class_names(model) if model else []
    labels = names if names and model.null_label is None else [ANY, *names]
    for_steps = {"maximum": T}
    if isinstance(steps, (int, float)) and steps > T:
        for_steps["value"] = T
    for_variance = {"choices": variances}
    if variance not in [kind for _, kind in variances]:
        for_variance["value"] = Settings.variance
    for_label = {"choices": labels, "visible": bool(names)}
    if label not in labels:
        for_label["value"] = labels[0]
    return for_steps, for_variance, for_label


def _variances(own: str | None) -> list[tuple[str, str]]:
    kinds = ["beta", "beta_tilde", *([own] if own and own.startswith("learned") else [])]
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
