"""Samplers: generators that walk from x_T to x_0, one network evaluation a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ddpm_core import imaging
from ddpm_core.noise import check_seed, gaussian_batch
from ddpm_core.predict import Prediction, label_tensor, network_device, predict
from ddpm_core.process import LEARNED, VARIANCES, gamma_time, posterior, reverse_variance
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.solvers import SOLVERS, Advance, check_start, solver
from ddpm_core.timesteps import timestep_pairs

if TYPE_CHECKING:
    from ddpm_core.checkpoint.load import Model

SAMPLERS = ("ddpm", "ddim", *SOLVERS)

# What is left visible after the last step was added in the one before: E|σz| of at most 2 of 255 grey levels, in the
# units of [−1, 1], as in the code of Analytic-DPM.
MAX_ANALYTIC_SIGMA = 2 * (2 / 255) * math.sqrt(math.pi / 2)

Pairs = Sequence[tuple[int, int]]
Noise = Callable[[int, Tensor], Tensor]
Predict = Callable[[Tensor, int], Prediction]


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a trajectory, from x_t to x_s.

    index: 0..n−1. t, s: the times. x: x_s, (N, C, H, W), after the last step x_0. x0_hat: x̂_0 as seen from x_t, clipped
    when clip is on. sigma: the deviation of the noise really added, 0 at s = 0; a tensor like x for learned variances.
    """

    index: int
    t: int
    s: int
    x: Tensor
    x0_hat: Tensor
    sigma: float | Tensor


def ddpm(
    predict: Predict,
    schedule: NoiseSchedule,
    pairs: Pairs,
    x: Tensor,
    *,
    noise: Noise,
    variance: str,
    gamma: Tensor | None = None,
) -> Iterator[Step]:
    """Ancestral sampling, Algorithm 2, on any pairs (t, s): x_s = μ̃(x_t, x̂_0) + σ z. gamma: Γ_t for "analytic"."""
    known = _ddpm_sigmas(schedule, pairs, variance, gamma)
    for index, (t, s) in enumerate(pairs):
        x_0, _, x0_hat, v = predict(x, t)
        mean, _ = posterior(schedule, x_0, x, t, s)
        sigma = known[index]
        if sigma is None:
            sigma = reverse_variance(schedule, t, s, variance, v).sqrt()
        x = mean + sigma * noise(index, x) if s > 0 else mean
        yield Step(index, t, s, x, x0_hat, sigma)


def _ddpm_sigmas(
    schedule: NoiseSchedule, pairs: Pairs, variance: str, gamma: Tensor | None = None
) -> list[float | None]:
    """σ of every step, None for a learned one. There is no noise in the last step, whatever the variance says there."""
    if variance in LEARNED:
        return [None] * (len(pairs) - 1) + [0.0]
    t, s = (torch.tensor(times) for times in zip(*pairs, strict=True))
    sigma2 = reverse_variance(schedule, t, s, variance, gamma=None if gamma is None else gamma[gamma_time(schedule, t)])
    sigma = sigma2.sqrt().flatten().tolist()
    if variance == "analytic" and len(sigma) > 1:
        sigma[-2] = min(sigma[-2], MAX_ANALYTIC_SIGMA)
    return [*sigma[:-1], 0.0]


def ddim(
    predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise, eta: float
) -> Iterator[Step]:
    """DDIM (Song et al. 2021, Eq. 12): x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε + σ z with σ = η √β̃."""
    for index, ((t, s), sigma) in enumerate(zip(pairs, _ddim_sigmas(schedule, pairs, eta), strict=True)):
        x_0, eps, x0_hat, _ = predict(x, t)
        alpha_bar_s = schedule.alpha_bar[s].item()
        x = math.sqrt(alpha_bar_s) * x_0 + math.sqrt(max(1 - alpha_bar_s - sigma**2, 0)) * eps
        if sigma > 0:
            x = x + sigma * noise(index, x)
        yield Step(index, t, s, x, x0_hat, sigma)


def _ddim_sigmas(schedule: NoiseSchedule, pairs: Pairs, eta: float) -> list[float]:
    return [eta * sigma for sigma in _ddpm_sigmas(schedule, pairs, "beta_tilde")]


def solve(predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, advance: Advance) -> Iterator[Step]:
    """A deterministic multistep solver of diffusers: it makes x_s of x_t and of this and earlier x̂_0."""
    for index, (t, s) in enumerate(pairs):
        x_0, _, x0_hat, _ = predict(x, t)
        x = advance(x_0, t, x)
        yield Step(index, t, s, x, x0_hat, 0.0)


def trajectory(
    model: Model,
    seeds: Sequence[int] | None = None,
    steps: int = 50,
    sampler: str = "ddpm",
    variance: str | None = None,
    spacing: str = "linspace",
    eta: float = 0.0,
    clip: bool | None = None,
    labels: int | Sequence[int] | None = None,
    guidance: float | None = None,
    x_T: Tensor | None = None,
    noise: Noise | None = None,
) -> Iterator[Step]:
    """The steps of a run, computed one by one as they are asked for.

    seeds: one image each, whole numbers 0..2^63 − 1; may be left out where x_T and noise are given. steps: 1..T.
    sampler: one of SAMPLERS.
    variance: one of process.VARIANCES, None for the checkpoint's own; only "ddpm" heeds it.
    spacing: one of timesteps.SPACINGS. eta: 0..1, the share of β̃ in DDIM's σ.
    clip: keep x̂_0 within [−1, 1], None as the checkpoint asks for.
    labels, guidance: see predict.label_tensor and predict.predict.
    x_T: (N, C, H, W) instead of the seeded start; the state has its dtype. noise(index, x) -> tensor like x instead of
    the seeded noise of a step.

    Raises ValueError, before anything is computed, for values outside these.
    """
    seeds, x, label_ids = _start(model, seeds, labels, guidance, x_T, noise)
    evaluate = partial(predict, model, labels=label_ids, guidance=guidance, clip=clip)
    return _run(model, evaluate, seeds, x, guidance, noise, steps, sampler, variance, spacing, eta)[1]


def side_by_side(
    model: Model,
    seeds: Sequence[int],
    lanes: Sequence[dict],
    clip: bool | None = None,
    labels: int | Sequence[int] | None = None,
    guidance: float | None = None,
    x_T: Tensor | None = None,
) -> Iterator[tuple[int, Step]]:
    """Several runs from one x_T, as (lane, step) by falling t, so that all lanes are always about equally far.

    lanes: for each run its steps, sampler, variance, spacing and eta, as for `trajectory`, whose steps are the same:
    each lane's noise is that of its seeds and its own step numbers. Lanes that stand at the same t are evaluated in one
    batch. The other arguments, and errors, are those of `trajectory`.
    """
    seeds, x, label_ids = _start(model, seeds, labels, guidance, x_T)
    states: dict[int, tuple[int, Tensor]] = {}  # where each lane stands: t, x_t
    ready: dict[int, Prediction] = {}

    def evaluate(lane: int, x: Tensor, t: int) -> Prediction:
        if lane not in ready:
            here = [other for other, (time, _) in states.items() if time == t]
            batch = torch.cat([states[other][1] for other in here])
            repeated = None if label_ids is None else label_ids.repeat(len(here))
            parts = predict(model, batch, t, repeated, guidance, clip)
            split = ((None,) * len(here) if part is None else part.split(len(seeds)) for part in parts)
            ready.update(zip(here, map(Prediction._make, zip(*split, strict=True)), strict=True))
        return ready.pop(lane)

    runs = []
    for i, lane in enumerate(lanes):
        pairs, run = _run(model, partial(evaluate, i), seeds, x, guidance, **lane)
        runs.append(run)
        states[i] = pairs[0][0], x

    def steps() -> Iterator[tuple[int, Step]]:
        while states:
            lane = max(states, key=lambda i: states[i][0])
            step = next(runs[lane])
            states[lane] = step.s, step.x
            if step.s == 0:
                del states[lane]
            yield lane, step

    return steps()


def _start(
    model: Model,
    seeds: Sequence[int] | None,
    labels: int | Sequence[int] | None,
    guidance: float | None,
    x_T: Tensor | None,
    noise: Noise | None = None,
) -> tuple[list[int], Tensor, Tensor | None]:
    """The seeds (none where x_T and noise stand for them), x_T and labels, checked and on the network's device."""
    if seeds is None and (x_T is None or noise is None):
        raise ValueError("give a seed for each image, or both x_T and noise")
    seeds, n = [check_seed(seed) for seed in seeds or ()], len(x_T if seeds is None else seeds)
    if not n:
        raise ValueError("give at least one seed")
    label_ids = label_tensor(model, labels, n, guidance)
    shape = (model.channels, model.image_size, model.image_size)
    x = gaussian_batch(seeds, 0, shape) if x_T is None else x_T
    if x.ndim != 4 or x.shape[:2] != (n, model.channels) or not x.is_floating_point():
        raise ValueError(f"x_T must be a float tensor of shape {(n, *shape)}, got {tuple(x.shape)} {x.dtype}")
    if guidance is not None and not abs(guidance) <= torch.finfo(x.dtype).max:  # NaN is refused too
        raise ValueError(f"guidance must be a finite number in {str(x.dtype).removeprefix('torch.')}, got {guidance}")
    x = x.to(network_device(model.network) or x.device)
    return seeds, x, label_ids if label_ids is None else label_ids.to(x.device)


def _run(
    model: Model,
    evaluate: Predict,
    seeds: list[int],
    x: Tensor,
    guidance: float | None,
    noise: Noise | None = None,
    steps: int = 50,
    sampler: str = "ddpm",
    variance: str | None = None,
    spacing: str = "linspace",
    eta: float = 0.0,
) -> tuple[Pairs, Iterator[Step]]:
    """The pairs (t, s) of a run, and the sampler that was asked for, on them."""
    pairs, variance = _check(model, steps, sampler, variance, spacing, eta, guidance)

    def seeded(index: int, x: Tensor) -> Tensor:
        return gaussian_batch(seeds, index + 1, x.shape[1:]).to(x.device, x.dtype)

    if sampler == "ddpm":
        run = partial(ddpm, noise=noise or seeded, variance=variance, gamma=model.gamma)
    elif sampler == "ddim":
        run = partial(ddim, noise=noise or seeded, eta=eta)
    else:
        run = partial(solve, advance=solver(sampler, model.schedule, pairs))
    return pairs, run(evaluate, model.schedule, pairs, x)


def _check(
    model: Model,
    steps: int,
    sampler: str,
    variance: str | None,
    spacing: str,
    eta: float,
    guidance: float | None = None,
) -> tuple[Pairs, str | None]:
    """The pairs (t, s) and the variance of a run, None where the sampler heeds none; ValueError for what can't be."""
    pairs = timestep_pairs(model.schedule.T, steps, spacing)
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}: choose from {', '.join(SAMPLERS)}")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie between 0 and 1, got {eta}")
    if sampler == "ddpm":
        return pairs, check_variance(model, variance, pairs, guidance)
    if sampler in SOLVERS:
        check_start(sampler, model.schedule, pairs)
    return pairs, None


def sigmas(
    model: Model,
    steps: int = 50,
    sampler: str = "ddpm",
    variance: str | None = None,
    spacing: str = "linspace",
    eta: float = 0.0,
) -> list[float | None]:
    """σ of the noise that each step of such a run adds, None where only the network knows it (learned variances).

    Arguments and errors are those of `trajectory`.
    """
    pairs, variance = _check(model, steps, sampler, variance, spacing, eta)
    if sampler == "ddpm":
        return _ddpm_sigmas(model.schedule, pairs, variance, model.gamma)
    return _ddim_sigmas(model.schedule, pairs, eta if sampler == "ddim" else 0.0)


def sample(model: Model, seeds: Sequence[int] | None = None, steps: int = 50, **options) -> np.ndarray:
    """The final images, uint8 (N, H, W, C). Arguments and errors are those of `trajectory`."""
    for step in trajectory(model, seeds, steps, **options):
        last = step
    return imaging.to_uint8(last.x)


def check_variance(model: Model, variance: str | None, pairs: Pairs, guidance: float | None = None) -> str:
    """The variance to use; ValueError for one that this model, these steps or guidance can't have."""
    variance = model.variance if variance is None else variance
    if variance not in VARIANCES:
        raise ValueError(f"unknown variance {variance!r}: choose from {', '.join(VARIANCES)}")
    if variance in LEARNED and variance != model.variance:
        raise ValueError(
            f"variance {variance!r} needs a network that was trained with it; this one has {model.variance!r}"
        )
    if variance == "learned" and len(pairs) < model.schedule.T:
        raise ValueError(f"variance 'learned' needs the whole chain: use {model.schedule.T} steps, or another variance")
    if variance == "analytic" and model.gamma is None:
        ref = model.source.ref if model.source else "CHECKPOINT"
        raise ValueError(
            f"the analytic variance was not estimated for these weights: run `python -m train gamma {ref}`, or use "
            "another variance"
        )
    if variance == "analytic" and guidance not in (None, 1):
        raise ValueError("the analytic variance belongs to the network without guidance: use another variance")
    return variance
