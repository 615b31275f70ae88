"""python -m train gamma: estimate Γ_t of a checkpoint, which the variance "analytic" needs, and keep it beside the
weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tqdm import tqdm

from ddpm_core.commands.chain import Where, open_checkpoint
from ddpm_core.commands.reading import read
from train import TrainError
from train.common.command_line import check_range


@dataclass
class GammaOptions:
    """Estimate Γ_t, which the analytic variance needs, and keep it beside the weights (Hub: in the user's cache)."""

    checkpoint: Annotated[str, tyro.conf.Positional]
    """local folder, or Hub id (owner/name, owner/name@revision)"""
    data: str
    """the data on which it was trained: a folder of images, parquet, a Hub data set, cifar10 or mnist"""
    split: str = "train"
    """the split of a data set that has several"""
    images: int = 128
    """the number of images, at least 2; the standard error falls with its square root"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)


def main(arguments: list[str]) -> int:
    """Run the command and return the exit status. Raises TrainError, ValueError or CheckpointError before any work."""
    options = read(GammaOptions, arguments, "python -m train gamma")
    check_range(options, {"images": (2, 10**7)})
    from ddpm_core import analytic
    from ddpm_core.checkpoint import refs, spec
    from ddpm_core.checkpoint.hub import snapshots
    from ddpm_core.checkpoint.sidecars import gamma_file
    from train.data.sample import sample_for

    ref = refs.parse(options.checkpoint)
    name = refs.shipped(ref)
    if name and ref.folder and (ref.folder / refs.ANALYTIC).is_file():  # an embedded model's Γ_t come from more images
        raise TrainError(
            f"{name} comes with its own table of Γ_t, which stays as it is: copy the checkpoint with "
            f"`python -m ddpm_core export {name} FOLDER` and give that folder."
        )
    here = snapshots.here(ref)
    if here and spec.check(here).spec.student:  # a checkpoint that is not downloaded yet is checked later
        raise TrainError(f"{ref} is a student, which has learned few times: the table of Γ_t needs all of them.")
    model = open_checkpoint(options.checkpoint, options.where)
    gamma_file.place(model)  # raises, before any work, if the result can't be written
    sample = sample_for(model, options.data, options.split, options.images)
    # A model with a null label is measured without labels. A model that always needs a class gets the labels of the
    # images.
    labels = (
        sample.labels(model.class_names or model.num_classes).tolist()
        if model.num_classes and model.null_label is None
        else None
    )
    images = sample.pixels()
    with tqdm(unit="evaluation", smoothing=0) as bar:

        def progress(done: int, total: int) -> None:
            """Show the number of evaluations done, of `total`, in the bar."""
            bar.total = total
            bar.update(done - bar.n)

        estimate = analytic.estimate_gamma(model, images, labels=labels, progress=progress)
    engine = getattr(model.network, "description", "")
    print(gamma_file.write(model, estimate, data=sample.description, engine=engine))
    # The printed error is that of E‖ε_θ‖²/d = (1 − ᾱ_t) Γ_t, which lies between 0 and about 1.
    # d: how many numbers x_t has.
    errors = (1 - model.schedule.alpha_bar[list(estimate.times)]) * estimate.standard_error
    print(f"largest standard error of E‖ε‖²/d: {errors.max().item():.4f}")
    return 0
