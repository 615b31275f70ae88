"""Seeded Gaussian noise: a function of (seed, stream) and nothing else, so it never depends on the batch or the device.

Stream 0 is x_T and stream i + 1 the noise of step i. NumPy's Philox is counter-based: every (seed, stream) is a key of
its own, no state is carried, and all 2^63 seeds differ (torch's CPU generator aliases seeds that are 2^32 apart).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

MAX_SEED = 2**63 - 1
Noise = Callable[[int, Tensor], Tensor]  # (index of the step, x) -> a tensor like x


def check_seed(seed: int) -> int:
    """The seed as an int; ValueError unless it is a whole number from 0 to 2^63 − 1."""
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if isinstance(seed, bool) or not 0 <= value <= MAX_SEED:
        raise ValueError(f"a seed is a whole number from 0 to 2^63 − 1, got {seed!r}")
    return value


def check_seeds(seeds: Iterable[int]) -> list[int]:
    """The seeds as a list; ValueError unless they are some, and each is what `check_seed` allows."""
    try:
        each = list(seeds)
    except TypeError:
        raise ValueError(f"seeds are a list, one for each image, as [7] or range(7, 15), got {seeds!r}") from None
    if not each:
        raise ValueError("give at least one seed")
    return [check_seed(seed) for seed in each]


def gaussian(seed: int, stream: int, shape: Sequence[int]) -> Tensor:
    """Standard normal noise, float32 on the CPU, of the given shape. seed: 0..2^63 − 1; stream: 0..2^64 − 1."""
    generator = np.random.Generator(np.random.Philox(key=[check_seed(seed), stream]))
    return torch.from_numpy(generator.standard_normal(tuple(shape), dtype=np.float32))


def gaussian_batch(seeds: Sequence[int], stream: int, shape: Sequence[int]) -> Tensor:
    """One image of noise per seed: float32 (N, *shape)."""
    return torch.stack([gaussian(seed, stream, shape) for seed in seeds])
