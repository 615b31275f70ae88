"""The file that keeps optimised time steps beside the weights that they were found for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_core.checkpoint.refs import OPTIMISED
from ddpm_core.checkpoint.sidecars.sidecar import Sidecar, copied
from ddpm_core.model import Model, ModelSpec, OptimisedTimes, Source
from ddpm_core.names import OPTIMISED_FOR
from ddpm_core.schedule import NoiseSchedule

if TYPE_CHECKING:  # it needs diffusers, and a checkpoint is described without
    from ddpm_core.few_steps.optimised import OptimisedSteps


def place(model: Model) -> Path:
    """The file that `write` writes, beside the weights. Raises what sidecar.Sidecar.place does."""
    return _sidecar(model.schedule).place(model.source)


def write(model: Model, found: OptimisedSteps, **about: Any) -> Path:
    """Keep optimised steps beside the weights, and those of other numbers of steps that are there by now.

    For a model of a folder: what is written beside an embedded checkpoint, or in the Hub's cache, would not be there on
    another machine. Two writers at once would lose what one of them found. about: anything worth keeping with the
    steps. Returns the file's path. Raises what `place` does, and CheckpointError when the disk refuses.
    """
    kept = _sidecar(model.schedule)
    there = None if model.source is None else kept.read(model.source)
    content = {
        "about": "the times t of each sampler's steps, for the spacing 'optimised'; the rest is of the latest search: "
        "errors are the mean distance (RMS over a sharpened image) of their x_0 from that of a fine teacher, distances "
        "that of their pictures' features from those of data: kid (× 1000) or fid, whichever metric says",
        **about,
        "images": found.images,
        "errors": {sampler: rounded_to_3(errors) for sampler, errors in found.errors.items()},
        "times": as_json(_merged(there or {}, found.times)),
    }
    return kept.write(model.source, content)


def rounded_to_3(values: Mapping[int, float]) -> dict[str, float]:
    """Values by numbers of steps, to three digits, as JSON has them."""
    return {str(n): float(f"{value:.3g}") for n, value in values.items()}


def _merged(old: OptimisedTimes, new: OptimisedTimes) -> OptimisedTimes:
    """The new times, and the old ones of other numbers of steps."""
    return {
        sampler: {**old.get(sampler, {}), **new.get(sampler, {})}
        for sampler in OPTIMISED_FOR
        if sampler in old or sampler in new
    }


def beside(model: ModelSpec, weights: Path | None, rounded: bool) -> dict:
    """The content of the file that belongs beside a copy of the weights of a model that has optimised steps.

    weights: the copy's file, None without one. rounded: to float16, which moves no step. Raises ValueError for a model
    without them, or with some that are none of its schedule.
    """
    times, kept = model.optimised, _sidecar(model.schedule)
    if times is None:
        raise ValueError("this model has no optimised steps to keep")
    content = {
        "about": "optimised steps as they were given to the model: how they were found is not known",
        "images": None,
        "times": as_json(times),
    }
    return kept.beside(model.source, lambda found: found == times, weights, rounded) or (
        copied(weights, rounded) | kept.given(content, lambda found: as_json(found) == content["times"])
    )


def read(source: Source, schedule: NoiseSchedule) -> OptimisedTimes | None:
    """The optimised steps kept with a checkpoint, or None where there are none for these very weights.

    Raises CheckpointError for a file that holds something else.
    """
    return _sidecar(schedule).read(source)


def as_json(times: OptimisedTimes) -> dict[str, dict[str, str]]:
    """The times of a chain as one text: as a list they would take a line each."""
    return {
        sampler: {str(n): " ".join(map(str, chain)) for n, chain in sorted(chains.items())}
        for sampler, chains in times.items()
    }


def _sidecar(schedule: NoiseSchedule) -> Sidecar[OptimisedTimes]:
    def times(content: dict[str, Any]) -> OptimisedTimes:
        found: OptimisedTimes = {
            name: {int(n): _chain(text) for n, text in chains.items()}
            for name, chains in content["times"].items()
            if name in OPTIMISED_FOR
        }
        for n, chain in (item for chains in found.values() for item in chains.items()):
            descending = list(chain) == sorted(set(chain), reverse=True)
            if len(chain) != n or n < 1 or not descending or not 1 <= chain[-1] <= chain[0] <= schedule.T:
                raise ValueError("no chain")
        return found

    return Sidecar(OPTIMISED, "a list of optimised steps", times, schedule, in_cache=False)


def _chain(text: str) -> tuple[int, ...]:
    return tuple(int(t) for t in text.split(" "))
