"""The optimal reverse variance (Bao et al. 2022, "Analytic-DPM"): Γ_t of a checkpoint is estimated once and kept with
it.

Γ_t = E‖ε_θ(x_t, t)‖² / (d (1 − ᾱ_t)) over q(x_t). The formula, process.reverse_variance, needs nothing else from a
network.
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
    """Γ at some times, ascending, with the standard error of each: float64 (K,). images: the number of images
    measured.
    """

    times: tuple[int, ...]
    gamma: Tensor
    standard_error: Tensor
    images: int

    def table(self, schedule: NoiseSchedule) -> Tensor:
        """Return Γ_t for t = 0..T, float64 (T + 1,); entry 0 is never used.

        E‖ε_θ‖²/d is interpolated linearly in log t between the times, and constant beyond them. In a schedule with ᾱ_T
        = 0, the time T says nothing (process.gamma_time). There, Var[x_0 | x_t] is constant after the last other time.
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
    """Return at most n times from 1 to T, spaced as evenly in log t as whole numbers can be."""
    return tuple(np.unique(np.geomspace(1, T, n).round().astype(int)).tolist())


def estimate_gamma(
    model: Model,
    images: np.ndarray | Tensor,
    times: Sequence[int] | None = None,
    labels: Labels = None,
    progress: Callable[[int, int], None] | None = None,
) -> Gamma:
    """Estimate Γ from one draw of x_t for each image and time. x̂_0 is not clipped: Γ belongs to the network itself.

    images: uint8 (N, H, W, C), at least 2; a few hundred for a standard error of a few thousandths. times: any of 1..T,
    None for `default_times`. labels: see prediction.label_tensor. progress(done, total) counts evaluations. Raises
    ValueError for fewer images, other shapes, times or labels.
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
    # Control variate: E‖ε‖²/d = 1 is known, and at large t ‖ε_θ‖² follows ‖ε‖², so the part that regression on ‖ε‖²
    # explains is removed.
    centred = true - true.mean(1, keepdim=True)
    slope = (centred * learned).sum(1, keepdim=True) / centred.square().sum(1, keepdim=True)
    values = learned - slope * (true - 1)
    noise = 1 - model.schedule.alpha_bar[list(times)]
    return Gamma(tuple(times), values.mean(1) / noise, values.std(1) / len(x_0) ** 0.5 / noise, len(x_0))


def _mean_square(x: Tensor) -> Tensor:
    return x.double().square().flatten(1).mean(1).cpu()
