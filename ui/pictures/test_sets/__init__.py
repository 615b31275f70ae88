"""Provide the pictures that come with the page: test images of the data sets that the small models learned. README.md
names their sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ddpm_core.imaging.image_files import open_picture
from ddpm_core.model import ModelSpec

COLUMNS = 10  # columns of a file's grid, one for each class
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, eq=False)
class PictureSet:
    """A set of pictures. images: uint8 (N, H, W, C). labels: the class of each picture, an index of class_names."""

    name: str
    images: np.ndarray
    labels: tuple[int, ...]
    class_names: tuple[str, ...]

    def labels_for(self, model: ModelSpec) -> tuple[int, ...] | None:
        """Return the labels if the model has exactly these classes, else None."""
        named = model.class_names is None or tuple(model.class_names) == self.class_names
        return self.labels if model.num_classes == len(self.class_names) and named else None


@cache
def _read(name: str, class_names: tuple[str, ...]) -> PictureSet:
    """Read a set from the file of that name, which is a grid with one column for each class."""
    grid = np.asarray(open_picture(Path(__file__).parent / f"{name}.png"))
    size = grid.shape[1] // COLUMNS
    rows = grid.reshape(-1, size, COLUMNS, size, *grid.shape[2:]).swapaxes(1, 2)
    images = rows.reshape(-1, size, size, 1 if grid.ndim == 2 else grid.shape[-1])
    return PictureSet(name, images, tuple(i % COLUMNS for i in range(len(images))), class_names)


def sets() -> list[PictureSet]:
    """Return all sets that come with the page."""
    return [
        _read("cifar10", CIFAR10),
        _read("mnist", tuple(map(str, range(10)))),
    ]


def set_for(model: ModelSpec) -> PictureSet | None:
    """Return the set whose pictures have the model's size and channels; None if there is none."""
    if model.latent:
        return None
    shape = (model.image_size, model.image_size, model.channels)
    return next((one for one in sets() if one.images.shape[1:] == shape), None)
