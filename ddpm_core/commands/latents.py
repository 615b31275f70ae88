"""`python -m ddpm_core reconstruct` and `interpolate`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ddpm_core.commands import defaults
from ddpm_core.commands.chain import ChainFlags, check_output, parse_seeds, parse_times, read_picture
from ddpm_core.commands.reading import Unset
from ddpm_core.names import Mixing, count_of

if TYPE_CHECKING:
    from ddpm_core import Model
    from ddpm_core.model import ModelSpec


@dataclass
class LatentFlags(ChainFlags):
    """The shared flags of `reconstruct` and `interpolate`. A chain from time t has at most t steps."""

    times: Unset[str] = None
    """one row of the grid for each time: 0 to T, such as 750,500,250; default: T/2, for a student the nearest time that
    it has learned"""
    grid: Path = Path("latents.png")
    """PNG of the pictures: a file name that ends in .png"""

    def open(self, which: tuple[int, ...], pictures: Sequence[Path] = ()) -> tuple[Model, list[float], dict[str, Any]]:
        """Load the model and check all flags. Return the model, the times and the options.

        which: the default times, in quarters of T. pictures: the user's files, which must not be overwritten. Raise
        ValueError if --grid is one of them or has another suffix than .png, and for times that the model can't take.
        """
        check_output("--grid", self.grid, ".png")
        if os.path.realpath(self.grid) in map(os.path.realpath, pictures):
            raise ValueError(f"--grid would replace your picture {self.grid}: choose another name")
        model = self.open_model(partial(self._check_rows, which=which, drawn=not pictures))
        return model, self._checked_times(model, which), self.options(model)

    def _check_rows(self, model: ModelSpec, which: tuple[int, ...], drawn: bool) -> None:
        """Raise ValueError for times or options that the model can't take.

        which: as for `open`. drawn: whether the model draws the first pictures.
        """
        from ddpm_core.latents import check_chains

        times = self._checked_times(model, which)
        if drawn:
            self.check(model)
        else:
            self.check_condition(model)
        check_chains(model, times, **self.options(model))

    def _checked_times(self, model: ModelSpec, which: tuple[int, ...]) -> list[float]:
        """Return the chosen times, or the default times. Raise ValueError for times outside 0..T.

        which: the default times, in quarters of T.
        """
        from ddpm_core.timesteps import quarters

        T = model.schedule.T
        if self.times is None:
            return [*quarters(model, which)]
        times = parse_times(self.times)
        if times is None or not all(t <= T for t in times):
            raise ValueError(f"times are numbers from 0 to {T} like 750,500,250, got {self.times!r}")
        return times

    def write(self, rows: Iterator[np.ndarray], n: int) -> None:
        """Draw n rows of pictures, each uint8 (columns, H, W, C), with a progress bar, and write them as a grid."""
        from ddpm_core import imaging
        from ddpm_core.disk import files

        pictures = list(tqdm(rows, total=n, unit="row"))
        files.write_bytes(self.grid, imaging.png(imaging.grid(np.concatenate(pictures), len(pictures[0]))))
        print(f"{count_of(n, 'row')}: {self.grid}")


@dataclass
class Reconstruct(LatentFlags):
    """Draw pictures that share the latent x_t of one picture. Each row has the picture, x_t, and a picture for each
    seed.
    """

    picture: Unset[Path] = None
    """picture file; its middle is fitted to the model; default: the sample of the first seed"""
    seeds: str = f"{defaults.SEED}-{defaults.SEED + 7}"
    """the noise of the first seed encodes the picture; each seed decodes it once"""
    times: Unset[str] = None
    """one row of the grid for each time: 0 to T, such as 750,500,250; default: T, 3T/4, T/2, T/4, for a student the
    nearest times that it has learned"""

    def run(self) -> None:
        """Draw the rows and write the grid."""
        from ddpm_core import encode, reconstruct, sample

        seeds = parse_seeds(self.seeds)
        model, times, options = self.open((4, 3, 2, 1), [self.picture] if self.picture else [])
        shape = model.picture_size, model.picture_channels
        picture = read_picture(self.picture, *shape) if self.picture else sample(model, seeds[:1], **options)

        def row(t: float) -> np.ndarray:
            """Return the row for a time: the picture, its latent, and a reconstruction for each seed."""
            x_t = encode(model, picture, t, seeds[:1])
            return np.concatenate([picture, model.pictures(x_t), reconstruct(model, x_t, t, seeds, **options)])

        self.write(map(row, times), len(times))


@dataclass
class Interpolate(LatentFlags):
    """Draw pictures between two pictures, by mixing their latents x_t. A row goes from the reconstruction of the first
    picture to the reconstruction of the second.
    """

    pictures: Unset[tuple[Path, Path]] = None
    """files of the two pictures; their middle is fitted to the model; default: the samples of the seeds"""
    seeds: tuple[int, int] = (defaults.SEED, defaults.SEED + 1)
    """seeds of the noise that encodes the two pictures; the noise of the first decodes all mixtures"""
    count: int = 11
    """number of pictures in a row, at least 2; the weight of the second picture goes from 0 to 1"""
    how: Mixing = "linear"
    """mix the latents on a line, or on an arc"""

    def run(self) -> None:
        """Draw the rows and write the grid."""
        from ddpm_core import encode, interpolate, sample

        seeds = parse_seeds(",".join(map(str, self.seeds)))
        if not 2 <= self.count <= 1000:
            raise ValueError(f"--count takes 2 to 1000 pictures, got {self.count}")
        model, times, options = self.open((2,), self.pictures or ())
        if self.pictures:
            shape = model.picture_size, model.picture_channels
            pictures = np.concatenate([read_picture(path, *shape) for path in self.pictures])
        else:
            pictures = sample(model, seeds, **options)
        weights = np.linspace(0, 1, self.count).tolist()

        def row(t: float) -> np.ndarray:
            """Return the row for a time: pictures from mixtures of the two latents, from the first to the second."""
            x_t, other = encode(model, pictures, t, seeds).split(1)
            return interpolate(model, x_t, other, t, weights, seeds[0], how=self.how, **options)

        self.write(map(row, times), len(times))
