"""Batches: which image sample n of a run is, and every random draw that belongs to it, as functions of (seed, n).

Sample n = step · batch + position. Nothing is drawn from a shared generator, so a resumed run sees what an
uninterrupted one would have seen, and k processes see what one with the same batch would (dropout apart).
"""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ddpm_core.image_files import is_grey, square, to_8_bits
from train import TrainError
from train.data.sources import open_source
from train.fit.config import Config, time_distribution

# Draws of one purpose never meet those of another: the purpose is the high word of Philox's counter.
_ORDER, _SAMPLE, _STEP = 1, 2, 3
LOOKED_AT = 1000  # images that tell whether a data set is grey


def generator(seed: int, number: int, purpose: int) -> np.random.Generator:
    """The counter-based generator of one epoch, sample or step."""
    return np.random.Generator(np.random.Philox(key=[seed, number], counter=[0, 0, 0, purpose]))


def torch_seed(seed: int, step: int, round: int, process: int) -> int:
    """Seed of torch's own generator (dropout) for one round of one step in one process."""
    return int(np.random.Philox(key=[seed, step], counter=[0, round, process, _STEP]).random_raw()) >> 1


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return generator(seed, epoch, _ORDER).permutation(count)


def image_of(seed: int, n: int, count: int) -> int:
    """Which of `count` images sample n is: every epoch is a permutation of its own."""
    epoch, position = divmod(n, count)
    return int(_permutation(seed, epoch, count)[position])


def prepare(picture: Image.Image, size: int, channels: int = 3) -> np.ndarray:
    """uint8 (size, size, channels): see image_files.to_8_bits, and `square` for what is resized and cropped."""
    return square(to_8_bits(picture, channels), size)


def count_channels(source: Any) -> int:
    """1 where all images of a source (see train.data.sources) are grey, else 3. Looks at LOOKED_AT of a larger one."""
    seen, total = 0, len(source)
    for i in np.linspace(0, total - 1, min(total, LOOKED_AT)).round().astype(int).tolist():
        try:
            with source.picture(i) as picture:
                grey = is_grey(picture)
        except Exception:  # as in Images.read
            continue
        if not grey:
            return 3
        seen += 1
    return 1 if seen else 3


class Images:
    """The images of a run.

    classes: names, or None; channels: config's, or what the images have; pixels: uint8 (N, H, W, channels) when they
    are kept in memory, else None; broken: what could not be read so far, by name. Raises TrainError when there is
    nothing to train on, or no labels for a conditional run.
    """

    def __init__(self, config: Config, quiet: bool = False, classes: Sequence[str] = ()):
        """classes: those of the run that goes on, whose order stays where they are the same as the source's."""
        self._source = open_source(config.data, config.split, config.data_cache)
        self._size = config.image_size
        self.channels = config.channels or count_channels(self._source)
        self.description = self._source.description
        names = self._source.classes if config.conditional else None
        self.classes = tuple(classes) if names and sorted(classes) == sorted(names) else names
        if config.conditional and not self.classes:
            raise TrainError(f"{config.data} has no class labels: add --no-conditional.")
        self.broken: list[str] = []
        self.pixels: Tensor | None = None
        count = len(self._source)
        self.index = np.arange(count)  # of the images that can be read, as far as that is known
        if count * self._size**2 * self.channels <= config.memory * 1e9:
            self._decode(count, quiet)
        self.labels = torch.tensor(self._labels(names)) if self.classes else None
        if self.labels is not None and int(self.labels.min()) < 0:
            raise TrainError(f"{config.data} has images without a label: add --no-conditional.")

    def __len__(self) -> int:
        return len(self.index)

    def read(self, i: int) -> tuple[np.ndarray, int]:
        """(uint8 (H, W, C), how many images in a row were broken before one could be read) for image i or the next."""
        for skipped in range(len(self)):
            try:
                return self._prepare((i + skipped) % len(self)), skipped
            except Exception:  # broken files make Pillow raise nearly anything
                continue
        raise TrainError(f"None of the {len(self)} images of {self.description} can be read.")

    def note_broken(self, i: int) -> bool:
        """Count image i as one that can't be read; whether that is news."""
        name = self._source.name(i % len(self))
        news = name not in self.broken
        if news:
            self.broken.append(name)
        return news

    def _labels(self, names: tuple[str, ...]) -> list[int]:
        """The label of every image, -1 for none; names: the classes as the source numbers them."""
        number = [self.classes.index(name) for name in names] + [-1]
        return [number[self._source.label(i)] for i in self.index]

    def _prepare(self, i: int) -> np.ndarray:
        return prepare(self._source.picture(i), self._size, self.channels)

    @cached_property
    def digests(self) -> dict[str, str | None]:
        """SHA-256 of what tells these images from others: "files" (names or sizes), "pixels" and "labels", if there."""
        files = hashlib.sha256()
        for i in self.index.tolist():
            files.update(self._source.mark(i).encode("utf-8", "surrogateescape") + b"\n")
        tensors = {"pixels": self.pixels, "labels": self.labels}
        of = {name: None if x is None else hashlib.sha256(x.numpy()).hexdigest() for name, x in tensors.items()}
        return {"files": files.hexdigest(), **of}

    def _decode(self, count: int, quiet: bool) -> None:
        pixels = np.empty((count, self._size, self._size, self.channels), np.uint8)
        whole = []
        for i in tqdm(range(count), "reading images", unit="image", leave=False, disable=quiet, mininterval=1):
            try:
                pixels[len(whole)] = self._prepare(i)
                whole.append(i)
            except Exception:  # as in read()
                self.broken.append(self._source.name(i))
        if not whole:
            raise TrainError(f"None of the {count} images of {self.description} can be read.")
        self.index = np.array(whole)
        self.pixels = torch.from_numpy(pixels[: len(whole)])


class Samples(Dataset):
    """Sample n of the run: image (or its number, when pixels are in memory), label, t, ε and whether to mirror it."""

    def __init__(self, config: Config, images: Images):
        self._config, self._images = config, images
        self._times = time_distribution(config)

    def __getitem__(self, n: int) -> dict[str, np.ndarray | int | bool]:
        config, images = self._config, self._images
        i = image_of(config.seed, n, len(images))
        rng = generator(config.seed, n, _SAMPLE)
        sample = {
            "image": i,
            "t": self._draw_time(rng),
            "mirror": bool(rng.random() < 0.5) and config.flip,
        }
        dropped = bool(rng.random() < config.label_dropout)
        shape = (images.channels, config.image_size, config.image_size)
        sample["eps"] = rng.standard_normal(shape, dtype=np.float32)
        skipped = 0
        if images.pixels is None:
            sample["pixels"], skipped = images.read(i)
        sample["skipped"] = skipped
        if images.labels is not None:
            label = int(images.labels[(i + skipped) % len(images)])
            sample["label"] = len(images.classes) if dropped else label
        return sample

    def _draw_time(self, rng: np.random.Generator) -> int:
        T = self._config.T
        if self._times is None:
            return int(rng.integers(1, T + 1))
        return min(int(np.searchsorted(self._times, rng.random(), side="right")) + 1, T)


class _Rounds:
    """The sample numbers of this process: one list for each round of each step from `start` on."""

    def __init__(self, config: Config, start: int, process: int, processes: int):
        self._config, self._start, self._process, self._processes = config, start, process, processes

    def __len__(self) -> int:
        return (self._config.steps - self._start) * self._config.accumulate

    def __iter__(self) -> Iterator[range]:
        config = self._config
        share = config.batch // (config.accumulate * self._processes)
        for step in range(self._start, config.steps):
            for round in range(config.accumulate):
                first = step * config.batch + (round * self._processes + self._process) * share
                yield range(first, first + share)


def batches(config: Config, images: Images, start: int, process: int, processes: int) -> Iterator[dict[str, Tensor]]:
    """The rounds of this process, `accumulate` for each step from `start` to the last, collated."""
    rounds = _Rounds(config, start, process, processes)
    return iter(
        DataLoader(
            Samples(config, images),
            batch_sampler=rounds,
            num_workers=config.workers,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_leave_signals_to_the_trainer,
        )
    )


def _leave_signals_to_the_trainer(_worker: int) -> None:
    """Ctrl-C, and often SIGTERM, reach every process of a run, whose last steps still want their images."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
