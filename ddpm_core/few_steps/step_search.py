"""The dynamic programme behind optimised time steps: GITS (Chen et al. 2024, "On the Trajectory Regularity of ODE-based
Diffusion Sampling", arXiv 2405.11326).

All trajectories of a model, from noise to image, have nearly one shape. So what one jump of a sampler between two times
of a fine teacher gets wrong is computed from the teacher's states, without another evaluation of the network, and the
chain of n jumps with the least sum of errors is found exactly.

Three things are not as in the paper. The jump is the sampler's own, for a multistep solver from an exact past, where
the paper takes Euler's for all. Squares of errors are added, not distances. And a chain may start below T: x_T is taken
for x_t there, at the cost of the difference.

`products` are always the mean inner products of the teacher's states, on which all squared errors depend: float64
(2N + 1, 2N + 1) for N times, of x_t at each time and of x_0, then of x̂_0 as seen from each time, over their number of
values. Index N is s = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ddpm_core.schedule import NoiseSchedule


def start_errors(products: np.ndarray) -> np.ndarray:
    """Squared error of x_T taken for x_t, for each of the N times: (N,)."""
    n = len(products) // 2
    squares = products.diagonal()[:n]
    return squares[0] - 2 * products[0, :n] + squares


def first_order_errors(schedule: NoiseSchedule, times: Sequence[int], products: np.ndarray) -> np.ndarray:
    """Squared error of DDIM's jump from each time to each later one, and last to s = 0: (N, N + 1), ∞ for no jump.

    x_s = (σ_s/σ_t) x_t + (√ᾱ_s − √ᾱ_t σ_s/σ_t) x̂_0 with σ = √(1 − ᾱ).
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
    """The same of DPM-Solver++'s multistep jump from i to j after one from h to i: (N, N, N + 1), ∞ for no jump.

    x_s = (σ_s/σ_t) x_t + √ᾱ_s (1 − e^(−η)) (x̂_0 + (x̂_0 − x̂_0 before) / (2r)) with λ = ln(√ᾱ/σ), η = λ_s − λ_t and
    r = (λ_t − λ before) / η (Lu et al. 2022, "DPM-Solver++", Algorithm 2); the jump to s = 0 is of first order. UniPC's
    is the same jump, which the next x̂_0 corrects afterwards.
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
    """√ᾱ and σ = √(1 − ᾱ) of each time and of 0, and ln(√ᾱ/σ) of each time."""
    alpha_bar = schedule.alpha_bar[[*times, 0]].numpy()
    alpha, sigma = np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
    return alpha, sigma, np.log(alpha[:-1] / sigma[:-1])


def _squared(products: np.ndarray, states: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
    """Mean square of the weighted sums of states: Σ_ab w_a w_b ⟨a, b⟩. states: their rows in products; each (n,)."""
    total = np.zeros(len(states[0]))
    for row, weight in zip(states, weights, strict=True):
        for other_row, other_weight in zip(states, weights, strict=True):
            total += weight * other_weight * products[row, other_row]
    return np.maximum(total, 0)


def best_chains(
    start: np.ndarray, first: np.ndarray, jump: np.ndarray, most: int, growth: float
) -> dict[int, list[int]]:
    """For n = 1..most steps the times with the least sum of errors, as indices into N times, ascending.

    start: (N,) of starting at i. first: (N, N + 1) of the first jump, i to j. jump: (N, N, N + 1) of any later one, i
    to j after h to i. ∞ where there is none. growth: an error counts so many times more with each jump that follows it.
    """
    n = len(start)
    cost = growth * start[:, None] + first  # the cost of the best chain whose last jump is i to j
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
