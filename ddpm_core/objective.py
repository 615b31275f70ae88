"""The losses of training: L_simple (Eq. 14), the variational bound L_vlb (Eqs. 5, 8-13) and their sum L_hybrid.

Each loss is a function of a model and one batch: only the model knows what its network predicts. It returns one number
for each image, (N,), so a trainer can weight, average or sort them by t. The network is called as `Model.network`, and
whatever its precision, the loss is computed in the dtype of x_0.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ddpm_core.coordinates import predicted, seen
from ddpm_core.likelihood import bound, bound_variance
from ddpm_core.model import Model
from ddpm_core.names import LEARNED, Prediction
from ddpm_core.process import at_time, from_x0_eps, posterior, q_sample, to_device, to_x0_eps
from ddpm_core.schedule import NoiseSchedule

HYBRID_WEIGHT = 0.001  # λ of Nichol & Dhariwal 2021, Eq. 16


def l_simple(model: Model, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return ‖target − network(x_t, t)‖² averaged over pixels, with x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, Eq. 14.

    Arguments:
        model: its schedule, prediction (the target: ε, x_0, v, μ̃ or ε − x_0), variance and coordinates count. Its
            network is trained: `dataclasses.replace(model, network=yours)` puts another one in its place. With a
            learned variance, the second half of the network's channels is left out.
        x_0: (N, C, H, W).
        t: whole numbers (N,), 1..T, best on the CPU.
        eps: ε, like x_0.
        labels: int64 (N,), None for a model without classes.

    Returns:
        The loss of each image, (N,).

    Raises:
        TypeError: for a network without its model.
    """
    x_t, output, _ = _evaluate(model, x_0, t, eps, labels)
    return _squared_error(model, output, x_0, x_t, t, eps)


def l_vlb(model: Model, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return T · L_{t−1} in bits per dimension. For t uniform on 1..T, its mean is the bound of Eq. 5 without the
    constant L_T.

    L_{t−1} is likelihood.bound with the network's mean: x̂_0 isn't clipped. The arguments are those of `l_simple`.
    Returns (N,).
    """
    x_t, output, v = _evaluate(model, x_0, t, eps, labels)
    return _vlb(model, output, v, x_0, x_t, t)


def l_hybrid(model: Model, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return L_simple + λ L_vlb with λ = .001; the bound trains only the variance (Nichol & Dhariwal 2021, Eq. 16).

    The arguments are those of `l_simple`. Returns (N,). Raises ValueError for a model without a learned variance.
    """
    x_t, output, v = _evaluate(model, x_0, t, eps, labels)
    if v is None:
        raise ValueError(f"L_hybrid trains a learned variance ({' or '.join(LEARNED)}), not {model.variance!r}")
    vlb = _vlb(model, output.detach(), v, x_0, x_t, t)
    return _squared_error(model, output, x_0, x_t, t, eps) + HYBRID_WEIGHT * vlb


LOSSES = {"simple": l_simple, "vlb": l_vlb, "hybrid": l_hybrid}


def min_snr_weight(schedule: NoiseSchedule, prediction: Prediction, t: Tensor, gamma: float = 5.0) -> Tensor:
    """Return the weight that turns L_simple into min(SNR, γ) ‖x_0 − x̂_0‖² for any prediction (Hang et al. 2023),
    float64 (N,).

    SNR = ᾱ_t/(1 − ᾱ_t). The ε-error is √SNR times the x_0-error, the v-error √(SNR + 1) times, and the error of a flow
    √SNR + 1 times. Raises ValueError for "mu".
    """
    alpha_bar = at_time(schedule.alpha_bar, t, t, 1)
    snr = alpha_bar / (1 - alpha_bar)
    per_x_0_error = {"epsilon": snr, "x0": torch.ones_like(snr), "v": snr + 1, "flow": (snr.sqrt() + 1) ** 2}
    if prediction not in per_x_0_error:
        raise ValueError(f"min-SNR weighting is defined for {', '.join(per_x_0_error)}, not {prediction!r}")
    return snr.clamp(max=gamma) / per_x_0_error[prediction]


def lognormal_times(schedule: NoiseSchedule, mean: float = -1.2, std: float = 1.2) -> Tensor:
    """Return the probability of each t = 1..T for which log σ_t is normal, σ² = (1 − ᾱ_t)/ᾱ_t, float64 (T,), with sum
    1.

    These are the noise levels of training in Karras et al. 2022, Table 1; its mean and std are the defaults. Each t has
    the mass of the log σ nearest to its own. Raises ValueError for std <= 0.
    """
    if std <= 0:
        raise ValueError(f"std must be above 0, got {std}")
    log_sigma = 0.5 * ((1 - schedule.alpha_bar[1:]) / schedule.alpha_bar[1:]).log()
    edges = torch.special.ndtr(((log_sigma[1:] + log_sigma[:-1]) / 2 - mean) / std)
    return torch.cat([edges, edges.new_ones(1)]) - torch.cat([edges.new_zeros(1), edges])


def _evaluate(
    model: Model, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return x_t, the prediction, and v if the variance is learned, all in the dtype of x_0."""
    if not isinstance(model, Model):
        raise TypeError(f"a loss takes a Model, which says what its network predicts, got a {type(model).__name__}")
    schedule, coordinates = model.schedule, model.coordinates
    x_t = q_sample(schedule, x_0, t, eps)
    inputs = (x_t, to_device(t.long() - 1, x_t.device)) if coordinates is None else seen(coordinates, schedule, x_t, t)
    result: Any = model.network(*inputs, labels)
    output, v = getattr(result, "sample", result).to(x_0.dtype), None  # networks of diffusers return it in `sample`
    if model.variance in LEARNED:
        output, v = output.chunk(2, dim=1)
    return x_t, output if coordinates is None else predicted(coordinates, schedule, output, x_t, t), v


def _squared_error(model: Model, output: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    target = from_x0_eps(model.schedule, model.prediction, x_0, eps, x_t, t)
    return (target - output).square().flatten(1).mean(1)


def _vlb(model: Model, output: Tensor, v: Tensor | None, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
    schedule, mean = model.schedule, output
    if model.prediction != "mu":
        mean = posterior(schedule, to_x0_eps(schedule, model.prediction, output, x_t, t)[0], x_t, t)[0]
    variance = bound_variance(schedule, t, t - 1, model.variance, v)
    nats = bound(schedule, x_0, x_t, t, t - 1, mean, variance)
    return schedule.T / math.log(2) * nats.flatten(1).mean(1)
