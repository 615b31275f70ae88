"""Power-function averages of a run's weights (Karras et al. 2024, section 3), and averages of any other length after
the run.

A power-function average of n steps gives step k a weight of about k^γ. Its length σ_rel is the standard deviation of
this distribution of k, divided by n. A run keeps snapshots of averages of two lengths. Afterwards, an average of any
other length is approximated by a weighted sum of the snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

LENGTHS = 0.05, 0.1  # σ_rel of the averages that a run keeps, as in the paper
SHORTEST, LONGEST = 0.01, 0.28  # limits of σ_rel; about 0.289 would give all steps the same weight
_STEPS = 4096  # number of steps whose weights are in memory at once


class Profile(NamedTuple):
    """How an average weighs the steps of a run.

    Attributes:
        steps: the steps that it covers, 1..steps.
        exponent: γ.
    """

    steps: int
    exponent: float


def exponent(length: float) -> float:
    """Return the exponent γ for a length σ_rel (Karras et al. 2024, Eq. 126).

    σ_rel² = (γ + 1)/((γ + 2)² (γ + 3)) (Eq. 123) is a cubic equation for γ. Raises ValueError for a length outside
    SHORTEST..LONGEST.
    """
    if not SHORTEST <= length <= LONGEST:
        raise ValueError(f"the length of an average must be {SHORTEST:g} to {LONGEST:g}, got {length:g}")
    return float(np.roots([1, 7, 16 - length**-2, 12 - length**-2]).real.max())


def step_weights(profile: Profile, steps: np.ndarray) -> np.ndarray:
    """Return the weight of each of these steps in an average, float64 (K,): (k^(γ+1) − (k − 1)^(γ+1))/n^(γ+1).

    This is exact for the average that `ema.PowerAverage` computes, since its decays are (1 − 1/k)^(γ+1). Over the steps
    1..n the sum is 1; later steps have the weight 0.

    Arguments:
        profile: the profile of the average.
        steps: whole numbers from 1, (K,).
    """
    n, power = profile.steps, profile.exponent + 1
    until = np.minimum(steps, n) / n
    return np.where(steps <= n, until**power - (np.maximum(steps - 1, 0) / n) ** power, 0.0)


def combine(snapshots: Sequence[Profile], wanted: Profile) -> tuple[np.ndarray, float]:
    """Return the factors of the snapshots whose weighted sum is nearest to the wanted average, float64 (M,), and the
    distance of that sum.

    "Nearest" means least squares over the weights of all steps (Karras et al. 2024, section 3.2). The factors sum to 1,
    so that a value on which all snapshots agree is kept exactly. The distance is the share of the average that comes
    from other steps than wanted, ½ Σ_k |weight − wanted weight|: 0 is exact, 1 is the worst. Many steps are processed
    in parts by QR, which is more accurate than the normal equations.

    Arguments:
        snapshots: the profiles of the averages that were kept, at least one.
        wanted: the profile of the average to make.
    """
    *others, last = snapshots

    def parts() -> Iterator[np.ndarray]:
        """Yield all steps in groups of _STEPS."""
        for first in range(1, max(wanted.steps, *(one.steps for one in snapshots)) + 1, _STEPS):
            yield np.arange(first, first + _STEPS)  # after the last step all weights are 0

    def from_last(profile: Profile, steps: np.ndarray) -> np.ndarray:
        """Return the weights of these steps in a profile, minus their weights in the last snapshot."""
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
