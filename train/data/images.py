"""The images of a training run: which of a source's images can be read, their pixels and labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ddpm_core.imaging.image_files import KINDS, is_grey
from train import TrainError
from train.common.command_line import user_path
from train.common.config import Config
from train.common.errors import as_train_error
from train.data.sources import CaptionedFolder, ImageFolder, ImageSource, open_source

COUNTED = 1000  # `count_channels` looks at this many images at most


def count_channels(source: ImageSource) -> int:
    """Return 1 if all images of a source are grey, else 3."""
    seen, total = 0, len(source)
    for i in np.linspace(0, total - 1, min(total, COUNTED)).round().astype(int).tolist():
        try:
            with as_train_error(str), source.picture(i) as picture:
                grey = is_grey(picture)
        except TrainError:  # a broken file
            continue
        if not grey:
            return 3
        seen += 1
    return 1 if seen else 3


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


class Images:
    """The images of a run, decoded once and kept in memory, or read from the disk each time.

    Raises TrainError if there are no images, no labels for a conditional run or no captions for one with --captions,
    and if the run would write among its images.
    """

    def __init__(self, config: Config, quiet: bool = False, classes: Sequence[str] = ()):
        """classes: those of the run that goes on, whose order stays where they are the same as the source's."""
        self._source = open_source(config.data, config.split, config.data_cache, config.captions)
        is_folder = isinstance(self._source, (ImageFolder, CaptionedFolder))
        if is_folder and _is_inside(user_path(config.out), user_path(config.data)):
            raise TrainError("--out lies in --data, where its samples would count as images: choose another --out.")
        self._size = config.image_size
        self.channels = config.channels or count_channels(self._source)  # those of the images, if no flag decides
        self.description = self._source.description
        names = self._source.classes if config.conditional else None
        self.classes = tuple(classes) if names and sorted(classes) == sorted(names) else names
        if config.conditional and not self.classes:
            raise TrainError(f"{config.data} has no class labels: add --no-conditional.")
        self.broken: list[str] = []  # names of images that could not be read so far
        self.pixels: Tensor | None = None  # uint8 (N, H, W, channels), if they are kept in memory
        count = len(self._source)
        self.index = np.arange(count)  # of the images that can be read, as far as that is known
        if count * self._size**2 * self.channels <= config.memory * 1e9:
            self._decode(count, quiet)
        self.labels = torch.tensor(self._labels(names, self.classes)) if names and self.classes else None
        found = self._source.captions if config.captions else None
        if config.captions and found is None:
            raise TrainError(f"{config.data} has no captions: give them in a column text, or leave out --captions.")
        self.captions: list[str] | None = None if found is None else [found[int(i)] for i in self.index]
        self.latents: Tensor | None = None  # see `encode`
        self.encoder: str | None = None
        self._no_label: int | np.ndarray = self.num_classes
        if self.labels is not None and int(self.labels.min()) < 0:
            raise TrainError(f"{config.data} has images without a label: add --no-conditional.")

    def __len__(self) -> int:
        return len(self.index)

    def encode(self, latents: Tensor, encoder: str) -> None:
        """Take the images' latents, float32 (N, C, H, W), to train on them instead of pixels.

        encoder: a digest of what made them.
        """
        self.latents, self.encoder = latents, encoder

    def tokenize(self, tokens: Tensor, none: Tensor) -> None:
        """Take the captions' tokens, int64 (N, L), as the labels, and the tokens of no caption, (L,)."""
        self.labels, self._no_label = tokens, none.numpy()

    def number_captions(self) -> None:
        """Make the captions' numbers the labels; −1 is that of no caption."""
        self.labels, self._no_label = torch.arange(len(self)), -1

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of what is trained on: pixels, or latents."""
        if self.latents is not None:
            channels, height, width = self.latents.shape[1:]
            return channels, height, width
        return self.channels, self._size, self._size

    def label(self, i: int, dropped: bool) -> int | np.ndarray:
        """The class of image i, or its caption's tokens, (L,); dropped: what stands for none."""
        assert self.labels is not None
        if dropped:
            return self._no_label
        return self.labels[i].numpy() if self.labels.ndim > 1 else int(self.labels[i])

    @property
    def num_classes(self) -> int:
        """0 without labels."""
        return len(self.classes or ())

    def read(self, i: int) -> tuple[np.ndarray, int]:
        """(uint8 (H, W, C), how many images in a row were broken before one could be read) for image i or the next."""
        for skipped in range(len(self)):
            try:
                return self._read((i + skipped) % len(self)), skipped
            except TrainError:
                continue
        raise TrainError(f"None of the {len(self)} images of {self.description} can be read: {KINDS} is needed.")

    def pixels_near(self, device: torch.device) -> Tensor | None:
        """The pixels in memory, on a GPU where they take less than a quarter of what is free there."""
        if self.pixels is None or device.type != "cuda":
            return self.pixels
        room = torch.cuda.mem_get_info(device)[0] / 4
        return self.pixels.to(device) if self.pixels.nbytes < room else self.pixels

    def note_broken(self, first: int, count: int) -> Iterator[str]:
        """Note that so many images from number `first` on can't be read; the names of those where that is news."""
        for i in range(first, first + count):
            name = self._source.name(i % len(self))
            if name not in self.broken:
                self.broken.append(name)
                yield name

    def _labels(self, names: Sequence[str], classes: Sequence[str]) -> list[int]:
        """The label of every image, -1 for none; names: the classes in the source's order."""
        number = [classes.index(name) for name in names] + [-1]  # so that label −1 stays −1
        return [number[self._source.label(i)] for i in self.index.tolist()]

    def _read(self, i: int) -> np.ndarray:
        return self._source.pixels(i, self._size, self.channels)

    @cached_property
    def digests(self) -> dict[str, str | None]:
        """SHA-256 that identify the images: of "files" (names or sizes), "pixels", "labels" and "captions" or None."""
        files = hashlib.sha256()
        for i in self.index.tolist():
            files.update(self._source.mark(i).encode("utf-8", "surrogateescape") + b"\n")
        tensors = {"pixels": self.pixels, "labels": self.labels}
        of = {name: None if x is None else hashlib.sha256(x.numpy().data).hexdigest() for name, x in tensors.items()}
        captions = None if self.captions is None else hashlib.sha256(json.dumps(self.captions).encode()).hexdigest()
        return {"files": files.hexdigest(), "captions": captions, **of}

    def _decode(self, count: int, quiet: bool) -> None:
        pixels = np.empty((count, self._size, self._size, self.channels), np.uint8)
        whole = []
        for i in tqdm(range(count), "reading images", unit="image", leave=False, disable=quiet, mininterval=1):
            try:
                pixels[len(whole)] = self._read(i)
                whole.append(i)
            except TrainError:
                self.broken.append(self._source.name(i))
        if not whole:
            raise TrainError(f"None of the {count} images of {self.description} can be read: {KINDS} is needed.")
        self.index = np.array(whole)
        self.pixels = torch.from_numpy(pixels[: len(whole)])
