"""What a user calls: a run from seeds to images, step by step, several beside each other, or only its result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_core import imaging
from ddpm_core.model import Model, ModelSpec, check_variance
from ddpm_core.names import SAMPLERS
from ddpm_core.noise import Noise, check_seed, gaussian_batch
from ddpm_core.predict import Prediction, label_tensor, network_device, predict
from ddpm_core.samplers import Predict, Step, ddim, ddim_sigmas, ddpm, ddpm_sigmas, solve
from ddpm_core.solvers import SOLVERS, check_start, solver
from ddpm_core.timesteps import Pairs, timestep_pairs


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
    sampler: one of names.SAMPLERS.
    variance: one of names.VARIANCES, None for the checkpoint's own; only "ddpm" heeds it.
    spacing: one of names.SPACINGS. eta: 0..1, the share of β̃ in DDIM's σ.
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
    model: ModelSpec,
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
    model: ModelSpec,
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
        return ddpm_sigmas(model.schedule, pairs, variance, model.gamma)
    return ddim_sigmas(model.schedule, pairs, eta if sampler == "ddim" else 0.0)


def sample(model: Model, seeds: Sequence[int] | None = None, steps: int = 50, **options: Any) -> np.ndarray:
    """The final images, uint8 (N, H, W, C). Arguments and errors are those of `trajectory`."""
    for step in trajectory(model, seeds, steps, **options):
        last = step
    return imaging.to_uint8(last.x)
