"""The log-density of pictures by the probability-flow ODE (Song et al. 2021, "Score-based generative modeling", 4.3).

The ODE has the marginals q(x_t) of the process, and DDIM's steps are steps of it. Over log σ, σ² = (1 − ᾱ)/ᾱ, it is

    dx/d log σ = f(x) = √(1 − ᾱ) ε_θ(x) − (1 − ᾱ) x,    d log p(x)/d log σ = −∇·f(x),

so log p(x_1) = log N(x_T; 0, I) + ∫ ∇·f from σ_1 to σ_T. SciPy solves it; the tolerance decides the steps.
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
from ddpm_core.model import Model, check_fractions, check_pixels, check_state, is_number, is_whole
from ddpm_core.names import TRACES, Trace
from ddpm_core.noise import check_seeds, generator
from ddpm_core.prediction import Labels, check_gradients, evaluation, label_tensor
from ddpm_core.schedule import NoiseSchedule

LEVEL = 2 / 255  # between two grey levels in [−1, 1]
HUNDREDTHS = 100  # progress is counted in these
_UNIFORM, _SIGNS = 2**40, 2**40 + 1  # streams of a seed that no run has


@dataclass(frozen=True, eq=False)
class OdeLogProb:
    """log p(x_1) of N pictures.

    Attributes:
        log_prob: the natural logarithm of the density, float64 (N,).
        dimensions: C · H · W of a picture.
        evaluations: the number of evaluations of the network on one picture, with their gradients.
    """

    log_prob: Tensor
    dimensions: int
    evaluations: int

    @property
    def bits_per_dim(self) -> Tensor:
        """Return −log₂ of the density times the volume (2/255)^D of a picture's 256 levels, per dimension, float64
        (N,).
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
    """Compute log p(x_1) under the probability-flow ODE, with a picture as x_1.

    The flow starts at x_T ~ N(0, I) and ends at t = 1; if ᾱ_T is 0, it starts at T − 1. At a σ between those of the
    schedule, t − 1 is a fraction: times are interpolated in log σ. A network with `coordinates` gets them at this σ.
    x̂_0 is not clipped. The pictures of a batch share the solver's steps, so the error of one picture's number depends
    on the others.

    Arguments:
        model: a model from `load`, or your own Model.
        images: uint8 (N, H, W, C): each level gets uniform noise as wide as a level (Theis et al. 2016). Or a float
            tensor (N, C, H, W), which is used as it is.
        labels: a class for all images or one for each, as for `trajectory`; None for no class.
        trace: how to find the trace of the Jacobian of ε_θ. "exact" takes C · H · W gradients an evaluation.
            "hutchinson" (Grathwohl et al. 2019) estimates it without bias, from one gradient for each of some vectors
            of ±1.
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

    def tell(before: int, n: int, part: float) -> None:
        nonlocal told
        now = int(HUNDREDTHS * (before + part * n))
        if progress and now > told:  # a step that was too large is taken again
            told = now
            progress(now, HUNDREDTHS * len(x))

    for rows in torch.arange(len(x)).split(batch_size(model, x)):
        signs = None
        if trace == "hutchinson":
            each = [[_signs(seeds[row], k, x.shape[1:]) for row in rows.tolist()] for k in range(vectors)]
            signs = torch.stack([torch.stack(one) for one in each])
        part_labels, part_told = None if ids is None else ids[rows], partial(tell, int(rows[0]), len(rows))
        log_prob, count = flow.log_prob(x[rows], part_labels, signs, tolerance, part_told)
        found.append(log_prob)
        evaluations += count * len(rows)
    return OdeLogProb(torch.cat(found), x[0].numel(), evaluations)


def check_flow(model: Model) -> None:
    """Raise ValueError for a model whose flow can't be followed, and ModuleNotFoundError without SciPy."""
    check_pixels(model, "the likelihood")
    if model.student is not None:
        raise ValueError("a student has learned only a few times, but the flow visits all: measure its teacher")
    if model.prediction == "mu":
        raise ValueError("the flow also visits fractions of t, where μ̃, the mean of x_{t−1}, is not defined")
    check_fractions(model, "the flow also visits fractions of t")
    _solve_ivp()


def _solve_ivp() -> Any:
    """SciPy's function of that name."""
    try:
        return import_module("scipy.integrate").solve_ivp
    except ModuleNotFoundError:
        raise ModuleNotFoundError("this likelihood needs one more package: pip install scipy", name="scipy") from None


class _Flow:
    """The ODE of a model."""

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
        """log p(x_1), float64 (N,), and how often the network was evaluated. signs: ±1, (K, N, C, H, W)."""
        n, d = len(x), x[0].numel()
        first, last = self._ends

        def slope(log_sigma: float, state: np.ndarray) -> np.ndarray:
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
        """Return the model on a schedule with one time, which has this σ."""
        schedule = NoiseSchedule.from_sigmas([sigma])
        return replace(self._model, schedule=schedule, coordinates=self._coordinates)

    def _evaluate(self, x: Tensor, sigma: float, labels: Tensor | None, signs: Tensor | None) -> tuple[Tensor, Tensor]:
        """ε, like x, and the trace of its Jacobian, (N,), both float64."""
        x = x.to(self._dtype).detach().requires_grad_()
        eps = evaluation(self._at(sigma), x, 1, labels, clip=False, grad=True).eps
        vectors = signs
        if vectors is None:  # of each dimension its own
            vectors = torch.eye(x[0].numel(), dtype=x.dtype).reshape(-1, 1, *x.shape[1:]).expand(-1, *x.shape)
        total = torch.zeros(len(x), dtype=torch.float64)
        for k, vector in enumerate(vectors):
            product = torch.autograd.grad(eps, x, vector.to(x.dtype), retain_graph=k + 1 < len(vectors))[0]
            total += (vector.double() * product.double()).flatten(1).sum(1)
        return eps.detach().double(), total if signs is None else total / len(signs)


def _uniform(seed: int, shape: Sequence[int]) -> Tensor:
    return torch.from_numpy(generator(seed, _UNIFORM).random(tuple(shape)) - 0.5)


def _signs(seed: int, number: int, shape: Sequence[int]) -> Tensor:
    return torch.from_numpy(2.0 * generator(seed, _SIGNS + number).integers(0, 2, tuple(shape)) - 1)
