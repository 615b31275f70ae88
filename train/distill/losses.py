"""The losses of a student: progressive distillation (Salimans & Ho 2022), consistency distillation (Song et al. 2023).

A network is a function (x_t, t) -> x̂_0 here, and a time is int64 (N,) on the CPU. One step of a student covers several
DDIM steps of its teacher, along a path [t, ..., s] of falling times. A loss is a number for each image of a batch,
(N,).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ddpm_core import NoiseSchedule, q_sample
from ddpm_core.process import to_device, to_x0_eps

Denoiser = Callable[[Tensor, Tensor], Tensor]  # a network as a function (x_t, t) -> x̂_0


def ddim_step(schedule: NoiseSchedule, x_t: Tensor, x_0: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """Return x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s) ε̂, DDIM without noise (Song et al. 2021, Eq. 12), like x_t.

    Arguments:
        schedule: the noise schedule.
        x_t: (N, C, H, W).
        x_0: x̂_0, like x_t.
        t: int64 (N,), 1..T.
        s: int64 (N,), 0..T.

    Raises:
        ValueError: for t outside 1..T, s outside 0..T, and for shapes that differ.
    """
    _, eps = to_x0_eps(schedule, "x0", x_0, x_t, t)
    return q_sample(schedule, x_0, s, eps)


@torch.no_grad()
def progressive_target(
    schedule: NoiseSchedule, teacher: Denoiser, x_t: Tensor, path: Sequence[Tensor], order: int = 1
) -> Tensor:
    """Return the target of progressive distillation, like x_t.

    It is the x̂_0 with which one DDIM step from t to s ends at the same x_s as two evaluations of the teacher. The
    arguments are those of `progressive_loss`.

    With order 1, the teacher takes two DDIM steps (Salimans & Ho 2022, Algorithm 2): x̃ = (x_s − (σ_s/σ_t) x_t)/(α_s −
    (σ_s/σ_t) α_t). With λ = √(ᾱ/(1 − ᾱ)), this is a mean of the teacher's two x̂_0 with the weights λ_between − λ_t and
    λ_s − λ_between. The code computes this mean, so that no digits cancel and clipped values stay in [−1, 1].

    With order 2, the teacher takes one step of second order along its trajectory, DPM-Solver++(2S)
    (Lu et al. 2022, Algorithm 1). The weights are 1 − 1/(2r) and 1/(2r), with r =
    (log λ_between − log λ_t)/(log λ_s − log λ_t). Where log λ is infinite at t or s, order 1 is used. The teacher must
    not be a student, because a student's x̂_0 belong to its own long steps.

    Raises ValueError for times outside 0..T.
    """
    t, between, _ = path
    first = teacher(x_t, t)
    second = teacher(ddim_step(schedule, x_t, first, t, between), between)
    at_t, at_between, at_s = ((schedule.alpha_bar[time] / (1 - schedule.alpha_bar[time])).sqrt() for time in path)
    share = (at_between - at_t) / (at_s - at_t)  # 0 for s = 0, where λ_s is infinite
    if order == 2:
        r = (at_between / at_t).log() / (at_s / at_t).log()
        share = torch.where((at_t > 0) & at_s.isfinite(), 1 - 1 / (2 * r), share)
    return second + _per_image(share, x_t) * (first - second)


def progressive_loss(
    schedule: NoiseSchedule, student: Denoiser, teacher: Denoiser, x_t: Tensor, path: Sequence[Tensor], order: int = 1
) -> Tensor:
    """Return max(SNR_t, 1) ‖x̃ − x̂_0(x_t)‖² averaged over pixels, the truncated weighting of Salimans & Ho 2022.

    Arguments:
        schedule: β_t of the process.
        student: (x_t, t) → x̂_0, like x_t; gradients flow through it.
        teacher: a function like `student`, without gradients.
        x_t: (N, C, H, W).
        path: the teacher's times [t, between, s], int64 (N,) each, T >= t > between > s >= 0.
        order: 1 or 2, see `progressive_target`.

    Returns:
        The loss of each image, (N,).

    Raises:
        ValueError: for times outside 0..T.
    """
    target = progressive_target(schedule, teacher, x_t, path, order)
    snr = schedule.alpha_bar[path[0]] / (1 - schedule.alpha_bar[path[0]])
    error = (student(x_t, path[0]) - target).square().flatten(1).mean(1)
    return to_device(snr.clamp(min=1), error.device, error.dtype) * error


@torch.no_grad()
def consistency_target(
    schedule: NoiseSchedule, student: Denoiser, teacher: Denoiser, x_t: Tensor, path: Sequence[Tensor]
) -> Tensor:
    """Return the student's own x̂_0 at x_s, like x_t and without gradients. At s = 0, return x_s itself.

    The teacher's DDIM steps lead from x_t to x_s along the path. The arguments are those of `consistency_loss`. Raises
    ValueError for times outside 0..T.
    """
    x = x_t
    for t, s in pairwise(path):
        x = ddim_step(schedule, x, teacher(x, t), t, s)
    s = path[-1]
    return torch.where(_per_image(s == 0, x), x, student(x, s.clamp(min=1)))


def consistency_loss(
    schedule: NoiseSchedule, student: Denoiser, teacher: Denoiser, x_t: Tensor, path: Sequence[Tensor]
) -> Tensor:
    """Return ‖f(x_s, s) − f(x_t, t)‖² averaged over pixels; f is the student's x̂_0 (Song et al. 2023, Eq. 7).

    The student is its own target without a moving average, as in Song & Dhariwal 2024.

    Arguments:
        schedule: β_t of the process.
        student: (x_t, t) → x̂_0, like x_t; gradients flow through f(x_t, t) alone.
        teacher: a function like `student`, without gradients; its DDIM steps lead from x_t to x_s.
        x_t: (N, C, H, W).
        path: the teacher's times [t, ..., s], int64 (N,) each, falling from at most T to at least 0.

    Returns:
        The loss of each image, (N,).

    Raises:
        ValueError: for times outside 0..T.
    """
    target = consistency_target(schedule, student, teacher, x_t, path)
    return (student(x_t, path[0]) - target).square().flatten(1).mean(1)


def _per_image(value: Tensor, x: Tensor) -> Tensor:
    """Return a tensor (N,) in a shape that broadcasts against x, on its device. Numbers also take the dtype of x."""
    shaped = value.reshape(-1, *[1] * (x.ndim - 1))
    return to_device(shaped, x.device, None if value.dtype == torch.bool else x.dtype)
