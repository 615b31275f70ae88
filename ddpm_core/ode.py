"""The log-density of pictures by the probability-flow ODE (Song et al. 2021, "Score-based generative modeling",
section 4.3).

The ODE has the marginals q(x_t) of the process. DDIM's steps are Euler's steps of this ODE. As a function of log σ,
with σ² = (1 − ᾱ)/ᾱ, it is

    dx/d log σ = f(x) = √(1 − ᾱ) ε_θ(x) − (1 − ᾱ) x,    d log p(x)/d log σ = −∇·f(x),

so log p(x_1) = log N(x_T; 0, I) + ∫ ∇·f d log σ from σ_1 to σ_T. SciPy solves the ODE, with steps that the tolerance
determines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_core.coordinates import TrainedOn
from ddpm_core.errors import first_line
from ddpm_core.likelihood import batch_size, image_state
from ddpm_core.model import Model, check_fractional_times, check_pixels, check_state, is_number, is_whole
from ddpm_core.names import TRACES, Trace
from ddpm_core.noise import check_seeds, generator
from ddpm_core.prediction import Labels, check_gradients, evaluation, label_tensor
from ddpm_core.schedule import NoiseSchedule

LEVEL = 2 / 255  # the distance of two neighbouring grey levels in [−1, 1]
HUNDREDTHS = 100  # number of units of progress for one picture
_UNIFORM, _SIGNS = 2**40, 2**40 + 1  # noise streams of the uniform noise and of the signs; runs use other streams


@dataclass(frozen=True, eq=False)
class OdeLogProb:
    """log p(x_1) of N pictures.

    Attributes:
        log_prob: the natural logarithm of the density, float64 (N,).
        dimensions: C · H · W of a picture.
        evaluations: how often the network was evaluated, with gradients; each picture of a batch counts.
    """

    log_prob: Tensor
    dimensions: int
    evaluations: int

    @property
    def bits_per_dim(self) -> Tensor:
        """Return the bits per dimension, float64 (N,): −log₂(p(x_1) · (2/255)^D)/D for pictures of D numbers.

        (2/255)^D is the volume of the values that are rounded to one picture with 256 levels.
        """
        return -(self.log_prob / self.dimensions + math.log(LEVEL)) / math.log(2)


def ode_log_prob(
    model: Model,
    images: np.ndarray | Tensor,
    labels: Labels = None,
    trace: Trace = "hutchinson",
    vectors: int = 1,
    seeds: Sequence[int] | None = None,
    tolerance: float = 1e-5,
    dtype: torch.dtype = torch.float64,
    progress: Callable[[int, int], None] | None = None,
) -> OdeLogProb:
    """Return log p(x_1) under the probability-flow ODE, with a picture as x_1.

    The flow starts at x_T ~ N(0, I) and ends at t = 1; if ᾱ_T is 0, it starts at T − 1. Between two σ of the schedule,
    the network gets a fractional t − 1, interpolated in log σ; with `coordinates`, it gets the input that they compute
    from σ. x̂_0 is not clipped. The pictures of a batch share the solver's steps, so the numerical error of one picture
    depends on the other pictures.

    Arguments:
        model: a model from `load`, or your own Model.
        images: uint8 (N, H, W, C); uniform noise as wide as a grey level is added (Theis et al. 2016). Or a float
            tensor (N, C, H, W), which is used unchanged.
        labels: a class for all images or one for each, as for `trajectory`; None for no class.
        trace: how to compute the trace of the Jacobian of ε_θ. "exact" computes C · H · W gradients in each evaluation.
            "hutchinson" (Grathwohl et al. 2019) is an unbiased estimate from random vectors of ±1, with one gradient
            for each vector.
        vectors: the number of vectors for each picture.
        seeds: the seeds of the noise and the vectors, one for each picture; None for 0, 1, …
        tolerance: the relative and absolute tolerance of an RK45 step (Dormand & Prince 1980).
        dtype: the dtype of the network's input.
        progress: progress(done, total) counts hundredths of each picture's way from x_1 to x_T.

    Raises:
        ValueError: for images of another size or dtype, with NaN, or that require gradients; for an unknown trace,
            fewer than 1 vector, or a tolerance outside 1e-13..0.1; for latent models, students, μ̃-prediction and
            networks that take only whole times; if the solver fails.
        ModuleNotFoundError: without SciPy.
    """
    check_flow(model)
    if trace not in TRACES:
        raise ValueError(f"unknown trace {trace!r}: choose from {', '.join(TRACES)}")
    if not is_whole(vectors, 1):
        raise ValueError(f"vectors must be a whole number of at least 1, got {vectors!r}")
    if not is_number(tolerance, 1e-13, 0.1):
        raise ValueError(f"tolerance must lie between 1e-13 and 0.1, got {tolerance!r}")
    check_gradients()
    if isinstance(images, Tensor) and images.is_floating_point():
        check_state(model, images, "images")
        if images.requires_grad and torch.is_grad_enabled():
            raise ValueError("the images require gradients, and this likelihood has none: detach them")
        x, uniform = images.detach().double().cpu(), False
        if not x.isfinite().all():
            raise ValueError("the images have NaN or infinite numbers")
    else:
        x, uniform = image_state(model, images, torch.float64).cpu(), True
    seeds = check_seeds(range(len(x)) if seeds is None else seeds)
    if len(seeds) != len(x):
        raise ValueError(f"give a seed for each picture: {len(x)} pictures, {len(seeds)} seeds")
    if uniform:
        x = x + LEVEL * torch.stack([_uniform(seed, x.shape[1:]) for seed in seeds])
    ids = label_tensor(model, labels, len(x), None)
    flow, found, evaluations, told = _Flow(model, dtype), [], 0, 0

    def report(before: int, n: int, part: float) -> None:
        """Report progress. before: number of finished pictures; part: finished share of the next n pictures, 0..1."""
        nonlocal told
        now = int(HUNDREDTHS * (before + part * n))
        if progress and now > told:  # not while the solver repeats a step that was too large
            told = now
            progress(now, HUNDREDTHS * len(x))

    for rows in torch.arange(len(x)).split(batch_size(model, x)):
        signs = None
        if trace == "hutchinson":
            each = [[_signs(seeds[row], k, x.shape[1:]) for row in rows.tolist()] for k in range(vectors)]
            signs = torch.stack([torch.stack(one) for one in each])
        part_labels, part_told = None if ids is None else ids[rows], partial(report, int(rows[0]), len(rows))
        log_prob, count = flow.log_prob(x[rows], part_labels, signs, tolerance, part_told)
        found.append(log_prob)
        evaluations += count * len(rows)
    return OdeLogProb(torch.cat(found), x[0].numel(), evaluations)


def check_flow(model: Model) -> None:
    """Raise ValueError for a model for which the ODE can't be solved, and ModuleNotFoundError without SciPy."""
    check_pixels(model, "the likelihood")
    if model.student is not None:
        raise ValueError("a student has learned only a few values of t, but the flow needs all: measure its teacher")
    if model.prediction == "mu":
        raise ValueError("the flow also visits fractions of t, where μ̃, the mean of x_{t−1}, is not defined")
    check_fractional_times(model, "the flow also visits fractions of t")
    _solve_ivp()


def _solve_ivp() -> Any:
    """Return SciPy's function solve_ivp. Raise ModuleNotFoundError, which names the package, without SciPy."""
    try:
        return import_module("scipy.integrate").solve_ivp
    except ModuleNotFoundError:
        raise ModuleNotFoundError("this likelihood needs one more package: pip install scipy", name="scipy") from None


class _Flow:
    """The probability-flow ODE of a model."""

    def __init__(self, model: Model, dtype: torch.dtype):
        finite = model.schedule.sigma[1:]
        finite = finite[finite.isfinite()]
        if len(finite) < 2:
            raise ValueError("the flow needs a schedule with at least two times at which ᾱ is above 0")
        self._coordinates = model.coordinates or TrainedOn(model.schedule)
        self._model, self._dtype = model, dtype
        self._ends = finite[0].log().item(), finite[-1].log().item()

    def log_prob(
        self,
        x: Tensor,
        labels: Tensor | None,
        signs: Tensor | None,
        tolerance: float,
        progress: Callable[[float], None],
    ) -> tuple[Tensor, int]:
        """Return log p(x_1), float64 (N,), and the number of evaluations.

        signs: K vectors of ±1 for Hutchinson's estimate, (K, N, C, H, W); None for the exact trace.
        """
        n, d = len(x), x[0].numel()
        first, last = self._ends

        def slope(log_sigma: float, state: np.ndarray) -> np.ndarray:
            """Return the derivatives of all x and of all log p with respect to log σ, as one vector."""
            now = torch.from_numpy(state[:-n]).reshape(x.shape)
            eps, trace = self._evaluate(now, math.exp(log_sigma), labels, signs)
            if not bool(eps.isfinite().all() and trace.isfinite().all()):
                raise ValueError("the flow can't be followed: the network's output, or its gradient, is not finite")
            noise = 1 / (1 + math.exp(-2 * log_sigma))  # 1 − ᾱ
            progress((log_sigma - first) / (last - first))
            dx, div = math.sqrt(noise) * eps - noise * now, math.sqrt(noise) * trace - noise * d
            return torch.cat([dx.flatten(), div]).numpy()

        start, rounded = np.concatenate([x.flatten().numpy(), np.zeros(n)]), {"rtol": tolerance, "atol": tolerance}
        found = _solve_ivp()(slope, self._ends, start, method="RK45", t_eval=[last], **rounded)
        if not found.success:
            raise ValueError(f"the flow can't be followed to x_T: {first_line(found.message)}")
        x_T, change = torch.from_numpy(found.y[:-n, 0]).reshape(n, d), torch.from_numpy(found.y[-n:, 0])
        return -0.5 * (x_T.square().sum(1) + d * math.log(2 * math.pi)) + change, found.nfev

    def _at(self, sigma: float) -> Model:
        """Return the model on a schedule with T = 1 and σ_1 = sigma."""
        schedule = NoiseSchedule.from_sigmas([sigma])
        return replace(self._model, schedule=schedule, coordinates=self._coordinates)

    def _evaluate(self, x: Tensor, sigma: float, labels: Tensor | None, signs: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return ε at x, like x, and the trace of its Jacobian, (N,), both float64."""
        x = x.to(self._dtype).detach().requires_grad_()
        eps = evaluation(self._at(sigma), x, 1, labels, clip=False, grad=True).eps
        vectors = signs
        if vectors is None:  # the exact trace needs the unit vector of each dimension
            vectors = torch.eye(x[0].numel(), dtype=x.dtype).reshape(-1, 1, *x.shape[1:]).expand(-1, *x.shape)
        total = torch.zeros(len(x), dtype=torch.float64)
        for k, vector in enumerate(vectors):
            product = torch.autograd.grad(eps, x, vector.to(x.dtype), retain_graph=k + 1 < len(vectors))[0]
            total += (vector.double() * product.double()).flatten(1).sum(1)
        return eps.detach().double(), total if signs is None else total / len(signs)


def _uniform(seed: int, shape: Sequence[int]) -> Tensor:
    """Return noise that is uniform between −0.5 and 0.5, float64."""
    return torch.from_numpy(generator(seed, _UNIFORM).random(tuple(shape)) - 0.5)


def _signs(seed: int, number: int, shape: Sequence[int]) -> Tensor:
    """Return the random signs ±1 of Hutchinson vector `number`, float64."""
    return torch.from_numpy(2.0 * generator(seed, _SIGNS + number).integers(0, 2, tuple(shape)) - 1)
