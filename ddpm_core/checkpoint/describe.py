"""The description of a model that `python -m ddpm_core info` prints."""

from __future__ import annotations

from ddpm_core.model import Model, Source
from ddpm_core.names import count_of
from ddpm_core.prediction import few
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import ranges


def describe(model: Model) -> dict[str, str]:
    """Return the facts about a model as {title: text}, in the order in which they are shown."""
    source = model.source or Source()
    sides = f"{model.image_size}×{model.image_size}"
    lines = {
        "checkpoint": source.ref,
        "revision": source.revision,
        "weights": source.weights,
        "file": source.file and f"{source.file}, {(source.bytes or 0) / 1e6:.1f} MB",
        "parameters": source.parameters and f"{source.parameters:,}",
        "image": f"{model.picture_size}×{model.picture_size}, {count_of(model.picture_channels, 'channel')}",
        "latents": f"{sides}, {count_of(model.channels, 'channel')}" if model.latent else None,
        "words": "yes, with --prompt" if model.takes_words else None,
        "schedule": _schedule(model.schedule),
        "trained on": _schedule(model.trained_on) if model.trained_on is not model.schedule else None,
        "prediction": model.prediction,
        "variance": f"{model.variance} (as published)",
        "analytic variance": "estimated" if model.gamma is not None else "not estimated",
        "optimised steps": _optimised(model),
        "clip": "x̂_0 to [−1, 1]" if model.clip else "no",
        "classes": _classes(model),
        "student": model.student and str(model.student),
        "engine": getattr(model.network, "description", None),
    }
    return {title: str(line) for title, line in lines.items() if line}


def _schedule(schedule: NoiseSchedule) -> str:
    """Return a schedule's name, T and range of β as text."""
    name, betas = schedule.config.get("_function") or schedule.name, schedule.beta[1:].tolist()
    return f"{name}, T = {schedule.T}, β from {betas[0]:.4g} to {betas[-1]:.4g}"


def _optimised(model: Model) -> str:
    """Return for which samplers and numbers of steps there are optimised steps, such as "ddim for 4 to 6 steps"."""
    by_numbers: dict[str, list[str]] = {}
    for sampler, chains in (model.optimised or {}).items():
        if chains:
            by_numbers.setdefault(ranges(chains), []).append(sampler)
    return "; ".join(f"{', '.join(samplers)} for {numbers} steps" for numbers, samplers in by_numbers.items()) or "none"


def _classes(model: Model) -> str:
    """Return the number of classes and their names as text."""
    if not model.num_classes:
        return "none"
    names = f" ({few(model.class_names)})" if model.class_names else ""
    null = "" if model.null_label is None else ", or no class"
    return f"{model.num_classes}{names}{null}"
