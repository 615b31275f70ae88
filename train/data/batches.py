"""Batches: the image and all random draws of a run's training example n are functions of (seed, n).

n = step · batch + position. No generator is shared between examples. So a resumed run gets the same images and noise as
an uninterrupted one, and k processes get the same as one process with the same batch (except for dropout).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from train.common.config import Config
from train.data.images import Images

# The purpose of a draw is the high word of Philox's counter, so that draws for different purposes are independent.
_ORDER, _EXAMPLE, _STEP, CUT = 1, 2, 3, 4


def generator(seed: int, number: int, purpose: int) -> np.random.Generator:
    """Return a counter-based generator. number: the number of an epoch, an example or a step; purpose: see `_ORDER`."""
    return np.random.Generator(np.random.Philox(key=[seed, number], counter=[0, 0, 0, purpose]))


def torch_seed(seed: int, step: int, round: int, process: int) -> int:
    """Return the seed of torch's own generator (dropout) for one round of one step in one process."""
    return int(np.random.Philox(key=[seed, step], counter=[0, round, process, _STEP]).random_raw()) >> 1


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return the order of the images in an epoch, int64 (count,)."""
    return generator(seed, epoch, _ORDER).permutation(count)


def image_of(seed: int, n: int, count: int) -> int:
    """Return the image of example n, as an index from 0 to count − 1. Every epoch has its own permutation."""
    epoch, position = divmod(n, count)
    return int(_permutation(seed, epoch, count)[position])


Example = dict[str, np.ndarray | int | bool]


class Draws:
    """The random draws of an example: t, ε, whether its image is mirrored, and whether its label is dropped.

    times: P(t <= n) for n = 1..T, or None where every t is equally likely. shape: the shape of ε, (C, H, W).
    """

    def __init__(self, config: Config, times: np.ndarray | None, shape: tuple[int, int, int]):
        self._config, self._times, self._shape = config, times, shape

    def of(self, n: int) -> tuple[Example, bool]:
        """Return t, mirror and eps of example n, and whether its label is dropped."""
        rng = generator(self._config.seed, n, _EXAMPLE)
        example: Example = {"t": self._draw_time(rng), "mirror": bool(rng.random() < 0.5) and self._config.flip}
        dropped = bool(rng.random() < self._config.label_dropout)
        example["eps"] = rng.standard_normal(self._shape, dtype=np.float32)
        return example, dropped

    def _draw_time(self, rng: np.random.Generator) -> int:
        """Draw t, 1..T."""
        T = self._config.T
        if self._times is None:
            return int(rng.integers(1, T + 1))
        return min(int(np.searchsorted(self._times, rng.random(), side="right")) + 1, T)


class TrainingExamples(Dataset):
    """The examples of a run, as dicts: n, image (its index), t, eps, mirror, skipped, and label if there are labels.

    If the pixels are not in memory, an example also has "pixels": those of the first image that can be read, after
    `skipped` broken images.

    times: P(t <= n) for n = 1..T, or None where every t is equally likely.
    noises: how many ε an example has, side by side as channels.
    examples: the number of different examples; later n repeat them, each time in another order. None: no repeats.
    """

    def __init__(
        self,
        config: Config,
        images: Images,
        times: np.ndarray | None,
        noises: int = 1,
        examples: int | None = None,
    ):
        self._config, self._images, self._examples = config, images, examples
        channels, height, width = images.shape
        self._draws = Draws(config, times, (noises * channels, height, width))

    def __getitem__(self, n: int) -> Example:
        """Return the dict of example n. If examples repeat, its "n" is the number of the repeated example."""
        config, images = self._config, self._images
        if self._examples:
            n = image_of(config.seed, n, self._examples)
        i = image_of(config.seed, n, len(images))
        drawn, dropped = self._draws.of(n)
        example: Example = {"n": n, "image": i, **drawn}
        skipped = 0
        if images.pixels is None:
            example["pixels"], skipped = images.read(i)
        example["skipped"] = skipped
        if images.labels is not None:
            example["label"] = images.label((i + skipped) % len(images), dropped)
        return example


class StreamedExamples(IterableDataset):
    """The examples of a stream, in its order: example n has item n. Yields only those of this process, from step
    `start` on.

    An item that can't be read is replaced by this process's previous item.
    """

    def __init__(
        self, config: Config, images: Images, times: np.ndarray | None, start: int, process: int, processes: int
    ):
        self._config, self._images, self._start = config, images, start
        self._process, self._processes = process, processes
        self._draws = Draws(config, times, images.shape)

    def __iter__(self) -> Iterator[Example]:
        """Yield the examples of this process up to the last step."""
        config, images = self._config, self._images
        assert images.stream is not None
        share = config.batch // (config.accumulate * self._processes)
        last = images.some(1)[0][0]
        for n, item in images.stream.items(self._start * config.batch):
            if n % config.batch // share % self._processes == self._process:
                drawn, dropped = self._draws.of(n)
                pixels = images.of_item(item)
                example: Example = {"n": n, "image": n, **drawn, "skipped": int(pixels is None)}
                last = example["pixels"] = last if pixels is None else pixels
                if images.classes:
                    example["label"] = images.label_of_item(item, n, dropped)
                yield example
            if n + 1 == config.steps * config.batch:
                return


class _Rounds(Sampler[list[int]]):
    """The example numbers of this process, in one list for each round of each step from `start` on."""

    def __init__(self, config: Config, start: int, process: int, processes: int):
        self._config, self._start, self._process, self._processes = config, start, process, processes

    def __len__(self) -> int:
        """Return the number of rounds."""
        return (self._config.steps - self._start) * self._config.accumulate

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the example numbers of one round after another."""
        config = self._config
        share = config.batch // (config.accumulate * self._processes)
        for step in range(self._start, config.steps):
            for round in range(config.accumulate):
                first = step * config.batch + (round * self._processes + self._process) * share
                yield list(range(first, first + share))


def batches(
    config: Config,
    images: Images,
    times: np.ndarray | None,
    start: int,
    process: int,
    processes: int,
    pinned: bool = False,
    noises: int = 1,
    examples: int | None = None,
) -> Iterator[dict[str, Tensor]]:
    """Return the collated rounds of this process: `accumulate` rounds for each step from `start` to the last.

    times, noises, examples: see `TrainingExamples`. pinned: whether to use pinned memory, from which a CUDA device
        copies without a wait.
    """
    if images.stream is not None:
        stream = StreamedExamples(config, images, times, start, process, processes)
        share = config.batch // (config.accumulate * processes)
        return iter(DataLoader(stream, share, pin_memory=pinned))
    rounds = _Rounds(config, start, process, processes)
    return iter(
        DataLoader(
            TrainingExamples(config, images, times, noises, examples),
            batch_sampler=rounds,
            num_workers=config.workers,
            pin_memory=pinned,
            worker_init_fn=_ignore_signals,
        )
    )


def read_ahead(rounds: Iterator[dict[str, Tensor]], device: torch.device) -> Iterator[dict[str, Tensor]]:
    """Yield the rounds unchanged. While a GPU computes, a thread reads the next round; a CPU has no free thread."""
    if device.type == "cpu":
        yield from rounds
        return
    with ThreadPoolExecutor(1, "train-rounds") as thread:
        following = thread.submit(next, rounds, None)
        while (now := following.result()) is not None:
            following = thread.submit(next, rounds, None)
            yield now


def _ignore_signals(_worker: int) -> None:
    """Ignore Ctrl-C and SIGTERM, which reach all processes of a run: the trainer still needs images for its last
    step.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
