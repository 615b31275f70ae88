"""Estimate Γ_t of a network, from which the optimal reverse variance follows (Bao et al. 2022, "Analytic-DPM").

Γ_t = E‖ε_θ(x_t, t)‖² / (d (1 − ᾱ_t)) over q(x_t). Γ is estimated once and stored in the checkpoint.
`process.reverse_variance` has the formula of the variance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ddpm_core.likelihood import checked_times, evaluations, image_state
from ddpm_core.model import Model
from ddpm_core.prediction import Labels
from ddpm_core.schedule import NoiseSchedule


@dataclass(frozen=True, eq=False)
class Gamma:
    """An estimate of Γ_t = E‖ε_θ(x_t, t)‖²/(d (1 − ᾱ_t)) at some times, for the analytic variance.

    Attributes:
        times: the K times, ascending.
        gamma: Γ at these times, float64 (K,).
        standard_error: the standard error of each Γ, float64 (K,).
        images: the number of images from which Γ was estimated.
    """

    times: tuple[int, ...]
    gamma: Tensor
    standard_error: Tensor
    images: int

    def table(self, schedule: NoiseSchedule) -> Tensor:
        """Return Γ_t for t = 0..T, float64 (T + 1,); entry 0 is never used.

        E‖ε_θ‖²/d is interpolated linearly in log t between the K times, and is constant before the first and after the
        last of them. If ᾱ_T = 0, the estimate at T is not used (see `process.gamma_time`). Then Var[x_0 | x_t] is
        constant after the last time below T.
        """
        alpha_bar = schedule.alpha_bar.numpy()
        noise = 1 - alpha_bar
        log_t = np.log(np.maximum(np.arange(schedule.T + 1), 1))
        known = list(self.times)
        second_moment = np.interp(log_t, log_t[known], self.gamma.numpy() * noise[known])
        if alpha_bar[-1] == 0 and known[0] < schedule.T:
            last = max(t for t in known if t < schedule.T)
            signal_to_noise = alpha_bar[last:] / noise[last:]
            second_moment[last:] = 1 - signal_to_noise / signal_to_noise[0] * (1 - second_moment[last])
        return torch.from_numpy(second_moment / np.maximum(noise, noise[1]))


def default_times(T: int, n: int = 48) -> tuple[int, ...]:
    """Return at most n whole times from 1 to T, spaced as evenly as possible in log t."""
    return tuple(np.unique(np.geomspace(1, T, n).round().astype(int)).tolist())


def estimate_gamma(
    model: Model,
    images: np.ndarray | Tensor,
    times: Sequence[int] | None = None,
    labels: Labels = None,
    progress: Callable[[int, int], None] | None = None,
) -> Gamma:
    """Return an estimate of Γ from one draw of x_t for each image and time. x̂_0 is not clipped.

    Arguments:
        model: a model from `load`, or your own Model.
        images: uint8 (N, H, W, C), at least 2. With a few hundred images, the standard error is a few thousandths.
        times: whole times 1..T; None for `default_times`.
        labels: as for `trajectory`.
        progress: progress(done, total) counts evaluations.

    Raises:
        ValueError: for fewer than 2 images, images of another size or dtype, times outside 1..T, and labels that the
            model does not have.
    """
    T = model.schedule.T
    times = default_times(T) if times is None else sorted(set(checked_times(times, T)))
    x_0 = image_state(model, images, torch.float32)
    if len(x_0) < 2:
        raise ValueError("an estimate with a standard error needs at least 2 images")
    pairs = [(t, t - 1) for t in times]
    learned, true = [], []
    for prediction, x_0_part, x_t, t, _ in evaluations(model, x_0, pairs, labels, False, None, progress):
        alpha_bar = model.schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
        eps = (x_t - alpha_bar.sqrt().to(x_t) * x_0_part) / (1 - alpha_bar).sqrt().to(x_t)
        learned.append(_mean_square(prediction.eps))
        true.append(_mean_square(eps))
    learned, true = (torch.cat(parts).reshape(len(times), len(x_0)) for parts in (learned, true))
    # Control variate: ‖ε_θ‖² is correlated with ‖ε‖² at large t, and the mean of ‖ε‖²/d is known to be 1. So subtract
    # the part that a regression on ‖ε‖² explains. This reduces the standard error.
    centred = true - true.mean(1, keepdim=True)
    slope = (centred * learned).sum(1, keepdim=True) / centred.square().sum(1, keepdim=True)
    values = learned - slope * (true - 1)
    noise = 1 - model.schedule.alpha_bar[list(times)]
    return Gamma(tuple(times), values.mean(1) / noise, values.std(1) / len(x_0) ** 0.5 / noise, len(x_0))


def _mean_square(x: Tensor) -> Tensor:
    """Return the mean square of each image, float64 (N,) on the CPU."""
    return x.double().square().flatten(1).mean(1).cpu()
