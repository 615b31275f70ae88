"""A numbered set of images from any source, and the numbers of its labels."""

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

    description: str  # text for messages that names the images and their split
    split: str | None = None  # the split's name; None if the source has no splits
    classes: tuple[str, ...] | None = None  # class names in the order of the labels; None if the images have no labels
    labels: Sequence[int] | None = None  # index of each image's class, −1 if it has none; None if `classes` is None
    captions: Sequence[str] | None = None  # one caption for each image; None if there are no captions
    is_all: bool = True  # False if `open_source` stopped before it had found all images

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def picture(self, i: int) -> Image.Image:
        """Return image i. If its file is broken, this call, or reading the pixels, may raise any error of Pillow."""

    def pixels(self, i: int, size: int, channels: int) -> np.ndarray:
        """Return image i as uint8 (size, size, channels), converted by `to_8_bits` and `square`. Raises TrainError for
        a broken file.
        """
        with as_train_error(lambda _: f"{self.name(i)} can't be read as an image: remove it."):
            picture = to_8_bits(self.picture(i), channels)
        return square(picture, size)

    def label(self, i: int) -> int:
        """Return the class of image i as an index, −1 if it has none."""
        return -1 if self.labels is None else self.labels[i]

    @abstractmethod
    def name(self, i: int) -> str:
        """Return the name of image i for messages."""

    @abstractmethod
    def mark(self, i: int) -> str:
        """Return a name or a size that distinguishes image i from others, if possible without reading the image."""


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """Return class names in the order of their labels: by number if all are whole numbers, else by name."""
    numbered = all(re.fullmatch(r"[+-]?[0-9]+", name) for name in names)
    return tuple(sorted(names, key=lambda name: (int(name), name) if numbered else name))


def number_labels(
    labels: Sequence[int | str | None], names: Sequence[str] | None, where: str
) -> tuple[list[int], tuple[str, ...]]:
    """Return the label of each image as a number, −1 if it has none, and the names of the classes.

    Arguments:
        labels: numbers from 0 on, or names; −1 and None mean no label.
        names: the class names in the order of their numbers. None: use the names in `labels`, see `in_order`, or their
            numbers.
        where: the data set's name, for messages.

    Raises:
        TrainError: for labels that are neither numbers nor names, and for labels of an unknown class.
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
