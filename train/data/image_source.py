"""A numbered set of images, wherever it comes from, and the numbers of its labels."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

import numpy as np
from PIL import Image

from ddpm_core.imaging.image_files import square, to_8_bits
from train import TrainError
from train.common.errors import as_train_error


class ImageSource(ABC):
    """A numbered set of images."""

    description: str  # for messages, with the split
    split: str | None = None  # None: the source has no splits, and these are all its images
    classes: tuple[str, ...] | None = None  # names in the order of the labels; None: the images have no labels
    labels: Sequence[int] | None = None  # the class of each image, −1 if it has none; None if `classes` is None
    captions: Sequence[str] | None = None  # one for each image
    is_all: bool = True  # whether these are all images of the source: see `open_source`

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def picture(self, i: int) -> Image.Image:
        """Image i. For a broken file this, or reading the pixels, raises whatever Pillow raises."""

    def pixels(self, i: int, size: int, channels: int) -> np.ndarray:
        """Image i as uint8 (size, size, channels), as `to_8_bits` and `square` make it. Raises TrainError for a broken
        file.
        """
        with as_train_error(lambda _: f"{self.name(i)} can't be read as an image: remove it."):
            picture = to_8_bits(self.picture(i), channels)
        return square(picture, size)

    def label(self, i: int) -> int:
        """Return the class of image i, −1 if it has none."""
        return -1 if self.labels is None else self.labels[i]

    @abstractmethod
    def name(self, i: int) -> str:
        """Return the name of image i for messages."""

    @abstractmethod
    def mark(self, i: int) -> str:
        """Return a name or a size that tells image i from others, as far as possible without reading it."""


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """Names of classes in the order of their labels: by number where all are whole numbers, so that 2 is before 10."""
    numbered = all(re.fullmatch(r"[+-]?[0-9]+", name) for name in names)
    return tuple(sorted(names, key=lambda name: (int(name), name) if numbered else name))


def number_labels(
    labels: Sequence[int | str | None], names: Sequence[str] | None, where: str
) -> tuple[list[int], tuple[str, ...]]:
    """Return the label of each image as a number, −1 if it has none, and the names of the classes.

    Arguments:
        labels: numbers from 0 on, or names; −1 and None mean no label.
        names: the classes in the order of their numbers. None: the names that occur, in their order, or 0, 1, 2, …
        where: what has the labels, for messages.

    Raises:
        TrainError: for labels that are neither numbers nor names, and for those of no class.
    """
    if all(label is None or isinstance(label, str) for label in labels) and any(labels):
        classes = in_order({label for label in labels if isinstance(label, str)}) if names is None else tuple(names)
        number = {name: label for label, name in enumerate(classes)}
        odd = next((label for label in labels if label is not None and label not in number), None)
        if odd is not None:
            raise TrainError(f"{where} has a label {odd!r}, but its classes are {', '.join(classes)}.")
        return [-1 if label is None else number[str(label)] for label in labels], classes
    plain = [-1 if label is None else label for label in labels]
    whole = [label for label in plain if isinstance(label, int) and not isinstance(label, bool)]
    if len(whole) != len(plain) or not plain:
        raise TrainError(f"{where}: labels must be a whole number for each image, or a name for each image.")
    count = max(whole) + 1 if names is None else len(names)
    if not -1 <= min(whole) <= max(whole) < count:
        raise TrainError(f"{where}: labels must be −1 (none) to {count - 1}.")
    return whole, tuple(map(str, range(count) if names is None else names))
