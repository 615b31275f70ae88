"""The losses of a student: progressive distillation (Salimans & Ho 2022), consistency distillation (Song et al. 2023).

Networks appear as functions (x_t, t) -> x̂_0 and time as int64 (N,) on the CPU: one step of a student is several DDIM
steps of its teacher, along a path [t, ..., s] of descending times. Losses are functions of one batch, (N,) each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ddpm_core import NoiseSchedule, q_sample
from ddpm_core.process import to_device, to_x0_eps

Denoiser = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> x̂_0


def ddim_step(schedule: NoiseSchedule, x_t: Tensor, x_0: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """Return x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s) ε̂, DDIM without noise (Song et al. 2021, Eq. 12), like x_t.

    Arguments:
        schedule: β_t of the process.
        x_t: (N, C, H, W).
        x_0: x̂_0, like x_t.
        t: int64 (N,), 1..T.
        s: int64 (N,), 0..T.

    Raises:
        ValueError: for other times, or shapes that differ.
    """
    _, eps = to_x0_eps(schedule, "x0", x_0, x_t, t)
    return q_sample(schedule, x_0, s, eps)


@torch.no_grad()
def progressive_target(
    schedule: NoiseSchedule, teacher: Denoiser, x_t: Tensor, path: Sequence[Tensor], order: int = 1
) -> Tensor:
    """Return the x̂_0 with which one DDIM step from t to s ends where two evaluations of the teacher lead, like x_t.

    The arguments are those of `progressive_loss`.
    order 1: by two DDIM steps, Salimans & Ho 2022, Algorithm 2: x̃ = (x_s − (σ_s/σ_t) x_t)/(α_s − (σ_s/σ_t) α_t). With
    λ = √(ᾱ/(1 − ᾱ)) that is a mean of the teacher's two x̂_0 with the weights λ_between − λ_t and λ_s − λ_between, which
    is how it is computed: nothing cancels, and what was clipped stays in [−1, 1].
    order 2: by one step of second order along the teacher's trajectory, DPM-Solver++(2S) (Lu et al. 2022, Algorithm 1):
    weights 1 − 1/(2r) and 1/(2r), r = (log λ_between − log λ_t)/(log λ_s − log λ_t); where an end has no finite log λ,
    as order 1. The teacher must not be a student, whose x̂_0 are those of its own long steps.
    Raises ValueError for times outside 0..T.
    """
    t, between, _ = path
    first = teacher(x_t, t)
    second = teacher(ddim_step(schedule, x_t, first, t, between), between)
    at_t, at_between, at_s = ((schedule.alpha_bar[time] / (1 - schedule.alpha_bar[time])).sqrt() for time in path)
    share = (at_between - at_t) / (at_s - at_t)  # 0 at s = 0, where λ is infinite
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
        teacher: the same, without gradients.
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
    """Return the student's own x̂_0 at x_s, to which the teacher's DDIM steps lead along the path; at s = 0, x_s itself.

    The arguments are those of `consistency_loss`. Returns a tensor like x_t, without gradients. Raises ValueError for
    times outside 0..T.
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
        teacher: the same, without gradients; its DDIM steps lead from x_t to x_s.
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
    """(N,) so that it broadcasts against x, on its device and, unless it is a condition, in its dtype."""
    shaped = value.reshape(-1, *[1] * (x.ndim - 1))
    return to_device(shaped, x.device, None if value.dtype == torch.bool else x.dtype)
