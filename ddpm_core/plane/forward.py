"""The forward process on one picture: its tables over t, and one jump to t (Eq. 4) compared with t small steps (Eq. 2).

This is for pages and notebooks. All functions but `walk` return NumPy arrays, and pictures as uint8, instead of
tensors.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ddpm_core.imaging import from_uint8, to_uint8
from ddpm_core.noise import gaussian
from ddpm_core.process import posterior, q_sample
from ddpm_core.schedule import NoiseSchedule

SCHEDULES = {
    "linear": NoiseSchedule.linear,
    "cosine": NoiseSchedule.cosine,
    "quadratic": NoiseSchedule.quadratic,
}
JUMP = 0  # noise stream of the jump; the small step to time t uses stream t


def tables(schedule: NoiseSchedule) -> dict[str, np.ndarray]:
    """Return the coefficients of Eqs. 2, 4 and 7 at t = 0..T by name, float64 (T + 1,).

    beta: β_t. signal, noise: √ᾱ_t and √(1 − ᾱ_t), the weights of x_0 and ε in x_t. of_x_0, of_x_t: the weights of x_0
    and x_t in the posterior mean. beta_tilde: the variance of the posterior. The last three are 0 at t = 0, which has
    no posterior.
    """
    t = torch.arange(1, schedule.T + 1)
    one, zero = torch.ones(schedule.T, 1, dtype=torch.float64), torch.zeros(schedule.T, 1, dtype=torch.float64)
    of_x_0, beta_tilde = posterior(schedule, one, zero, t)
    of_x_t, _ = posterior(schedule, zero, one, t)
    return {
        "beta": schedule.beta.numpy(),
        "signal": schedule.alpha_bar.sqrt().numpy(),
        "noise": (1 - schedule.alpha_bar).sqrt().numpy(),
        "of_x_0": _from_0(of_x_0),
        "of_x_t": _from_0(of_x_t),
        "beta_tilde": _from_0(beta_tilde),
    }


def epsilon(seed: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Return ε of the jump for a picture of this shape (H, W, C): standard normal, float32. seed: 0..2^63 − 1."""
    height, width, channels = shape
    return gaussian(seed, JUMP, (1, channels, height, width))[0].permute(1, 2, 0).numpy()


def walk(schedule: NoiseSchedule, x_0: Tensor, t: int, seed: int) -> Tensor:
    """Return x_t after t small steps x_i = √(1 − β_i) x_{i−1} + √β_i ε_i, Eq. 2, each with new noise; t: 0..T."""
    x = x_0
    for i in range(1, t + 1):
        beta = schedule.beta[i].item()
        x = (1 - beta) ** 0.5 * x + beta**0.5 * gaussian(seed, i, x_0.shape)
    return x


@dataclass(frozen=True)
class Comparison:
    """A picture at time t after t small steps and after one jump, with the distributions of the added noise.

    The noise is x_t − √ᾱ_t x_0. At t = 0, there is no noise, and densities, gap and chance are 0.

    Attributes:
        walk, jump: the picture after the small steps, and after the jump, uint8 (H, W, C).
        mean, std: the mean and the standard deviation of the noise, each for the steps and for the jump.
        sigma: √(1 − ᾱ_t), the standard deviation by Eq. 4.
        edges: the edges of the histogram's B bins, (B + 1,), from −4 to 4 in units of sigma.
        walk_density, jump_density: the density of noise/sigma in each bin, (B,).
        gap: the largest difference between the two cumulative distributions (Kolmogorov–Smirnov).
        chance: if both distributions are the same, the gap is below this number with a probability of 95 %.
    """

    walk: np.ndarray
    jump: np.ndarray
    mean: tuple[float, float]
    std: tuple[float, float]
    sigma: float
    edges: np.ndarray
    walk_density: np.ndarray
    jump_density: np.ndarray
    gap: float
    chance: float


def compare(schedule: NoiseSchedule, image: np.ndarray, t: int, seed: int, bins: int = 48) -> Comparison:
    """Compare x_t after t steps of Eq. 2 with x_t after one jump of Eq. 4, for a uint8 (H, W, C) picture.

    The jump's ε is `epsilon(seed, image.shape)`; the steps have other noise. bins: the number of bins of the histogram.
    Raise ValueError for a t that is not a whole number in 0..T.
    """
    try:
        inside = 0 <= operator.index(t) <= schedule.T
    except TypeError:
        inside = False
    if not inside:
        raise ValueError(f"t must be whole and lie in 0..{schedule.T}, got {t}")
    x_0 = from_uint8(image[None])
    noise = torch.from_numpy(epsilon(seed, image.shape)).permute(2, 0, 1)[None]
    walked, jumped = walk(schedule, x_0, t, seed), q_sample(schedule, x_0, t, noise)
    alpha_bar = schedule.alpha_bar[t].item()
    sigma = (1 - alpha_bar) ** 0.5
    added = [(x - alpha_bar**0.5 * x_0).flatten().double().numpy() for x in (walked, jumped)]
    edges = np.linspace(-4, 4, bins + 1)
    densities, gap, chance = [np.zeros(bins)] * 2, 0.0, 0.0
    if sigma > 0:
        densities = [np.histogram(a / sigma, edges)[0] / len(a) / (edges[1] - edges[0]) for a in added]
        gap, chance = _gap(*added), 1.358 * (2 / len(added[0])) ** 0.5
    return Comparison(
        walk=to_uint8(walked)[0],
        jump=to_uint8(jumped)[0],
        mean=tuple(a.mean() for a in added),
        std=tuple(a.std() for a in added),
        sigma=sigma,
        edges=edges,
        walk_density=densities[0],
        jump_density=densities[1],
        gap=gap,
        chance=chance,
    )


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the two-sample Kolmogorov–Smirnov statistic."""
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(x, both, side="right") / len(x) for x in (a, b))
    return float(np.abs(below_a - below_b).max())


def _from_0(column: Tensor) -> np.ndarray:
    """Return a column (T, 1) for t = 1..T as an array (T + 1,), with 0 at t = 0."""
    return np.concatenate([[0.0], column[:, 0].numpy()])
