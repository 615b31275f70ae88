"""`python -m ddpm_core restore`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from tqdm import tqdm

from ddpm_core.commands import defaults
from ddpm_core.commands.chain import ChainFlags, check_output, parse_seeds, read_picture
from ddpm_core.commands.reading import Unset

if TYPE_CHECKING:
    from torch import Tensor

    from ddpm_core import Model
    from ddpm_core.model import ModelSpec
    from ddpm_core.restore import Measurement

HALVES = ("left", "right", "top", "bottom")


@dataclass
class Restore(ChainFlags):
    """Restore a picture from a part of it. The grid has the picture, the known part, and a completion for each seed."""

    picture: Unset[Path] = None
    """picture file; its middle is fitted to the model; default: the sample of the first seed"""
    mask: Unset[str] = None
    """the missing part: left, right, top, bottom, or a picture file that is white there"""
    downsample: Unset[int] = None
    """only the means of blocks of N × N pixels are known"""
    grey: bool = False
    """only the mean of the colours is known"""
    blur: Unset[float] = None
    """the picture is blurred by a Gaussian of this standard deviation, in pixels"""
    noise: float = 0.0
    """standard deviation of the noise in the known part, in the units of [-1, 1]"""
    method: Literal["replacement", "repaint", "ddnm", "pigdm", "dps"] = "ddnm"
    """the method that restores the picture"""
    seeds: str = f"{defaults.SEED}-{defaults.SEED + 7}"
    """each seed restores the picture once; the first seed also gives the noise in the known part"""
    grid: Path = Path("restored.png")
    """PNG of the pictures: a file name that ends in .png"""

    def run(self) -> None:
        """Restore the picture and write the grid."""
        from ddpm_core import from_uint8, imaging, sample, to_uint8
        from ddpm_core.disk import files
        from ddpm_core.restore import restore

        seeds = parse_seeds(self.seeds)
        check_output("--grid", self.grid, ".png")
        given = [path for path in (self.picture, self._file) if path]
        if os.path.realpath(self.grid) in map(os.path.realpath, given):
            raise ValueError(f"--grid would replace your picture {self.grid}: choose another name")
        model = self.open_model()
        options, measurement = self.options(model), self._measurement(model)
        shape = model.image_size, model.channels
        picture = read_picture(self.picture, *shape) if self.picture else sample(model, seeds[:1], **options)
        y = measurement.observe(from_uint8(picture), seeds[:1])
        steps = restore(model, y, measurement, self.method, seeds, **options)
        last = None
        for step in tqdm(steps, unit="step"):
            last = step
        assert last is not None  # every run has at least one step
        known = to_uint8(measurement.pseudoinverse(y))
        files.write_bytes(self.grid, imaging.png(imaging.grid(np.concatenate([picture, known, to_uint8(last.x)]))))
        print(f"the picture, what is known of it, and {len(seeds)} completions: {self.grid}")

    def check(self, model: ModelSpec) -> None:
        """Raise ValueError for a latent model, and for flags that the model doesn't allow."""
        from ddpm_core.model import check_pixels

        check_pixels(model, "restoration")
        super().check(model)

    @property
    def _file(self) -> Path | None:
        """The picture file that --mask names; None if --mask names a half, or is left out."""
        return None if self.mask is None or self.mask in HALVES else Path(self.mask)

    def _measurement(self, model: Model) -> Measurement:
        """Return the measurement that the flags describe. Raise ValueError if they describe no measurement."""
        from ddpm_core import restore

        size, parts = model.image_size, []
        if self.grey:
            if model.channels < 3:
                raise ValueError("--grey needs a model of colour pictures")
            parts.append(restore.grey(channels=model.channels))
        if self.downsample is not None:
            if self.downsample < 1 or size % self.downsample:
                raise ValueError(f"--downsample takes a divisor of the {size} pixels a side, got {self.downsample}")
            parts.append(restore.downsample(self.downsample))
            size //= self.downsample
        if self.blur is not None:
            if not 0 < self.blur < size:
                raise ValueError(f"--blur takes a number above 0 and below {size}, got {self.blur}")
            parts.append(restore.blur(restore.gaussian_kernel(self.blur, size), size))
        if self.mask is not None:
            parts.append(restore.mask(self._known(size)))
        if not parts:
            raise ValueError("say what is known of the picture: --mask, --downsample, --grey or --blur")
        found = parts[0]
        for part in parts[1:]:
            found = restore.then(found, part)
        return replace(found, sigma=self.noise)

    def _known(self, size: int) -> Tensor:
        """Return the mask, bool (size, size): True where a pixel is known."""
        import torch

        if self._file is not None:
            return torch.from_numpy(read_picture(self._file, size, 1)[0, ..., 0] < 128)
        known = torch.ones(size, size, dtype=torch.bool)
        half = size // 2
        rows, columns = {
            "left": (slice(None), slice(half)),
            "right": (slice(None), slice(half, None)),
            "top": (slice(half), slice(None)),
            "bottom": (slice(half, None), slice(None)),
        }[self.mask or ""]
        known[rows, columns] = False
        return known
