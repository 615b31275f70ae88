"""`python -m ddpm_core reconstruct` and `interpolate`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ddpm_core.commands import defaults
from ddpm_core.commands.chain import ChainFlags, check_output, open_checkpoint, parse_seeds, read_picture
from ddpm_core.names import Mixing

if TYPE_CHECKING:
    from ddpm_core import Model


@dataclass
class LatentFlags(ChainFlags):
    """What `reconstruct` and `interpolate` have in common. A chain has at most as many steps as there are times."""

    times: str | None = None
    """a row of the grid for each: 0 to T, as 750,500,250; default: T/2, of a student the nearest that it has learned"""
    grid: Path = Path("latents.png")
    """PNG of the pictures: a file name that ends in .png"""

    def open(self, which: tuple[int, ...], pictures: Sequence[Path] = ()) -> tuple[Model, list[int], dict[str, Any]]:
        """The model, the times and the options, checked before anything is computed.

        which: quarters of T, the times by default. pictures: the user's, which stay as they are.
        """
        from ddpm_core import imaging
        from ddpm_core.latents import check_chains

        check_output("--grid", self.grid, ".png")
        if os.path.realpath(self.grid) in map(os.path.realpath, pictures):
            raise ValueError(f"--grid would replace your picture {self.grid}: choose another name")
        model = open_checkpoint(self.checkpoint, self.where)
        imaging.check_channels(model.picture_channels)
        times, options = self._checked_times(model, which), self.options(model)
        check_chains(model, times, **options)
        return model, times, options

    def _checked_times(self, model: Model, which: tuple[int, ...]) -> list[int]:
        from ddpm_core.timesteps import quarters

        T = model.schedule.T
        if self.times is None:
            return quarters(model, which)
        try:
            times = [int(text) for text in self.times.split(",")]
        except ValueError:
            times = [-1]
        if not all(0 <= t <= T for t in times):
            raise ValueError(f"times are whole numbers from 0 to {T} like 750,500,250, got {self.times!r}")
        return times

    def write(self, rows: Iterator[np.ndarray], n: int) -> None:
        """Save n rows of pictures, uint8 (columns, H, W, C), as they come."""
        from ddpm_core import imaging
        from ddpm_core.disk import files

        pictures = list(tqdm(rows, total=n, unit="row"))
        files.write_bytes(self.grid, imaging.png(imaging.grid(np.concatenate(pictures), len(pictures[0]))))
        print(f"{n} rows: {self.grid}")


@dataclass
class Reconstruct(LatentFlags):
    """Pictures that share the latent x_t of one picture: in each row the picture, x_t, and a picture for each seed."""

    picture: Path | None = None
    """file of the picture, whose middle is fitted to the model; default: the sample of the first seed"""
    seeds: str = f"{defaults.SEED}-{defaults.SEED + 7}"
    """the first one's noise encodes the picture; each decodes it once"""
    times: str | None = None
    """a row of the grid for each: 0 to T, as 750,500,250; default: T, 3T/4, T/2, T/4, of a student the nearest that it
    has learned"""

    def run(self) -> None:
        from ddpm_core import encode, reconstruct, sample

        seeds = parse_seeds(self.seeds)
        model, times, options = self.open((4, 3, 2, 1), [self.picture] if self.picture else [])
        shape = model.picture_size, model.picture_channels
        picture = read_picture(self.picture, *shape) if self.picture else sample(model, seeds[:1], **options)

        def row(t: int) -> np.ndarray:
            x_t = encode(model, picture, t, seeds[:1])
            return np.concatenate([picture, model.pictures(x_t), reconstruct(model, x_t, t, seeds, **options)])

        self.write(map(row, times), len(times))


@dataclass
class Interpolate(LatentFlags):
    """Pictures between two, by mixing their latents x_t: from the first one's reconstruction to the second one's."""

    pictures: tuple[Path, Path] | None = None
    """files of the two, whose middle is fitted to the model; default: the samples of the seeds"""
    seeds: tuple[int, int] = (defaults.SEED, defaults.SEED + 1)
    """of the noise that encodes the two; the first one's decodes all mixtures"""
    count: int = 11
    """pictures in a row, at least 2: weights of the second from 0 to 1"""
    how: Mixing = "linear"
    """how the latents are mixed: on a line, or on an arc"""

    def run(self) -> None:
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

        def row(t: int) -> np.ndarray:
            x_t, other = encode(model, pictures, t, seeds).split(1)
            return interpolate(model, x_t, other, t, weights, seeds[0], how=self.how, **options)

        self.write(map(row, times), len(times))
