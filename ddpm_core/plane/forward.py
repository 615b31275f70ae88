"""The forward process shown on one picture: tables over t, one jump (Eq. 4) against t small steps (Eq. 2).

For pages and notebooks: numpy and uint8 pictures in and out, so a caller needs no tensors.
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
JUMP = 0  # the noise stream of one jump; small step t has stream t


def tables(schedule: NoiseSchedule) -> dict[str, np.ndarray]:
    """Return the tables that Eqs. 2, 4 and 7 need at each t, float64 arrays of length T + 1.

    beta: β_t. signal, noise: √ᾱ_t and √(1 − ᾱ_t), the weights of x_0 and ε in x_t. of_x_0, of_x_t: the weights of the
    posterior mean. beta_tilde: the posterior's variance. The posterior's three tables are 0 at t = 0, where there is no
    posterior.
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
    """Draw the ε of one jump for a picture of this shape (H, W, C): standard normal, float32. seed: 0..2^63 − 1."""
    height, width, channels = shape
    return gaussian(seed, JUMP, (1, channels, height, width))[0].permute(1, 2, 0).numpy()


def walk(schedule: NoiseSchedule, x_0: Tensor, t: int, seed: int) -> Tensor:
    """Walk to x_t by t small steps x_i = √(1 − β_i) x_{i−1} + √β_i ε_i, Eq. 2, with fresh noise in each; t: 0..T."""
    x = x_0
    for i in range(1, t + 1):
        beta = schedule.beta[i].item()
        x = (1 - beta) ** 0.5 * x + beta**0.5 * gaussian(seed, i, x_0.shape)
    return x


@dataclass(frozen=True)
class Comparison:
    """One picture noised twice up to t, and the distributions of the added noise, x_t − √ᾱ_t x_0.

    walk, jump: uint8 (H, W, C). mean, std: those of the walk's and the jump's noise; sigma: √(1 − ᾱ_t), from Eq. 4.
    edges (B + 1,), walk_density, jump_density (B,): a histogram of each over ±4 sigma, as densities of noise/sigma.
    gap: the largest difference between the two cumulative distributions (Kolmogorov–Smirnov). chance: 19 times out of
    20, the gap is below this if both have the same distribution. Without noise (t = 0) densities, gap and chance are 0.
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
    """Noise a uint8 (H, W, C) picture up to t by t steps of Eq. 2 and by one jump of Eq. 4; t: 0..T.

    The jump's ε is `epsilon(seed, image.shape)`; the steps have separate noise. Raises ValueError for a t outside 0..T.
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
    """The two-sample Kolmogorov–Smirnov statistic."""
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(x, both, side="right") / len(x) for x in (a, b))
    return float(np.abs(below_a - below_b).max())


def _from_0(column: Tensor) -> np.ndarray:
    """(T, 1) for t = 1..T to (T + 1,) with 0 at t = 0."""
    return np.concatenate([[0.0], column[:, 0].numpy()])
