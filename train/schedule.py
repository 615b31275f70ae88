"""python -m train schedule: find a checkpoint's optimised time steps, and keep them there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tqdm import tqdm

from ddpm_core.__main__ import Where, open_checkpoint
from train import TrainError
from train.command_line import check_range, numbers, parse


@dataclass
class ScheduleOptions:
    """Find the time steps that serve a checkpoint best, for the spacing "optimised", and keep them beside the weights
    (of an embedded checkpoint, or of the Hub: in the user's cache)."""

    checkpoint: Annotated[str, tyro.conf.Positional]
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    steps: str | None = None
    """numbers of steps, with commas between them; left out: 4,5,6,8,10,15,20"""
    images: int = 16
    """how many images to try the steps on; the work grows with it"""
    points: int = 60
    """times of the teacher, which draws these images as exactly as it can"""
    detail: float = 1.0
    """how much the details of a picture count: 1 for photographs, less for drawings, 0 for digits"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status. Raises TrainError, ValueError or CheckpointError before any work."""
    options = parse(ScheduleOptions, arguments, prog="python -m train schedule")
    check_range(options, {"images": (1, 10**5), "points": (2, 1000), "detail": (0, 2)})
    steps = None if options.steps is None else numbers(options.steps, "steps", int)
    from ddpm_core import optimise_timesteps
    from ddpm_core.checkpoint import optimised_file, refs

    ref = refs.parse(options.checkpoint)
    name = refs.shipped(ref)
    if name and ref.folder and (ref.folder / refs.OPTIMISED).is_file():
        raise TrainError(
            f"{name} comes with its own optimised steps, which stay as they are: copy the checkpoint with "
            f"`python -m ddpm_core export {name} FOLDER` and give that folder."
        )
    model = open_checkpoint(options.checkpoint, options.where)
    optimised_file.place(model)  # raises, before anything is computed, where the result can't be kept
    with tqdm(unit="evaluation", smoothing=0) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = optimise_timesteps(
            model, steps, range(options.images), options.points, progress=progress, detail=options.detail
        )
    engine = getattr(model.network, "description", "")
    print(optimised_file.write(model, found, points=options.points, detail=options.detail, engine=engine))
    return 0
