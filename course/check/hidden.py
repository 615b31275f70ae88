"""Hidden inputs that several exercises share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from course.check.exercise import Case
from ddpm_core import NoiseSchedule
from ddpm_core.noise import gaussian

SCHEDULE = NoiseSchedule.linear(T=1000, beta_start=2e-4, beta_end=0.015)  # not the paper's: nobody knows its numbers
TIMES = (1, 2, 500, 1000)
SHAPE = (3, 2, 4, 5)  # all sizes differ, so that no wrong broadcast fits


def noise(stream: int, shape: Sequence[int] = SHAPE, dtype: torch.dtype = torch.float64) -> Tensor:
    """Some numbers, always the same for a stream."""
    return gaussian(4, stream, shape).to(dtype)


def per_image(table: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """table[t], shaped so that each image of x gets its own number."""
    return table[t].reshape(-1, *[1] * (x.ndim - 1)).to(x.dtype)


def linear_cases(names: tuple[str, str], times: Sequence[int] = TIMES, *others: object) -> list[Case]:
    """(schedule, a, t, b, *others) for functions that are linear in a and b: a alone, b alone, both."""
    a, b = noise(0), noise(1)
    parts = {f"{names[0]} alone": (a, 0 * b), f"{names[1]} alone": (0 * a, b), "both": (a, b)}
    return [
        Case(f"t = {t}", (SCHEDULE, first, t, second, *others), part)
        for part, (first, second) in parts.items()
        for t in times
    ]
