"""A sample of a data set, read a batch at a time, for what measures a model rather than trains it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from train import TrainError
from train.data import prepare
from train.sources import open_source


class Sample:
    """Up to `count` images spread evenly over a data set (0: all of it), resized and cropped as for training.

    labels: (N,) or None where the data set has none. description: of the data set. Raises TrainError, in one sentence,
    when there are no images.
    """

    def __init__(self, data: str, split: str, size: int, count: int = 0):
        self._source, self._size = open_source(data, split), size
        total = len(self._source)
        self._rows = np.linspace(0, total - 1, min(count or total, total)).round().astype(int).tolist()
        self.labels = np.array([self._source.label(i) for i in self._rows]) if self._source.classes else None
        self.description = self._source.description

    def __len__(self) -> int:
        return len(self._rows)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """uint8 (<= size, H, W, 3), all images in order. Raises TrainError for one that can't be read."""
        for first in range(0, len(self), size):
            yield np.stack([self._read(i) for i in self._rows[first : first + size]])

    def pixels(self) -> np.ndarray:
        """All images at once, uint8 (N, H, W, 3)."""
        return np.concatenate(list(self.batches(1000)))

    def sha256(self) -> str:
        """Of the pixels, in hexadecimal."""
        digest = hashlib.sha256()
        for batch in self.batches(1000):
            digest.update(batch)
        return digest.hexdigest()

    def _read(self, i: int) -> np.ndarray:
        try:
            return prepare(self._source.picture(i), self._size)
        except Exception as error:  # broken files make Pillow raise nearly anything
            raise TrainError(f"{self._source.name(i)} can't be read as an image: remove it.") from error
