"""The losses of training: L_simple (Eq. 14), the variational bound L_vlb (Eqs. 5, 8-13) and their sum L_hybrid.

Each loss is a function of the network and one batch. It returns one number for each image, (N,), so a trainer can
weight, average or sort them by t. The network is called as network(x_t, t − 1, labels), like `Model.network`, or in its
own coordinates. Whatever its precision, the loss is computed in the dtype of x_0.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ddpm_core.coordinates import Coordinates, RectifiedFlow, predicted, seen
from ddpm_core.likelihood import bound, bound_variance
from ddpm_core.model import Network
from ddpm_core.names import LEARNED, Prediction, Variance
from ddpm_core.process import at_time, from_x0_eps, posterior, q_sample, to_device, to_x0_eps
from ddpm_core.schedule import NoiseSchedule

HYBRID_WEIGHT = 0.001  # λ of Nichol & Dhariwal 2021, Eq. 16


def l_simple(
    network: Network,
    schedule: NoiseSchedule,
    x_0: Tensor,
    t: Tensor,
    eps: Tensor,
    labels: Tensor | None = None,
    prediction: Prediction = "epsilon",
    variance: Variance = "beta",
    coordinates: Coordinates | None = None,
) -> Tensor:
    """Return ‖target − network(x_t, t)‖² averaged over pixels, with x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, Eq. 14.

    Arguments:
        network: network(x, t − 1, labels) → (N, C, H, W), or diffusers' output with it; 2C channels for a learned
            variance.
        schedule: β_t and everything that follows from it.
        x_0: (N, C, H, W).
        t: whole numbers (N,), 1..T, best on the CPU.
        eps: ε, like x_0.
        labels: int64 (N,), None for a model without classes.
        prediction: the target: ε, x_0, v, μ̃ or ε − x_0 ("flow").
        variance: with a learned variance, the second half of the network's channels is left out.
        coordinates: the network's, as in `Model`: None for ours, and for "flow" RectifiedFlow().

    Returns:
        The loss of each image, (N,).
    """
    x_t, output, _ = _evaluate(network, schedule, x_0, t, eps, labels, prediction, variance, coordinates)
    return _squared_error(schedule, prediction, output, x_0, x_t, t, eps)


def l_vlb(
    network: Network,
    schedule: NoiseSchedule,
    x_0: Tensor,
    t: Tensor,
    eps: Tensor,
    labels: Tensor | None = None,
    prediction: Prediction = "epsilon",
    variance: Variance = "beta",
    coordinates: Coordinates | None = None,
) -> Tensor:
    """Return T · L_{t−1} in bits per dimension. For t uniform on 1..T, its mean is the bound of Eq. 5 without the
    constant L_T.

    L_{t−1} is likelihood.bound with the network's mean: x̂_0 isn't clipped. The arguments are those of `l_simple`;
    variance: "beta", "beta_tilde", "learned" or "learned_range". Returns (N,).
    """
    x_t, output, v = _evaluate(network, schedule, x_0, t, eps, labels, prediction, variance, coordinates)
    return _vlb(schedule, prediction, variance, output, v, x_0, x_t, t)


def l_hybrid(
    network: Network,
    schedule: NoiseSchedule,
    x_0: Tensor,
    t: Tensor,
    eps: Tensor,
    labels: Tensor | None = None,
    prediction: Prediction = "epsilon",
    variance: Variance = "learned_range",
    coordinates: Coordinates | None = None,
) -> Tensor:
    """Return L_simple + λ L_vlb with λ = .001; the bound trains only the variance (Nichol & Dhariwal 2021, Eq. 16).

    The arguments are those of `l_simple`; variance: "learned" or "learned_range". Returns (N,).
    """
    if variance not in LEARNED:
        raise ValueError(f"L_hybrid trains a learned variance ({' or '.join(LEARNED)}), not {variance!r}")
    x_t, output, v = _evaluate(network, schedule, x_0, t, eps, labels, prediction, variance, coordinates)
    vlb = _vlb(schedule, prediction, variance, output.detach(), v, x_0, x_t, t)
    return _squared_error(schedule, prediction, output, x_0, x_t, t, eps) + HYBRID_WEIGHT * vlb


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
    network: Network,
    schedule: NoiseSchedule,
    x_0: Tensor,
    t: Tensor,
    eps: Tensor,
    labels: Tensor | None,
    prediction: Prediction,
    variance: Variance,
    coordinates: Coordinates | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """x_t, the prediction, and for a learned variance v, all in the dtype of x_0."""
    x_t = q_sample(schedule, x_0, t, eps)
    if prediction == "flow" and coordinates is None:
        coordinates = RectifiedFlow()
    given = (x_t, to_device(t.long() - 1, x_t.device)) if coordinates is None else seen(coordinates, schedule, x_t, t)
    found: Any = network(*given, labels)
    output, v = getattr(found, "sample", found).to(x_0.dtype), None  # `sample` is of diffusers' networks
    if variance in LEARNED:
        output, v = output.chunk(2, dim=1)
    return x_t, output if coordinates is None else predicted(coordinates, schedule, output, x_t, t), v


def _squared_error(
    schedule: NoiseSchedule, prediction: Prediction, output: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, eps: Tensor
) -> Tensor:
    target = from_x0_eps(schedule, prediction, x_0, eps, x_t, t)
    return (target - output).square().flatten(1).mean(1)


def _vlb(
    schedule: NoiseSchedule,
    prediction: Prediction,
    kind: Variance,
    output: Tensor,
    v: Tensor | None,
    x_0: Tensor,
    x_t: Tensor,
    t: Tensor,
) -> Tensor:
    mean = output
    if prediction != "mu":
        mean = posterior(schedule, to_x0_eps(schedule, prediction, output, x_t, t)[0], x_t, t)[0]
    variance = bound_variance(schedule, t, t - 1, kind, v)
    nats = bound(schedule, x_0, x_t, t, t - 1, mean, variance)
    return schedule.T / math.log(2) * nats.flatten(1).mean(1)
