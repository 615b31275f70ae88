"""`python -m ddpm_core sample`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ddpm_core.commands import defaults
from ddpm_core.commands.chain import ChainFlags, check_output, parse_seeds
from ddpm_core.commands.reading import Unset
from ddpm_core.names import count_of

if TYPE_CHECKING:
    from torch import Tensor

    from ddpm_core import Model
    from ddpm_core.model import Source
    from ddpm_core.runs import Chain


@dataclass
class Sample(ChainFlags):
    """Draw images. Save them as a grid, and the steps as an animation; or, with --out, save each image in its own
    file.
    """

    seeds: str = f"{defaults.SEED}-{defaults.SEED + 15}"
    """one image each: 7, 0-15, or 1,5,9-12"""
    out: Unset[Path] = None
    """instead of the grid, write a folder with a PNG for each seed, or a file that ends in .npz (arrays images and
    seeds). The same command continues where it was stopped. Processes of torchrun share the work."""
    batch: Unset[int] = None
    """number of images drawn at once with --out; default: 64, on a GPU 256, fewer if they are large"""
    grid: Unset[Path] = None
    """PNG of the final images: a file name that ends in .png; default: samples.png"""
    gif: Unset[Path] = None
    """GIF of the trajectory: a file name that ends in .gif"""

    def run(self) -> None:
        """Draw the images and write them."""
        seeds = parse_seeds(self.seeds)
        if self.out is not None:
            self._each(seeds, self.out)
        elif self.batch is not None:
            raise ValueError("--batch goes with --out: a grid is drawn at once")
        else:
            self._grid(seeds, self.grid or Path("samples.png"))

    def _grid(self, seeds: Sequence[int], grid: Path) -> None:
        """Draw all images together. Write them as one grid and, if --gif names a file, the steps as a GIF."""
        from ddpm_core import trajectory
        from ddpm_core.disk import files
        from ddpm_core.imaging import grid as as_grid
        from ddpm_core.imaging import png, save_gif

        if self.gif and os.path.realpath(grid) == os.path.realpath(self.gif):
            raise ValueError(f"--grid and --gif name one file, {grid}: the second would replace the first")
        check_output("--grid", grid, ".png")
        if self.gif:
            check_output("--gif", self.gif, ".gif")
        model, chain = self._open()
        steps, frames = len(chain.pairs), []
        for step in tqdm(trajectory(model, seeds, **self.options(model)), total=steps, unit="step"):
            if self.gif or step.s == 0:
                frames.append(as_grid(model.pictures(step.x)))
        files.write_bytes(grid, png(frames[-1]))
        print(f"{count_of(len(seeds), 'image')}: {grid}")
        if self.gif:
            save_gif(self.gif, frames, scale=max(1, 128 // model.picture_size))
            print(f"{count_of(steps, 'step')}: {self.gif}")

    def _open(self) -> tuple[Model, Chain]:
        """Return the loaded model and its chain."""
        from ddpm_core.runs import make_chain

        model = self.open_model()
        return model, make_chain(model, **self.chain(), condition=self.condition(model))

    def _each(self, seeds: Sequence[int], out: Path) -> None:
        """Draw the images in batches, and write each in its own file. Continue if some are already there."""
        from ddpm_core import trajectory
        from ddpm_core.commands.pictures import Pictures, processes

        if self.grid or self.gif:
            raise ValueError("--out saves each image by itself: leave out --grid and --gif")
        if self.batch is not None and not 1 <= self.batch <= 100_000:
            raise ValueError(f"--batch takes 1 to 100,000 images, got {self.batch}")
        rank, count = processes(self.where)
        pictures = Pictures(out, seeds)
        model, chain = self._open()
        options, steps = self.options(model), len(chain.pairs)
        pictures.begin(self._about(model, chain))
        share = pictures.share(rank, count)
        todo, batch = pictures.missing(share), self.batch or _batch(model)
        with tqdm(
            desc=f"the first of {count} processes" if count > 1 else None,
            total=len(share),
            initial=len(share) - len(todo),
            unit="image",
            disable=rank > 0,
        ) as bar:
            for first in range(0, len(todo), batch):
                now, x = todo[first : first + batch], None
                for step in trajectory(model, now, **options):
                    # The bar counts half of a batch's images after half of its steps.
                    drawn = first + len(now) * (step.index + 1) // steps
                    bar.update(len(share) - len(todo) + drawn - bar.n)
                    x = step.x
                assert x is not None  # every run has at least one step
                pictures.add(now, model.pictures(x))
        if rank == 0:
            pictures.finish()
            print(f"{count_of(len(pictures.seeds), 'image')}: {out}")

    def _about(self, model: Model, chain: Chain) -> dict[str, Any]:
        """Return everything that determines the pictures. A run with other values can't continue in the same folder."""
        options = chain.sampler.options
        gamma = model.gamma if options.get("variance") == "analytic" else None
        return {
            "checkpoint": model.source and model.source.name,
            "files": model.source and _files(model.source),
            "gamma": None if gamma is None else _sha256(gamma),
            **({} if self.schedule is None else {"schedule": _sha256(model.schedule.beta)}),
            "engine": getattr(model.network, "description", None),
            "sampler": self.sampler if ":" in (self.sampler or "") else chain.name,
            "times": [t for t, _ in chain.pairs],
            **{f"option {name}": value for name, value in options.items()},
            "clip": model.clip if self.clip is None else self.clip,
            **vars(chain.condition),
        }


def _sha256(table: Tensor) -> str:
    """Return the SHA-256 of a tensor's numbers."""
    return hashlib.sha256(table.numpy().tobytes()).hexdigest()


def _files(source: Source) -> dict[str, str]:
    """Return {name: SHA-256} of the files on which all pictures depend: the networks, the schedule and the facts."""
    from ddpm_core.checkpoint import refs
    from ddpm_core.disk.files import sha256

    assert source.folder is not None
    checkpoint = refs.in_folder(source.folder, source.ref)
    # These files are left out, because `_about` already has the values that a run takes from them.
    beside = (refs.ANALYTIC, refs.OPTIMISED, refs.READERS)
    return {name: sha256(checkpoint.file(name)) for name in checkpoint.layout.files if name not in beside}


def _batch(model: Model) -> int:
    """Return the number of images that are drawn at once. Larger batches would hardly be faster."""
    from ddpm_core.prediction import network_device

    device = network_device(model.network)
    most, pixels = (64, 2**18) if device is None or device.type == "cpu" else (256, 2**22)
    return max(1, min(most, pixels // model.picture_size**2))
