"""A sample of a data set as arrays, for what measures a model rather than trains it."""

from __future__ import annotations

import numpy as np

from train import TrainError
from train.data import prepare
from train.sources import open_source


class Sample:
    """Up to `count` images spread evenly over a data set (0: all of it), resized and cropped as for training.

    pixels: uint8 (N, size, size, 3). labels: (N,) or None where the data set has none. classes: their names or None.
    description: of the data set. Raises TrainError, in one sentence, when there are no images or one can't be read.
    """

    def __init__(self, data: str, split: str, size: int, count: int = 0):
        source = open_source(data, split)
        total = len(source)
        chosen = np.linspace(0, total - 1, min(count or total, total)).round().astype(int).tolist()
        self.pixels = np.empty((len(chosen), size, size, 3), np.uint8)
        for row, i in enumerate(chosen):
            try:
                self.pixels[row] = prepare(source.picture(i), size)
            except Exception as error:  # broken files make Pillow raise nearly anything
                raise TrainError(f"{source.name(i)} can't be read as an image: remove it.") from error
        self.classes = source.classes
        self.labels = np.array([source.label(i) for i in chosen]) if source.classes else None
        self.description = source.description
