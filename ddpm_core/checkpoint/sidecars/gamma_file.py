"""The file with Γ_t of the analytic variance, beside the weights for which it was estimated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddpm_core.analytic import Gamma
from ddpm_core.checkpoint.config.fields import is_whole
from ddpm_core.checkpoint.refs import ANALYTIC
from ddpm_core.checkpoint.sidecars.sidecar import Sidecar, weights_entries
from ddpm_core.model import Model, ModelSpec, Source
from ddpm_core.process import gamma_time
from ddpm_core.schedule import NoiseSchedule


def place(model: Model) -> Path:
    """Return the path of the file that `write` writes. Raise the errors of `Sidecar.place`."""
    return _sidecar(model.schedule).place(model.source)


def write(model: Model, estimate: Gamma, **about: str | int) -> Path:
    """Store an estimate beside the weights, or in the user's cache for a checkpoint from the Hub.

    Return the file's path. about: further information to store, such as the name of the data set. Raise the errors of
    `place`, and CheckpointError if the file can't be written.
    """
    content = {
        "about": "Γ_t = E‖ε_θ(x_t, t)‖² / (d (1 − ᾱ_t)), for the variance 'analytic'",
        **about,
        "images": estimate.images,
        "times": estimate.times,
        "gamma": [float(f"{value:.9g}") for value in estimate.gamma],
        "standard_error": [float(f"{value:.3g}") for value in estimate.standard_error],
    }
    return _sidecar(model.schedule).write(model.source, content)


def content_for_copy(model: ModelSpec, weights: Path | None, rounded: bool) -> dict:
    """Return the content of the Γ file that `save` writes beside a copy of a model's weights.

    It is the content of the file from which the model's Γ was read, or else the model's table of Γ. weights: the file
    of the copied weights, None if no weights are saved. rounded: whether the copied weights are rounded to float16.
    This changes ε_θ by about 1e-4, and so Γ by less than can be measured. Raise ValueError for a model without Γ, and
    for a table of Γ that does not fit the model's schedule.
    """
    gamma, kept = model.gamma, _sidecar(model.schedule)
    if gamma is None:
        raise ValueError("this model has no Γ to keep")
    times = torch.arange(1, model.schedule.T + 1)
    used = gamma_time(model.schedule, times)
    content = {
        "about": "Γ_t as it was given to the model: how it was estimated is not known",
        "images": None,
        "times": times.tolist(),
        "gamma": gamma[1:].tolist(),
        "standard_error": [],
    }

    def same(found: Gamma) -> bool:
        """Return whether the table of an estimate equals the model's table of Γ."""
        table = found.table(model.schedule)
        return gamma.shape == table.shape and torch.allclose(table[used], gamma[used], rtol=1e-9, atol=0)

    stored = kept.content_for_copy(
        model.source, lambda found: gamma.equal(found.table(model.schedule)), weights, rounded
    )
    return stored or weights_entries(weights, rounded) | kept.checked_content(content, same)


def read(source: Source, schedule: NoiseSchedule) -> Tensor | None:
    """Return Γ_t for t = 0..T from a checkpoint's file, (T + 1,), or None if no file belongs to exactly these weights.

    Raise CheckpointError for a file without valid values.
    """
    found = read_estimate(source, schedule)
    return None if found is None else found.table(schedule)


def read_estimate(source: Source, schedule: NoiseSchedule) -> Gamma | None:
    """Return the estimate of Γ_t in a checkpoint's file, or None if no file belongs to exactly these weights.

    Raise CheckpointError for a file without valid values.
    """
    return _sidecar(schedule).read(source)


def _sidecar(schedule: NoiseSchedule) -> Sidecar[Gamma]:
    """Return the `Sidecar` that reads and writes the Γ file of models with this schedule."""

    def checked(content: dict[str, Any]) -> Gamma:
        """Return the estimate in the file's content. Raise an error if it has wrong values."""
        times = content["times"]
        if not all(is_whole(t) and 0 < t <= schedule.T for t in times) or times != sorted(set(times)):
            raise ValueError("no times")
        gamma, error = (torch.tensor(content[key], dtype=torch.float64) for key in ("gamma", "standard_error"))
        found = Gamma(tuple(times), gamma, error, content["images"])
        if found.images is not None and not is_whole(found.images):
            raise ValueError("no number of images")
        for numbers in (gamma, error, found.table(schedule)):
            if not bool((numbers.isfinite() & (numbers >= 0)).all()):
                raise ValueError("no numbers")
        return found

    return Sidecar(ANALYTIC, "a table of Γ_t", checked, schedule, in_cache=True)
