"""python -m train schedule: find a checkpoint's optimised time steps, and write them to its folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tqdm import tqdm

from ddpm_core.commands.chain import Where, open_checkpoint
from ddpm_core.commands.reading import Unset, read
from ddpm_core.names import OPTIMISED_FOR, Sampler
from train import TrainError
from train.common.command_line import check_range, names, numbers
from train.common.lock import locked

if TYPE_CHECKING:
    from ddpm_core import Model
    from ddpm_core.few_steps.optimised import OptimisedSteps, Times
    from train.evaluate.features import Extractor, Reference

WRITING = 60.0  # seconds that this search waits while another search writes its result


@dataclass
class ScheduleOptions:
    """Find the time steps that serve a checkpoint best, for the spacing "optimised", and keep them beside the weights.
    Several searches may go on for one checkpoint: each adds its numbers of steps."""

    checkpoint: Annotated[str, tyro.conf.Positional]
    """folder of the checkpoint; if it is not a folder, make a copy with `python -m ddpm_core export`"""
    steps: Unset[str] = None
    """numbers of steps, with commas between them; default: 4,5,6,8,10,15,20"""
    images: int = 16
    """the number of images for trying the steps; the work grows with it"""
    points: int = 60
    """number of times of the teacher, which draws these images as exactly as it can"""
    detail: float = 1.0
    """how much the details of a picture count: 1 for photographs, less for drawings, 0 for digits"""
    samplers: Annotated[str, tyro.conf.arg(help=f"any of {', '.join(OPTIMISED_FOR)}")] = ",".join(OPTIMISED_FOR)
    data: Unset[str] = None
    """the data on which the checkpoint was trained: a folder of images, parquet, a Hub data set, cifar10 or mnist; with
    it, the times are refined to reduce a distance between features of pictures and data"""
    metric: Literal["kid", "fid"] = "kid"
    """this distance; fid needs more samples than there are features"""
    samples: int = 500
    """the number of pictures that every trial draws for this"""
    extractor: str = "inception-v3-compat"
    """feature extractor for this, as for `evaluate`"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)


def main(arguments: list[str]) -> int:
    """Run the command and return the exit status. Raises TrainError, ValueError or CheckpointError before any work."""
    options = read(ScheduleOptions, arguments, "python -m train schedule")
    check_range(options, {"images": (1, 10**5), "points": (2, 1000), "detail": (0, 2), "samples": (2, 10**6)})
    steps = None if options.steps is None else numbers(options.steps, "steps", int)
    samplers = names(options.samplers, "samplers", OPTIMISED_FOR)
    from ddpm_core.checkpoint import refs, spec
    from ddpm_core.checkpoint.hub import snapshots
    from ddpm_core.checkpoint.sidecars import optimised_file

    ref = refs.parse(options.checkpoint)
    name = refs.shipped(ref) or (str(ref) if ref.kind == "hub" else None)
    if name or ref.folder is None:
        raise TrainError(
            f"{name} is an embedded checkpoint, which can't be changed: copy it with "
            f"`python -m ddpm_core export {name} FOLDER` and give that folder."
        )
    here = snapshots.here(ref)
    if here and spec.check(here).spec.student:
        raise TrainError(f"{ref} is a student, which takes only the steps that it has learned.")
    model = open_checkpoint(options.checkpoint, options.where)
    optimised_file.place(model)  # raises, before any work, if the result can't be written
    judged = _extractor_and_data(options, model) if options.data else None
    found = _search(model, steps, samplers, options)
    about: dict[str, Any] = {"points": options.points, "detail": options.detail}
    if judged:
        found, distances = _refine(model, found, *judged, options)
        about |= {"extractor": options.extractor, "metric": options.metric, "samples": options.samples}
        about["distances"] = distances
    engine = getattr(model.network, "description", "")
    with locked(ref.folder, patience=WRITING):
        print(optimised_file.write(model, found, **about, engine=engine))
    return 0


def _extractor_and_data(options: ScheduleOptions, model: Model) -> tuple[Extractor, Reference]:
    """Return the feature extractor, and the features of the data. Raises TrainError if one of them is not available."""
    import torch

    from ddpm_core.prediction import network_device
    from train.data.sample import sample_for
    from train.evaluate.features import KID_REFERENCES, open_extractor, reference

    extractor = open_extractor(
        options.extractor, [options.metric], network_device(model.network) or torch.device("cpu")
    )
    data = sample_for(model, options.data or "", "train", KID_REFERENCES)
    if len(data) < 2:
        raise TrainError(f"The refinement needs at least 2 images of data, and the {data.description} has 1.")
    return extractor, reference(extractor, data)


def _search(model: Model, steps: list[int] | None, samplers: list[Sampler], options: ScheduleOptions) -> OptimisedSteps:
    """Return the time steps that come nearest to an exact chain, by `optimise_timesteps`, with a progress bar."""
    from ddpm_core import optimise_timesteps

    with tqdm(unit="evaluation", smoothing=0) as bar:

        def progress(done: int, total: int) -> None:
            """Show the number of evaluations done, of `total`, in the bar."""
            bar.total = total
            bar.update(done - bar.n)

        return optimise_timesteps(
            model,
            steps,
            range(options.images),
            options.points,
            progress=progress,
            detail=options.detail,
            samplers=samplers,
        )


def _refine(
    model: Model, found: OptimisedSteps, extractor: Extractor, data: Reference, options: ScheduleOptions
) -> tuple[OptimisedSteps, dict[Sampler, dict[str, float]]]:
    """Return the time steps after `refine`, and their distances by sampler and number of steps."""
    from ddpm_core.checkpoint.sidecars.optimised_file import rounded_to_3
    from ddpm_core.few_steps.optimised import named_chains
    from train.tuning.refine import Judge, most_chains, refine

    schedule = model.schedule
    starts: dict[tuple[Sampler, int], list[Times]] = {
        (sampler, n): [chain, *named_chains(schedule, n)]
        for sampler, chains in found.times.items()
        for n, chain in chains.items()
    }
    most = {key: most_chains(key[1], len(chains)) * key[1] * options.samples for key, chains in starts.items()}
    times: dict[Sampler, dict[int, Times]] = {sampler: {} for sampler in found.times}
    distances: dict[Sampler, dict[int, float]] = {sampler: {} for sampler in found.times}
    with tqdm(total=sum(most.values()), unit="evaluation", unit_scale=True, smoothing=0) as bar:
        judge, before = Judge(model, extractor, data, options.metric, options.samples, bar.update), 0
        for (sampler, n), chains in starts.items():
            bar.set_description(f"{sampler}, {n} steps")
            times[sampler][n], distances[sampler][n] = refine(judge, schedule, sampler, chains)
            before += most[sampler, n]
            bar.update(before - bar.n)
    refined = replace(found, times=times, errors={})  # the errors of `found` belong to the times before the refinement
    return refined, {sampler: rounded_to_3(values) for sampler, values in distances.items()}
