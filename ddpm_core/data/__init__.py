"""The pictures that come with the library, as arrays with labels. README.md says who made them, and their licences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ddpm_core.imaging.image_files import open_picture

_FOLDER = Path(__file__).parent
_SIZE, _COLUMNS = 64, 24  # side of an emoji in pixels; number of emoji in each row of the picture file


class Pictures(NamedTuple):
    """Pictures with their labels.

    Attributes:
        images: uint8 (N, H, W, C).
        labels: int64 (N,), the class of each picture, an index of `classes`.
        classes: the names of the classes.
        captions: a name for each picture, or None.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    captions: tuple[str, ...] | None = None


def digits(split: Literal["train", "test"] = "train") -> Pictures:
    """Return handwritten digits of MNIST, grey, 28×28.

    Arguments:
        split: "train" has 3,000 digits, 300 of each; `mnist-tiny` and its students were trained on them. "test" has
            1,000 other digits, 90 to 124 of each; no embedded model was trained on them.

    Raises:
        ValueError: for any other split.
    """
    if split not in ("train", "test"):
        raise ValueError(f"the digits have the splits train and test, not {split!r}")
    with np.load(_FOLDER / ("digits.npz" if split == "train" else "digits_test.npz")) as file:
        names = tuple(map(str, file["classes"]))
        return Pictures(file["images"][..., None], file["labels"].astype(np.int64), names)


def emoji() -> Pictures:
    """Return 684 colour emoji on white, 64×64. Their classes are six groups of Unicode, and their captions are names.

    `emoji-tiny` and its student were trained on them.
    """
    about = json.loads((_FOLDER / "emoji.json").read_text(encoding="utf-8"))
    sheet = np.asarray(open_picture(_FOLDER / "emoji.webp").convert("RGB"))
    rows = sheet.reshape(-1, _SIZE, _COLUMNS, _SIZE, 3).swapaxes(1, 2)
    labels = np.array(about["labels"], np.int64)
    images = rows.reshape(-1, _SIZE, _SIZE, 3)[: len(labels)]
    return Pictures(images, labels, tuple(about["classes"]), tuple(about["names"]))
