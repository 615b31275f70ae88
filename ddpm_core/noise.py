"""Seeded Gaussian noise: a function of (seed, stream) and nothing else, so it never depends on the batch or the device.

Stream 0 is x_T, and stream i + 1 is the noise of step i. NumPy's Philox is counter-based: every (seed, stream) is a
separate key, no state is carried, and all 2^63 seeds differ. (torch's CPU generator repeats itself for seeds that are
2^32 apart.)
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
Seeds = Sequence[SupportsIndex] | np.ndarray  # whole numbers, also NumPy's
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
    """Return the seeds as a list. Raise ValueError if there are none, or `check_seed` refuses one."""
    try:
        each = list(seeds)
    except TypeError:
        raise ValueError(f"seeds are a list, one for each image, as [7] or range(7, 15), got {seeds!r}") from None
    if not each:
        raise ValueError("give at least one seed")
    return [check_seed(seed) for seed in each]


def gaussian(seed: SupportsIndex, stream: int, shape: Sequence[int]) -> Tensor:
    """Draw standard normal noise, float32 on the CPU, of the given shape. seed: 0..2^63 − 1; stream: 0..2^64 − 1."""
    return torch.from_numpy(generator(seed, stream).standard_normal(tuple(shape), dtype=np.float32))


def generator(seed: SupportsIndex, stream: int) -> np.random.Generator:
    """Return NumPy's generator of one stream of a seed."""
    return np.random.Generator(np.random.Philox(key=[check_seed(seed), stream]))


def seeded_noise(seeds: Seeds, first: int = 1) -> Noise:
    """Return the noise of a run: noise(index, x) is stream `first` + index of each seed, like x.

    While a GPU computes one step, a thread draws the noise of the next.

    Arguments:
        seeds: one for each image.
        first: the stream of step 0; in a run it is 1. With 0, noise(0, x) is x_T of the run. With 2^32, for example, no
            step of the run has this noise.
    """
    seeds = check_seeds(seeds)
    ahead: dict[tuple, Future[Tensor]] = {}
    threads: list[ThreadPoolExecutor] = []  # one, which ends with this run

    def draw(index: int, x: Tensor) -> Tensor:
        drawn = gaussian_batch(seeds, first + index, x.shape[1:]).to(x.dtype)
        return drawn.pin_memory() if x.device.type == "cuda" else drawn  # from where a copy waits for nothing

    def noise(index: int, x: Tensor) -> Tensor:
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
    """Return your own noise function with its results checked. It gets a copy of x, because it may draw in place.

    Its result is cast to the dtype of x and moved to its device. Raises ValueError if it can't be called, or returns
    anything but a float tensor of the shape of x.
    """
    if not callable(noise):
        raise ValueError(f"noise is a function noise(index, x) that returns a tensor like x, got {noise!r}")

    def checked(index: int, x: Tensor) -> Tensor:
        drawn: Any = noise(index, x.clone())
        if not isinstance(drawn, Tensor) or drawn.shape != x.shape or not drawn.is_floating_point():
            found = tensor_text(drawn) if isinstance(drawn, Tensor) else f"a {type(drawn).__name__}"
            raise ValueError(f"noise(index, x) must return a tensor like x, {tensor_text(x)}, got {found}")
        return to_device(drawn.detach(), x.device, x.dtype)

    return checked


def gaussian_batch(seeds: Seeds, stream: int, shape: Sequence[int]) -> Tensor:
    """Draw one image of noise for each seed: float32 (N, *shape)."""
    return torch.stack([gaussian(seed, stream, shape) for seed in seeds])
