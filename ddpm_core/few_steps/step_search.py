"""Find optimised time steps by dynamic programming.

The method is GITS (Chen et al. 2024, "On the Trajectory Regularity of ODE-based Diffusion Sampling", arXiv 2405.11326).
All trajectories of a model, from noise to image, have nearly the same shape. So the error of one step of a sampler
between two of the teacher's times can be computed from the teacher's states, without evaluating the network. Then
dynamic programming finds the chain of n steps with the least sum of errors.

Three things differ from the paper. First, the paper uses Euler's step for all samplers. Here, each sampler has its own
step, and the step of a multistep solver follows an exact state. Second, squared errors are added, not distances. Third,
a chain may start below T; then x_T serves as x_t, and the difference counts as an error.

All squared errors follow from `products`, the inner products of the teacher's states, divided by the number of values:
float64 (2N + 1, 2N + 1) for N times. The states are x_t at the N times, x_0, and x̂_0 predicted at the N times, in this
order. So index N belongs to s = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ddpm_core.schedule import NoiseSchedule


def start_errors(products: np.ndarray) -> np.ndarray:
    """Return the squared error of using x_T as x_t, at each of the teacher's N times: (N,)."""
    n = len(products) // 2
    squares = products.diagonal()[:n]
    return squares[0] - 2 * products[0, :n] + squares


def first_order_errors(schedule: NoiseSchedule, times: Sequence[int], products: np.ndarray) -> np.ndarray:
    """Return the squared error of DDIM's step from time i to time j, and to s = 0 for j = N: (N, N + 1).

    The error is ∞ unless the step goes down in t. With σ = √(1 − ᾱ), the step is
    x_s = (σ_s/σ_t) x_t + (√ᾱ_s − √ᾱ_t σ_s/σ_t) x̂_0.
    """
    n = len(times)
    alpha, sigma, _ = _tables(schedule, times)
    errors = np.full((n, n + 1), np.inf)
    i, j = np.triu_indices(n, 1, n + 1)
    ratio = sigma[j] / sigma[i]
    weights = [ratio, alpha[j] - alpha[i] * ratio, -np.ones(len(i))]
    errors[i, j] = _squared(products, [i, n + 1 + i, j], weights)
    return errors


def second_order_errors(schedule: NoiseSchedule, times: Sequence[int], products: np.ndarray) -> np.ndarray:
    """Return the squared error of DPM-Solver++'s step from time i to j after a step from h to i: (N, N, N + 1).

    The error is ∞ unless both steps go down in t. With the earlier prediction x̂_0' at time h, the step is
    x_s = (σ_s/σ_t) x_t + √ᾱ_s (1 − e^(−η)) (x̂_0 + (x̂_0 − x̂_0')/(2r)), where λ = ln(√ᾱ/σ), η = λ_s − λ_t and
    r = (λ_t − λ_h)/η (Lu et al. 2022, "DPM-Solver++", Algorithm 2). The step to s = 0 is of first order. UniPC has the
    same step, and corrects it with the next x̂_0.
    """
    n = len(times)
    alpha, sigma, log_ratio = _tables(schedule, times)
    errors = np.full((n, n, n + 1), np.inf)
    h, i, j = np.nonzero(np.fromfunction(lambda h, i, j: (h < i) & (i < j) & (j < n), errors.shape, dtype=int))
    eta = log_ratio[j] - log_ratio[i]
    towards = -alpha[j] * np.expm1(-eta)
    slope = towards * eta / (2 * (log_ratio[i] - log_ratio[h]))
    weights = [sigma[j] / sigma[i], towards + slope, -slope, -np.ones(len(i))]
    errors[h, i, j] = _squared(products, [i, n + 1 + i, n + 1 + h, j], weights)
    h, i = np.triu_indices(n, 1)
    errors[h, i, n] = first_order_errors(schedule, times, products)[i, n]
    return errors


def _tables(schedule: NoiseSchedule, times: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return √ᾱ and σ = √(1 − ᾱ) at each time and at 0, and ln(√ᾱ/σ) at each time."""
    alpha_bar = schedule.alpha_bar[[*times, 0]].numpy()
    alpha, sigma = np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
    return alpha, sigma, np.log(alpha[:-1] / sigma[:-1])


def _squared(products: np.ndarray, states: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean squares of n weighted sums of states, Σ_ab w_a w_b ⟨a, b⟩: (n,).

    states, weights: for each summand, an array of its n rows in `products`, and an array of its n weights.
    """
    total = np.zeros(len(states[0]))
    for row, weight in zip(states, weights, strict=True):
        for other_row, other_weight in zip(states, weights, strict=True):
            total += weight * other_weight * products[row, other_row]
    return np.maximum(total, 0)


def best_chains(
    start: np.ndarray, first: np.ndarray, jump: np.ndarray, most: int, growth: float
) -> dict[int, list[int]]:
    """Return for n = 1..most steps the times with the least sum of errors, as ascending indices of the N times.

    Arguments:
        start: the error of starting at time i, (N,).
        first: the error of the first step, from i to j, (N, N + 1); ∞ if there is no such step.
        jump: the error of a later step, from i to j after a step from h to i, (N, N, N + 1); ∞ if there is none.
        most: the largest number of steps.
        growth: the factor by which an error grows in each later step.
    """
    n = len(start)
    cost = growth * start[:, None] + first  # cost[i, j]: the error of the best chain whose last step goes from i to j
    chains, choices = {1: [int(cost[:, n].argmin())]}, []
    for steps in range(2, most + 1):
        total = growth * cost[:, :n, None] + jump
        choices.append(total.argmin(0))
        cost = total.min(0)
        i, j = int(cost[:, n].argmin()), n
        chain = [i]
        for choice in reversed(choices):
            i, j = int(choice[i, j]), i
            chain.insert(0, i)
        chains[steps] = chain
    return chains
