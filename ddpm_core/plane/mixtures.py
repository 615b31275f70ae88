"""Data in the plane, where a whole distribution is visible, and the best network is known exactly.

A point is an image of 1×1 pixels with two channels, (N, 2, 1, 1), so that process, samplers and losses of pictures
apply. The data are mixtures of Gaussians. So q(x_t) is a mixture, too, and its score ∇ log q = −E[ε | x_t]/√(1 − ᾱ_t)
is known exactly. A run with `exact_model` has only the error of the sampler. A run with `plane_network.train` also has
the error of the network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_core.model import Model
from ddpm_core.names import SHAPES, Shape
from ddpm_core.noise import gaussian
from ddpm_core.objective import loss
from ddpm_core.runs import trajectory
from ddpm_core.samplers import Step
from ddpm_core.schedule import NoiseSchedule

STREAM = 2**63  # noise stream of training examples; runs use other streams
WIDTH = 0.06  # standard deviation of each Gaussian
CENTRES = 120  # number of Gaussians in a shape, so many that their distances are below WIDTH


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of N(c, width² I) with equal weights, with the centres c as float64 (K, 2).

    The methods describe x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε for x_0 from this mixture. Its distribution is the mixture of
    N(√ᾱ_t c, V I) with V = ᾱ_t width² + 1 − ᾱ_t. The argument alpha_bar of the methods is ᾱ_t, a number or float64
    (N,); 1 means x_0 itself.

    Raises:
        ValueError: for centres that are not finite or not (K, 2) with K >= 1, and for a width that is not above 0.
    """

    centres: Tensor
    width: float = WIDTH

    def __post_init__(self) -> None:
        shape = tuple(self.centres.shape)
        if len(shape) != 2 or shape[1] != 2 or not shape[0] or not bool(self.centres.isfinite().all()):
            raise ValueError(f"centres must be at least one pair of finite numbers, (K, 2), got {shape}")
        if not 0 < self.width < math.inf:
            raise ValueError(f"width must be a number above 0, got {self.width}")
        object.__setattr__(self, "centres", self.centres.double())

    def mean(self, alpha_bar: float = 1.0) -> Tensor:
        """Return the mean of x_t, float64 (2,)."""
        return math.sqrt(alpha_bar) * self.centres.mean(0)

    def covariance(self, alpha_bar: float = 1.0) -> Tensor:
        """Return the covariance of x_t, float64 (2, 2)."""
        around = self.centres - self.centres.mean(0)
        own = around.T @ around / len(around) + self.width**2 * torch.eye(2, dtype=torch.float64)
        return alpha_bar * own + (1 - alpha_bar) * torch.eye(2, dtype=torch.float64)

    def log_density(self, x_t: Tensor, alpha_bar: float | Tensor = 1.0) -> Tensor:
        """Return log q(x_t) at points (N, 2), float64 (N,)."""
        logits, variance, _ = self._parts(x_t, alpha_bar)
        rest = x_t.double().square().sum(1) / (2 * variance.squeeze(1))
        return logits.logsumexp(1) - rest - (2 * math.pi * variance.squeeze(1)).log() - math.log(len(self.centres))

    def score(self, x_t: Tensor, alpha_bar: float | Tensor = 1.0) -> Tensor:
        """Return ∇ log q(x_t) at points (N, 2), float64 (N, 2)."""
        logits, variance, root = self._parts(x_t, alpha_bar)
        return (root * (logits.softmax(1) @ self.centres) - x_t.double()) / variance

    def draw(self, n: int, generator: np.random.Generator) -> Tensor:
        """Return n random points x_0, float32 (n, 2, 1, 1)."""
        which = torch.from_numpy(generator.integers(len(self.centres), size=n))
        noise = torch.from_numpy(generator.standard_normal((n, 2), dtype=np.float32))
        return (self.centres[which].float() + self.width * noise).reshape(n, 2, 1, 1)

    def _parts(self, x_t: Tensor, alpha_bar: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the log-density of each Gaussian without the terms common to all, (N, K), and V and √ᾱ_t, (N, 1)."""
        alpha_bar = torch.as_tensor(alpha_bar, dtype=torch.float64).reshape(-1, 1).expand(len(x_t), 1)
        variance, root = alpha_bar * self.width**2 + 1 - alpha_bar, alpha_bar.sqrt()
        squares = self.centres.square().sum(1)
        # −‖x − √ᾱ c‖² / 2V without ‖x‖², which is the same for all Gaussians.
        return (root * (x_t.double() @ self.centres.T) - alpha_bar * squares / 2) / variance, variance, root


def exact_model(mixture: Mixture, schedule: NoiseSchedule | None = None) -> Model:
    """Return the model whose network computes E[ε | x_t], the minimum of L_simple. schedule: None for the paper's."""
    schedule = NoiseSchedule.linear() if schedule is None else schedule

    def network(x_t: Tensor, t_index: Tensor, labels: Tensor | None) -> Tensor:
        """Return E[ε | x_t]."""
        alpha_bar = _alpha_bar(schedule, t_index.cpu())
        eps = -(1 - alpha_bar).sqrt().reshape(-1, 1) * mixture.score(x_t.flatten(1), alpha_bar)
        return eps.to(x_t.dtype).reshape(x_t.shape)

    return plane_model(network, schedule)


def _alpha_bar(schedule: NoiseSchedule, t_index: Tensor) -> Tensor:
    """Return ᾱ at t = t_index + 1, float64 (N,). Between two whole times, log σ is interpolated, as in `ode`."""
    if not t_index.is_floating_point():
        return schedule.alpha_bar[t_index + 1]
    log_sigma = np.interp(t_index.numpy(), np.arange(schedule.T), schedule.sigma[1:].log().numpy())
    return torch.from_numpy(1 / (1 + np.exp(2 * log_sigma)))


def plane_model(network: Any, schedule: NoiseSchedule) -> Model:
    """Return a model of points for a network that predicts ε. x̂_0 is not clipped, because Gaussians are unbounded."""
    return Model(network=network, schedule=schedule, image_size=1, prediction="epsilon", channels=2, clip=False)


def cloud(model: Model, seed: int, n: int, **options: Any) -> Iterator[Step]:
    """Yield the steps of a run of n points; the state is step.x, float32 (n, 2, 1, 1).

    All points have the same seed: x_T is its stream 0, and the noise of step i is its stream i + 1. So runs of two
    models or samplers start at the same points. The options and errors are those of `runs.trajectory`.
    """
    if n < 1:
        raise ValueError(f"a cloud has at least one point, got {n}")

    def noise(index: int, x: Tensor) -> Tensor:
        """Return the noise of a step for all points."""
        return gaussian(seed, index + 1, x.shape).to(x)

    return trajectory(model, x_T=start(seed, n), noise=noise, **options)


def start(seed: int, n: int) -> Tensor:
    """Return the x_T of `cloud`, float32 (n, 2, 1, 1)."""
    return gaussian(seed, 0, (n, 2, 1, 1))


def network_score(model: Model, points: np.ndarray, t: int) -> Tensor:
    """Return the learned score of a model of points, −ε_θ/√(1 − ᾱ_t), float32 (N, 2).

    points: x_t, (N, 2); t: 1..T.
    """
    x_t = torch.from_numpy(points.astype(np.float32)).reshape(-1, 2, 1, 1)
    with torch.no_grad():
        eps = model.network(x_t, torch.full((len(x_t),), t - 1), None)
    return -eps.flatten(1) / (1 - model.schedule.alpha_bar[t].item()) ** 0.5


def least_loss(mixture: Mixture, schedule: NoiseSchedule | None = None, draws: int = 20_000) -> float:
    """Return an estimate of L_simple (Eq. 14) for the exact ε. On average, no network can have a smaller loss.

    draws: the number of random x_t; each t gets the same number.
    """
    exact, generator = exact_model(mixture, schedule), np.random.Generator(np.random.Philox(key=[0, STREAM]))
    x_0 = mixture.draw(draws, generator)
    t = torch.arange(draws) % exact.schedule.T + 1
    eps = torch.from_numpy(generator.standard_normal(x_0.shape, dtype=np.float32))
    return loss(exact, x_0, t=t, eps=eps).mean().item()


# --- Shapes, inside [−1, 1]²


def shape(name: Shape, width: float = WIDTH) -> Mixture:
    """Return the mixture for one of names.SHAPES. Raise ValueError for any other name."""
    if name not in SHAPES:
        raise ValueError(f"unknown shape {name!r}: choose from {', '.join(SHAPES)}")
    return Mixture(torch.from_numpy(_CENTRES[name]()), width)


def drawing(points: Sequence[Sequence[float]], width: float = WIDTH) -> Mixture:
    """Return a mixture with your own centres, at least one pair (x, y). Raise ValueError for anything else."""
    return Mixture(torch.tensor(points, dtype=torch.float64), width)


def _ring() -> np.ndarray:
    """Return centres on a circle."""
    angle = np.arange(CENTRES) * 2 * np.pi / CENTRES
    return 0.75 * np.stack([np.cos(angle), np.sin(angle)], 1)


def _moons() -> np.ndarray:
    """Return centres on two interlocking half circles."""
    angle = np.linspace(0, np.pi, CENTRES // 2)
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], 1)
    return 0.55 * np.concatenate([upper, -upper])


def _spiral() -> np.ndarray:
    """Return centres on a spiral with two turns.

    They have equal distances along the curve, because its length grows as the square of the angle.
    """
    angle = 4 * np.pi * np.sqrt(np.linspace(0.02, 1, CENTRES))
    return 0.85 * (angle / angle[-1])[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)


def _gaussian() -> np.ndarray:
    """Return a single centre."""
    return np.array([[0.25, 0.1]])  # not at 0, so that it differs from the mean of x_T


_CENTRES = {"ring": _ring, "moons": _moons, "spiral": _spiral, "gaussian": _gaussian}
