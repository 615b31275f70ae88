"""Power-function averages of a run's weights, and any other length of them after the run (Karras et al. 2024, section
3).

A power-function average of n steps gives step k a weight of about k^γ. Its length σ_rel is the standard deviation of
this distribution of k, divided by n. A run keeps snapshots of averages of two lengths. Afterwards, the average of any
other length is a weighted sum of the snapshots: the one whose weights of the steps are nearest to those wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

LENGTHS = 0.05, 0.1  # σ_rel of the averages that a run keeps, as in the paper
SHORTEST, LONGEST = 0.01, 0.28  # about 0.289 would weigh all steps alike
_STEPS = 4096  # whose weights are in memory together


class Profile(NamedTuple):
    """How an average weighs the steps of a run.

    Attributes:
        steps: the steps that it covers, 1..steps.
        exponent: γ.
    """

    steps: int
    exponent: float


def exponent(length: float) -> float:
    """Return γ of the power function of a length σ_rel, Karras et al. 2024, Eq. 126.

    σ_rel² = (γ + 1)/((γ + 2)² (γ + 3)) (Eq. 123) is a cubic equation for γ. Raises ValueError for a length outside
    SHORTEST..LONGEST.
    """
    if not SHORTEST <= length <= LONGEST:
        raise ValueError(f"the length of an average must be {SHORTEST:g} to {LONGEST:g}, got {length:g}")
    return float(np.roots([1, 7, 16 - length**-2, 12 - length**-2]).real.max())


def step_weights(profile: Profile, steps: np.ndarray) -> np.ndarray:
    """Return how much of an average comes from each of these steps, float64 (K,): (k^(γ+1) − (k − 1)^(γ+1))/n^(γ+1).

    This is exact for the average that `ema.PowerAverage` computes, since its decays are (1 − 1/k)^(γ+1). Over the steps
    1..n the sum is 1; later steps have 0.

    Arguments:
        profile: of the average.
        steps: whole numbers from 1, (K,).
    """
    n, power = profile.steps, profile.exponent + 1
    until = np.minimum(steps, n) / n
    return np.where(steps <= n, until**power - (np.maximum(steps - 1, 0) / n) ** power, 0.0)


def combine(snapshots: Sequence[Profile], wanted: Profile) -> tuple[np.ndarray, float]:
    """Return the factors of the snapshots whose sum is nearest to the wanted average, float64 (M,), and the distance.

    "Nearest" is least squares over the weights of all steps (Karras et al. 2024, section 3.2), among factors with sum
    1: then what all weights have in common is kept exactly. The distance is the share of the average that belongs to
    other steps, ½ Σ_k |weight − wanted weight|: 0 is exact, 1 is the worst. Where the steps are many, QR of one part
    after the other keeps the digits that the normal equations would lose.

    Arguments:
        snapshots: the profiles of the averages that were kept, at least one.
        wanted: the profile of the average to make.
    """
    *others, last = snapshots

    def parts() -> Iterator[np.ndarray]:
        for first in range(1, max(wanted.steps, *(one.steps for one in snapshots)) + 1, _STEPS):
            yield np.arange(first, first + _STEPS)  # beyond the last step all weights are 0

    def from_last(profile: Profile, steps: np.ndarray) -> np.ndarray:
        return step_weights(profile, steps) - step_weights(last, steps)

    triangle: Any = np.zeros((0, len(others) + 1))
    for steps in parts():
        columns = np.stack([from_last(profile, steps) for profile in (*others, wanted)], 1)
        triangle = np.linalg.qr(np.concatenate([triangle, columns]), mode="r")
    found = np.linalg.lstsq(triangle[:, :-1], triangle[:, -1], rcond=None)[0]
    factors = np.append(found, 1 - found.sum())
    distance = 0.0
    for steps in parts():
        rows = np.stack([step_weights(profile, steps) for profile in snapshots])
        distance += 0.5 * float(np.abs(factors @ rows - step_weights(wanted, steps)).sum())
    return factors, distance
