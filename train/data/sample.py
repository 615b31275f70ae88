"""A sample of a data set's images, read in batches, to measure a model (not to train it)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from ddpm_core.imaging.image_files import MODES
from ddpm_core.model import ModelSpec
from train import TrainError
from train.data.sources import open_source

BATCH = 100  # number of images that are read at once
DELAY = 1  # seconds before a progress bar appears


def sample_for(model: ModelSpec, data: str, split: str, count: int = 0, quiet: bool = False) -> ImageSample:
    """Return images with the size and channels of a model's pictures, to compare or encode. A latent model's state has
    another size.

    The arguments and the errors are those of `ImageSample`.
    """
    return ImageSample(data, split, model.picture_size, count, model.picture_channels, quiet)


class ImageSample:
    """Images spread evenly over a data set, resized and cropped as for training. description, split: see ImageSource.

    Arguments:
        data, split: as for `open_source`.
        size: pixels a side.
        count: the largest number of images; 0 for the whole data set.
        channels: 1 to 4, see image_files.MODES.
        quiet: whether to show no progress bars.

    Raises:
        TrainError: for data without images, and for another number of channels.
    """

    def __init__(self, data: str, split: str, size: int, count: int = 0, channels: int = 3, quiet: bool = False):
        if channels not in MODES:
            raise TrainError(f"Images have 1 to {max(MODES)} channels, and this model makes {channels}.")
        self._source, self._size, self._channels, self._quiet = open_source(data, split), size, channels, quiet
        total = len(self._source)
        self._rows = np.linspace(0, total - 1, min(count or total, total)).round().astype(int).tolist()
        self.description, self.split = self._source.description, self._source.split

    def __len__(self) -> int:
        return len(self._rows)

    def labels(self, classes: Sequence[str] | int) -> np.ndarray:
        """Return the class of each image as an index into the model's classes, int64 (N,).

        classes: the model's class names, or how many classes it has.

        Raises TrainError for an image without a label, and for a class that the model does not have.
        """
        what, names = self.description, self._source.classes
        if not names:
            raise TrainError(f"The {what} has no class labels, but this measurement needs the class of every image.")
        labels = np.array([self._source.label(i) for i in self._rows])
        if labels.min() < 0:
            raise TrainError(
                f"The {what} has images without a label, but this measurement needs the class of every image."
            )
        if isinstance(classes, int):
            if labels.max() >= classes:
                raise TrainError(f"The {what} has a class {labels.max()}, the model only 0 to {classes - 1}.")
            return labels
        for name in (names[label] for label in np.unique(labels)):
            if name not in classes:
                known = ", ".join(classes)
                raise TrainError(f"The {what} has a class {name!r} that the model does not have; it has {known}.")
        return np.array([list(classes).index(names[label]) for label in labels])

    def batches(self, doing: str = "reading images") -> Iterator[np.ndarray]:
        """Yield all images in order, uint8 (<= BATCH, H, W, channels). Raises TrainError if an image can't be read.

        doing: the text of the progress bar.
        """
        with tqdm(total=len(self), desc=doing, unit="image", delay=DELAY, leave=False, disable=self._quiet) as bar:
            for first in range(0, len(self), BATCH):
                yield (batch := self.batch(range(first, min(first + BATCH, len(self)))))
                bar.update(len(batch))

    def batch(self, rows: range) -> np.ndarray:
        """Return the images with these indices, uint8 (rows, H, W, channels). Raises TrainError for a broken image."""
        return np.stack([self._source.pixels(self._rows[i], self._size, self._channels) for i in rows])

    def pixels(self) -> np.ndarray:
        """Return all images at once, uint8 (N, H, W, channels). Raises TrainError if an image can't be read."""
        return np.concatenate(list(self.batches()))

    def sha256(self) -> str:
        """Return the SHA-256 of all pixels, in hexadecimal. Raises TrainError if an image can't be read."""
        digest = hashlib.sha256()
        for batch in self.batches("hashing images"):
            digest.update(batch.data)
        return digest.hexdigest()
