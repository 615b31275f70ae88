"""The file with optimised time steps, beside the weights for which they were found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_core.checkpoint.refs import OPTIMISED
from ddpm_core.checkpoint.sidecars.sidecar import Sidecar, weights_entries
from ddpm_core.model import Model, ModelSpec, OptimisedTimes, Source
from ddpm_core.names import OPTIMISED_FOR
from ddpm_core.schedule import NoiseSchedule

if TYPE_CHECKING:  # few_steps.optimised imports diffusers, and is needed only for annotations
    from ddpm_core.few_steps.optimised import OptimisedSteps


def place(model: Model) -> Path:
    """Return the path of the file that `write` writes. Raise the errors of `Sidecar.place`."""
    return _sidecar(model.schedule).place(model.source)


def write(model: Model, found: OptimisedSteps, **about: Any) -> Path:
    """Store optimised steps beside the weights, and return the file's path.

    The times for other numbers of steps stay in the file. Use this for a checkpoint in a folder. A file beside an
    embedded checkpoint, or in the Hub's cache, would be missing on other machines. If two processes write at the same
    time, the results of one are lost. about: further information to store. Raise the errors of `place`, and
    CheckpointError if the file can't be written.
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
    """Return {n: value} for JSON: n as text, each value rounded to three significant digits."""
    return {str(n): float(f"{value:.3g}") for n, value in values.items()}


def _merged(old: OptimisedTimes, new: OptimisedTimes) -> OptimisedTimes:
    """Return the union of old and new optimised times. Where both have a chain of n steps, the new one counts."""
    return {
        sampler: {**old.get(sampler, {}), **new.get(sampler, {})}
        for sampler in OPTIMISED_FOR
        if sampler in old or sampler in new
    }


def content_for_copy(model: ModelSpec, weights: Path | None, rounded: bool) -> dict:
    """Return the content of the file of optimised steps that `save` writes beside a copy of a model's weights.

    It is the content of the file from which the steps were read, or else the model's own steps. weights: the file of
    the copied weights, None if no weights are saved. rounded: whether the copied weights are rounded to float16; this
    does not change the best times. Raise ValueError for a model without optimised steps, and for steps that do not fit
    the model's schedule.
    """
    times, kept = model.optimised, _sidecar(model.schedule)
    if times is None:
        raise ValueError("this model has no optimised steps to keep")
    content = {
        "about": "optimised steps as they were given to the model: how they were found is not known",
        "images": None,
        "times": as_json(times),
    }
    stored = kept.content_for_copy(model.source, lambda found: found == times, weights, rounded)
    return stored or weights_entries(weights, rounded) | kept.checked_content(
        content, lambda found: as_json(found) == content["times"]
    )


def read(source: Source, schedule: NoiseSchedule) -> OptimisedTimes | None:
    """Return the optimised steps of a checkpoint, or None if no file belongs to exactly these weights.

    Raise CheckpointError for a file that has no optimised steps.
    """
    return _sidecar(schedule).read(source)


def as_json(times: OptimisedTimes) -> dict[str, dict[str, str]]:
    """Return optimised times for JSON. A chain's times are one text, because a list would take a line for each time."""
    return {
        sampler: {str(n): " ".join(map(str, chain)) for n, chain in sorted(chains.items())}
        for sampler, chains in times.items()
    }


def _sidecar(schedule: NoiseSchedule) -> Sidecar[OptimisedTimes]:
    """Return the `Sidecar` that reads and writes the optimised steps of models with this schedule."""

    def times(content: dict[str, Any]) -> OptimisedTimes:
        """Return the times in the file's content. Raise an error unless they descend and lie in 1..T."""
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
    """Return the times in a text such as "999 500 1"."""
    return tuple(int(t) for t in text.split(" "))
