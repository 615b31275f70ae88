"""The images of a training run: the pixels and labels of a source's readable images, or a stream."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ddpm_core.imaging.image_files import KINDS, is_grey, square, to_8_bits
from train import TrainError
from train.common.command_line import user_path
from train.common.config import Config, OwnData
from train.common.errors import as_train_error
from train.data.image_source import ImageSource
from train.data.objects import PictureStream, as_example, as_picture, open_object
from train.data.sources import CaptionedFolder, ImageFolder, open_source

COUNTED = 1000  # the largest number of images that `count_channels` reads


def count_channels(source: ImageSource) -> int:
    """Return 1 if all images of a source are grey, else 3. Of a large source, only COUNTED images are read."""
    seen, total = 0, len(source)
    for i in np.linspace(0, total - 1, min(total, COUNTED)).round().astype(int).tolist():
        try:
            with as_train_error(str), source.picture(i) as picture:
                grey = is_grey(picture)
        except TrainError:  # the file is broken
            continue
        if not grey:
            return 3
        seen += 1
    return 1 if seen else 3


def _channels_of(stream: PictureStream) -> int:
    """Return 1 if the first images of a stream are grey, else 3."""
    for item in stream.head:
        with suppress(Exception), as_picture(as_example(item).picture) as picture:
            if not is_grey(picture):
                return 3
    return 1


def _is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path is a folder, or lies in it."""
    return path.resolve().is_relative_to(folder.resolve())


class Images:
    """The images of a run. They are decoded once and kept in memory, read from the disk each time, or streamed.

    A stream has no number of images: its `len` is 0, its `index` is empty, and its `pixels` are None.

    Raises TrainError if there are no images, if a conditional run has no labels, if --captions finds no captions, and
    if --out lies inside --data.
    """

    def __init__(self, config: Config, quiet: bool = False, classes: Sequence[str] = ()):
        """classes: the class names of the run that is resumed. Their order is kept if the source has the same names."""
        if isinstance(config.data, OwnData):
            source = open_object(config.data.value)
        else:
            source = open_source(config.data, config.split, config.data_cache, config.captions)
            is_folder = isinstance(source, (ImageFolder, CaptionedFolder))
            if is_folder and _is_inside(user_path(config.out), user_path(config.data)):
                raise TrainError("--out lies in --data, where its samples would count as images: choose another --out.")
        self.stream = source if isinstance(source, PictureStream) else None
        self._size = config.image_size
        self.description = source.description
        self.broken: list[str] = []  # names of images that could not be read so far
        self.pixels: Tensor | None = None  # uint8 (N, H, W, channels); None if they are not kept in memory
        self.labels: Tensor | None = None
        self.captions: list[str] | None = None
        self.latents: Tensor | None = None  # float32 (N, C, H, W); None before `encode`
        self.encoder: str | None = None
        if isinstance(source, PictureStream):
            self._take_stream(source, config)
        else:
            self._take(source, config, quiet, classes)
        self._no_label: int | np.ndarray = self.num_classes

    def _take_stream(self, stream: PictureStream, config: Config) -> None:
        """Set the channels and the classes of a stream. Raises TrainError for options that a stream can't have."""
        if config.captions or config.decoder is not None:
            raise TrainError("A stream can't be used with --captions or --decoder, which need all images at the start.")
        self.channels = config.channels or _channels_of(stream)
        self.index = np.arange(0)
        self.classes = stream.classes if config.conditional else None
        if config.conditional and not self.classes:
            raise TrainError(
                f"The {stream.description} does not say its classes: give it an attribute classes with their names, in "
                "the order of the labels, or add --no-conditional."
            )

    def _take(self, source: ImageSource, config: Config, quiet: bool, classes: Sequence[str]) -> None:
        """Set the images, labels and captions of a source. Raises TrainError if labels or captions are missing."""
        self._source = source
        self.channels = config.channels or count_channels(source)  # without --channels, the images decide
        names = source.classes if config.conditional else None
        self.classes = tuple(classes) if names and sorted(classes) == sorted(names) else names
        if config.conditional and not self.classes:
            raise TrainError(f"{self._name_data(config)} has no class labels: add --no-conditional.")
        count = len(source)
        self.index = np.arange(count)  # indices of the readable images; `_decode` removes the broken images
        if count * self._size**2 * self.channels <= config.memory * 1e9:
            self._decode(count, quiet)
        self.labels = torch.tensor(self._labels(names, self.classes)) if names and self.classes else None
        found = source.captions if config.captions else None
        if config.captions and found is None:
            where = self._name_data(config)
            raise TrainError(f"{where} has no captions: give them in a column text, or leave out --captions.")
        self.captions = None if found is None else [found[int(i)] for i in self.index]
        if self.labels is not None and int(self.labels.min()) < 0:
            raise TrainError(f"{self._name_data(config)} has images without a label: add --no-conditional.")

    def _name_data(self, config: Config) -> str:
        """Return the name of the data for messages."""
        return config.data if isinstance(config.data, str) else f"The data ({self.description})"

    def __len__(self) -> int:
        """Return the number of images that can be read, 0 for a stream."""
        return len(self.index)

    @property
    def about(self) -> str:
        """Return the number of images and their source as a text for a model card."""
        if self.stream is None:
            return f"{len(self):,} of {self.description}"
        return f"a {self.description}" + (f" of {self.known:,} pictures" if self.known else "")

    @property
    def known(self) -> int | None:
        """Return the number of images. For a stream, return the number that it states, or None."""
        return self.stream.length if self.stream else len(self)

    def encode(self, latents: Tensor, encoder: str) -> None:
        """Set the images' latents, float32 (N, C, H, W), which replace the pixels in training.

        encoder: a digest of the autoencoder that made the latents.
        """
        self.latents, self.encoder = latents, encoder

    def tokenize(self, tokens: Tensor, none: Tensor) -> None:
        """Use the captions' tokens as labels. tokens: int64 (N, L); none: the tokens of an empty caption, (L,)."""
        self.labels, self._no_label = tokens, none.numpy()

    def number_captions(self) -> None:
        """Use the captions' indices as labels; −1 stands for an empty caption."""
        self.labels, self._no_label = torch.arange(len(self)), -1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (C, H, W) of the training data, which are pixels or latents."""
        if self.latents is not None:
            channels, height, width = self.latents.shape[1:]
            return channels, height, width
        return self.channels, self._size, self._size

    def label(self, i: int, dropped: bool) -> int | np.ndarray:
        """Return the class of image i, or its caption's tokens, (L,). dropped: return the label for "none" instead."""
        assert self.labels is not None
        if dropped:
            return self._no_label
        return self.labels[i].numpy() if self.labels.ndim > 1 else int(self.labels[i])

    @property
    def num_classes(self) -> int:
        """Return the number of classes, 0 without labels."""
        return len(self.classes or ())

    def read(self, i: int) -> tuple[np.ndarray, int]:
        """Return image i, uint8 (H, W, C), and 0. If image i is broken, return the next image that can be read, and the
        number of broken images before it. Raises TrainError if no image can be read.
        """
        for skipped in range(len(self)):
            try:
                return self._read((i + skipped) % len(self)), skipped
            except TrainError:
                continue
        raise TrainError(f"None of the {len(self)} images of {self.description} can be read: {KINDS} is needed.")

    def some(self, count: int) -> tuple[np.ndarray, Tensor | None]:
        """Return up to `count` images, uint8 (N, H, W, channels), and their labels or None.

        The images are spread evenly over the data; a stream gives its first images. Raises TrainError if no image can
        be read.
        """
        if self.stream is None:
            rows = np.linspace(0, len(self) - 1, min(len(self), count)).round().astype(int).tolist()
            pixels = np.stack([self.read(i)[0] for i in rows]) if self.pixels is None else self.pixels[rows].numpy()
            return pixels, None if self.labels is None else self.labels[rows]
        found = [(n, self.of_item(item)) for n, item in enumerate(self.stream.head[:count])]
        whole = [(n, pixels) for n, pixels in found if pixels is not None]
        if not whole:
            raise TrainError(f"None of the first {len(found)} images of the {self.description} can be read.")
        labels = [self.label_of_item(self.stream.head[n], n, dropped=False) for n, _ in whole] if self.classes else None
        return np.stack([pixels for _, pixels in whole]), None if labels is None else torch.tensor(labels)

    def of_item(self, item: Any) -> np.ndarray | None:
        """Return the pixels of an item of the stream, uint8 (H, W, channels), or None if it can't be read."""
        try:
            with as_train_error(str):
                picture = to_8_bits(as_picture(as_example(item).picture), self.channels)
        except TrainError:
            return None
        return square(picture, self._size)

    def label_of_item(self, item: Any, n: int, dropped: bool) -> int:
        """Return the class of item n of the stream, or if `dropped`, the label for "none". Raises TrainError for an
        unknown class.
        """
        assert self.stream is not None and isinstance(self._no_label, int)
        return self._no_label if dropped else self.stream.label(item, n)

    def pixels_near(self, device: torch.device) -> Tensor | None:
        """Return the pixels in memory, or None. They move to the GPU if they fill less than a quarter of its free
        memory.
        """
        if self.pixels is None or device.type != "cuda":
            return self.pixels
        room = torch.cuda.mem_get_info(device)[0] / 4
        return self.pixels.to(device) if self.pixels.nbytes < room else self.pixels

    def note_broken(self, first: int, count: int) -> Iterator[str]:
        """Record that `count` images from index `first` on can't be read. Yield the names that were not recorded
        before.
        """
        for i in range(first, first + count):
            name = f"picture {i + 1:,} of the {self.description}" if self.stream else self._source.name(i % len(self))
            if name not in self.broken:
                self.broken.append(name)
                yield name

    def _labels(self, names: Sequence[str], classes: Sequence[str]) -> list[int]:
        """Return the label of every image, −1 for none. names, classes: the classes in the order of the source and of
        the run.
        """
        number = [classes.index(name) for name in names] + [-1]  # label −1 means none, and number[−1] is −1
        return [number[self._source.label(i)] for i in self.index.tolist()]

    def _read(self, i: int) -> np.ndarray:
        """Return the pixels of the source's image i, uint8 (H, W, channels). Raises TrainError if it is broken."""
        return self._source.pixels(i, self._size, self.channels)

    @cached_property
    def digests(self) -> dict[str, str | None]:
        """Return SHA-256 digests that identify the images: "files" (of names or sizes), "pixels", "labels" and
        "captions". A digest is None if there is nothing to hash.
        """
        if self.stream:
            return dict.fromkeys(("files", "captions", "pixels", "labels"))
        files = hashlib.sha256()
        for i in self.index.tolist():
            files.update(self._source.mark(i).encode("utf-8", "surrogateescape") + b"\n")
        tensors = {"pixels": self.pixels, "labels": self.labels}
        of = {name: None if x is None else hashlib.sha256(x.numpy().data).hexdigest() for name, x in tensors.items()}
        captions = None if self.captions is None else hashlib.sha256(json.dumps(self.captions).encode()).hexdigest()
        return {"files": files.hexdigest(), "captions": captions, **of}

    def _decode(self, count: int, quiet: bool) -> None:
        """Read all images into `pixels`, and keep the readable ones in `index`. Raises TrainError if no image is
        left.
        """
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
