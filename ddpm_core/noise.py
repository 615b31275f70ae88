"""Seeded Gaussian noise, which depends only on a seed and a stream number, never on the batch or the device.

Stream 0 is x_T, and stream i + 1 is the noise of step i. NumPy's generator Philox is counter-based: each (seed, stream)
is a key of its own, there is no state, and all 2^63 seeds give different noise. Torch's CPU generator would repeat
itself for seeds that are 2^32 apart.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, SupportsIndex

import numpy as np
import torch
from torch import Tensor

from ddpm_core.model import tensor_text
from ddpm_core.process import to_device

MAX_SEED = 2**63 - 1
Seeds = Sequence[SupportsIndex] | np.ndarray  # one whole number, 0..2^63 − 1, for each image
Noise = Callable[[int, Tensor], Tensor]  # (index of the step, x) -> a tensor like x


def check_seed(seed: SupportsIndex) -> int:
    """Return the seed as an int. Raise ValueError unless it is a whole number from 0 to 2^63 − 1."""
    try:
        value = -1 if isinstance(seed, (bool, np.bool_)) else operator.index(seed)
    except TypeError:
        value = -1
    if not 0 <= value <= MAX_SEED:
        raise ValueError(f"a seed is a whole number from 0 to 2^63 − 1, got {seed!r}")
    return value


def check_seeds(seeds: Iterable[SupportsIndex]) -> list[int]:
    """Return the seeds as a list. Raise ValueError unless there is at least one, and each is in 0..2^63 − 1."""
    try:
        each = list(seeds)
    except TypeError:
        raise ValueError(f"seeds are a list, one for each image, as [7] or range(7, 15), got {seeds!r}") from None
    if not each:
        raise ValueError("give at least one seed")
    return [check_seed(seed) for seed in each]


def gaussian(seed: SupportsIndex, stream: int, shape: Sequence[int]) -> Tensor:
    """Return standard normal noise of the given shape, float32 on the CPU. seed: 0..2^63 − 1; stream: 0..2^64 − 1."""
    return torch.from_numpy(generator(seed, stream).standard_normal(tuple(shape), dtype=np.float32))


def generator(seed: SupportsIndex, stream: int) -> np.random.Generator:
    """Return NumPy's generator of one stream of a seed."""
    return np.random.Generator(np.random.Philox(key=[check_seed(seed), stream]))


def seeded_noise(seeds: Seeds, first: int = 1) -> Noise:
    """Return the noise of a run as a function: noise(index, x) is like x, from stream `first` + index of each seed.

    While a GPU computes a step, a thread draws the noise of the next step.

    Arguments:
        seeds: one for each image.
        first: the stream of step 0. In a run it is 1. With 0, noise(0, x) is x_T of the run. Choose a large number,
            such as 2^32, for noise that no step of a run has.

    Raises:
        ValueError: for no seed, or a seed outside 0..2^63 − 1.
    """
    seeds = check_seeds(seeds)
    ahead: dict[tuple, Future[Tensor]] = {}
    threads: list[ThreadPoolExecutor] = []  # has one thread as soon as a GPU needs noise

    def draw(index: int, x: Tensor) -> Tensor:
        """Return the noise of step `index` in the memory of the CPU."""
        drawn = gaussian_batch(seeds, first + index, x.shape[1:]).to(x.dtype)
        # The CPU does not wait for a copy from pinned memory to the GPU.
        return drawn.pin_memory() if x.device.type == "cuda" else drawn

    def noise(index: int, x: Tensor) -> Tensor:
        """Return the noise of a step. For a GPU, let a thread draw the noise of the next step."""
        if x.device.type == "cpu":
            return draw(index, x)
        if not threads:
            threads.append(ThreadPoolExecutor(1, "ddpm-noise"))
        drawn = ahead.pop((index, x.shape, x.dtype), None)
        ahead.clear()
        ahead[index + 1, x.shape, x.dtype] = threads[0].submit(draw, index + 1, x)
        return to_device(draw(index, x) if drawn is None else drawn.result(), x.device)

    return noise


def own_noise(noise: Noise) -> Noise:
    """Return a user's noise function with checks. Its results get the dtype and the device of x.

    The user's function gets a copy of x, because it may change its argument. Raise ValueError if it can't be called,
    or, during the run, if it does not return a float tensor of the shape of x.
    """
    if not callable(noise):
        raise ValueError(f"noise is a function noise(index, x) that returns a tensor like x, got {noise!r}")

    def checked(index: int, x: Tensor) -> Tensor:
        """Return the noise of a step after checks."""
        drawn: Any = noise(index, x.clone())
        if not isinstance(drawn, Tensor) or drawn.shape != x.shape or not drawn.is_floating_point():
            found = tensor_text(drawn) if isinstance(drawn, Tensor) else f"a {type(drawn).__name__}"
            raise ValueError(f"noise(index, x) must return a tensor like x, {tensor_text(x)}, got {found}")
        return to_device(drawn.detach(), x.device, x.dtype)

    return checked


def gaussian_batch(seeds: Seeds, stream: int, shape: Sequence[int]) -> Tensor:
    """Return standard normal noise of one stream for each seed, float32 (N, *shape) on the CPU."""
    return torch.stack([gaussian(seed, stream, shape) for seed in seeds])
