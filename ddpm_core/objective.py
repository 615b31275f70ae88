"""The losses of training: L_simple (Eq. 14), the variational bound L_vlb (Eqs. 5, 8-13) and their sum L_hybrid.

The trainer minimises `loss`, and so can your own training. `loss` takes a model, because it depends on the model's
schedule and prediction. `loss` computes in the dtype of x_0, whatever the precision of the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ddpm_core.coordinates import network_input, predicted
from ddpm_core.likelihood import bound, bound_variance
from ddpm_core.model import Model, check_state
from ddpm_core.names import LEARNED, LOSSES, Loss, Prediction
from ddpm_core.prediction import Labels, label_tensor
from ddpm_core.process import (
    Time,
    alpha_bar_like,
    check_time,
    from_x0_eps,
    is_whole_time,
    posterior,
    q_sample,
    to_device,
    to_x0_eps,
)
from ddpm_core.schedule import NoiseSchedule

HYBRID_WEIGHT = 0.001  # weight λ of L_vlb in L_hybrid, Nichol & Dhariwal 2021, Eq. 16


def loss(
    model: Model,
    x_0: Tensor,
    labels: Labels = None,
    t: Time | None = None,
    eps: Tensor | None = None,
    *,
    kind: Loss = "simple",
    min_snr: float | None = None,
    weight: Callable[[NoiseSchedule, Tensor], Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the loss of each image: the error of the network at x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε.

    - "simple" is ‖target − network(x_t, t)‖² averaged over pixels, Eq. 14. The target is what the model's network
      predicts: ε, x_0, v, μ̃ or ε − x_0.
    - "vlb" is T · L_{t−1} in bits per dimension. x̂_0 is not clipped. For t uniform on 1..T, its mean is the bound of
      Eq. 5 without the constant L_T.
    - "hybrid" is L_simple + λ L_vlb with λ = 0.001. Its second term trains only the variance (Nichol & Dhariwal 2021,
      Eq. 16).

    Arguments:
        model: its schedule, prediction, variance and coordinates define the loss. Its network can be your own, or that
            of a model from `load` after `module(model).requires_grad_()`. To train a copy, put it into a model first:
            `dataclasses.replace(model, network=copy)`. With a learned variance, "simple" does not use the second half
            of the network's channels.
        x_0: float (N, C, H, W), data in [−1, 1], or latents.
        labels: as for `trajectory`: a class or a prompt for all images or one for each, None for no class. A tensor
            goes to the network unchanged: int64 (N,) for classes.
        t: above 0 and at most T, (N,) or one number for all images, best on the CPU; whole numbers for "vlb" and
            "hybrid". None draws each t uniformly from 1..T.
        eps: ε, like x_0. None draws it.
        kind: one of names.LOSSES.
        min_snr: γ, above 0, for "simple". At every t, the squared error of x_0 then has the weight min(SNR, γ): see
            `min_snr_weight`.
        weight: weight(schedule, t) → (N,), the factors of the losses, for "simple".
        generator: the generator that draws t and ε; None for torch's default.

    Returns:
        (N,) on the device of x_0. A training step minimises its mean.

    Raises:
        TypeError: for a network instead of a model.
        ValueError: for x_0, t or ε of another shape or range; for labels that the model does not have; for an unknown
            kind, "hybrid" without a learned variance, and weights for another kind than "simple".
    """
    if not isinstance(model, Model):
        raise TypeError(f"a loss takes a Model, which says what its network predicts, got a {type(model).__name__}")
    if kind not in LOSSES:
        raise ValueError(f"unknown loss {kind!r}: choose from {', '.join(LOSSES)}")
    if kind == "hybrid" and model.variance not in LEARNED:
        raise ValueError(f"L_hybrid trains a learned variance ({' or '.join(LEARNED)}), not {model.variance!r}")
    if (min_snr is not None or weight is not None) and (kind != "simple" or None not in (min_snr, weight)):
        raise ValueError("min_snr and weight are two ways to weigh the loss 'simple': give one, and no other kind")
    check_state(model, x_0, "x_0")
    n, schedule = len(x_0), model.schedule
    if t is None:
        t = torch.randint(1, schedule.T + 1, (n,), generator=generator, device=generator.device if generator else None)
    times = torch.as_tensor(check_time(t, x_0, 1, schedule.T)).expand(n)
    if eps is None:
        device = generator.device if generator else x_0.device
        eps = torch.randn(x_0.shape, generator=generator, dtype=x_0.dtype, device=device).to(x_0.device)
    if kind != "simple" and not is_whole_time(times):
        raise ValueError(f"{kind!r} needs a term of the bound, which has whole times only, got t = {times.tolist()}")
    batch = _Evaluated(model, x_0, times, eps, _condition(model, labels, x_0))
    if kind == "vlb":
        return batch.vlb(batch.output)
    if kind == "hybrid":
        return batch.squared_error() + HYBRID_WEIGHT * batch.vlb(batch.output.detach())
    counts = None if weight is None else weight(schedule, times)
    if min_snr is not None:
        counts = min_snr_weight(schedule, model.prediction, times, min_snr)
    error = batch.squared_error()
    return error if counts is None else error * to_device(counts, error.device, error.dtype)


def min_snr_weight(schedule: NoiseSchedule, prediction: Prediction, t: Tensor, gamma: float = 5.0) -> Tensor:
    """Return the weights that turn L_simple into min(SNR, γ) ‖x_0 − x̂_0‖² (Hang et al. 2023), float64 (N,).

    SNR is ᾱ_t/(1 − ᾱ_t). The error of ε is √SNR times the error of x_0. For v, this factor is √(SNR + 1), and for
    ε − x_0, it is √SNR + 1. Raise ValueError for "mu", and for a γ that is not above 0.
    """
    if not gamma > 0:
        raise ValueError(f"γ of min-SNR weighting must be above 0, got {gamma}")
    alpha_bar = alpha_bar_like(schedule, t, t, 1)
    snr = alpha_bar / (1 - alpha_bar)
    per_x_0_error = {"epsilon": snr, "x0": torch.ones_like(snr), "v": snr + 1, "flow": (snr.sqrt() + 1) ** 2}
    if prediction not in per_x_0_error:
        raise ValueError(f"min-SNR weighting is defined for {', '.join(per_x_0_error)}, not {prediction!r}")
    return snr.clamp(max=gamma) / per_x_0_error[prediction]


def lognormal_times(schedule: NoiseSchedule, mean: float = -1.2, std: float = 1.2) -> Tensor:
    """Return the probabilities of t = 1..T with which log σ_t is normally distributed, float64 (T,); their sum is 1.

    σ_t² is (1 − ᾱ_t)/ᾱ_t. The defaults of mean and std are those of Karras et al. 2022, Table 1. Each t has the
    probability of all log σ that are nearer to its own log σ than to that of another t. Raise ValueError for std <= 0.
    """
    if std <= 0:
        raise ValueError(f"std must be above 0, got {std}")
    log_sigma = 0.5 * ((1 - schedule.alpha_bar[1:]) / schedule.alpha_bar[1:]).log()
    edges = torch.special.ndtr(((log_sigma[1:] + log_sigma[:-1]) / 2 - mean) / std)
    return torch.cat([edges, edges.new_ones(1)]) - torch.cat([edges.new_zeros(1), edges])


def _condition(model: Model, labels: Labels, x_0: Tensor) -> Tensor | None:
    """Return the labels as the network takes them. Raise ValueError for labels that the model does not have."""
    if isinstance(labels, Tensor):
        if len(labels) != len(x_0):
            raise ValueError(f"give one label, or one per image: {len(x_0)} images, {len(labels)} labels")
        return labels
    found = label_tensor(model, labels, len(x_0), None)
    if found is not None and model.takes_words:
        found = found[:, 0].to(x_0.dtype)  # drops the negative prompts, which only guidance needs
    return None if found is None else to_device(found, x_0.device)


def _trained(network: Any) -> Any:
    """Return the torch module behind an engine's network if its weights require gradients, which engines don't compute.

    Otherwise return the network itself.
    """
    kept = getattr(getattr(network, "with_gradients", None), "kept", None)
    wants = kept is not None and any(weight.requires_grad for weight in kept.parameters())
    return kept if wants and torch.is_grad_enabled() else network


class _Evaluated:
    """A batch after the evaluation of the network: x_t, the prediction and, for a learned variance, v, all like x_0."""

    def __init__(self, model: Model, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None):
        schedule, coordinates = model.schedule, model.coordinates
        x_t = q_sample(schedule, x_0, t, eps)
        plain = coordinates is None
        inputs = (x_t, to_device(t.long() - 1, x_t.device)) if plain else network_input(coordinates, schedule, x_t, t)
        result: Any = _trained(model.network)(*inputs, labels)
        output, v = getattr(result, "sample", result).to(x_0.dtype), None  # diffusers returns an object with .sample
        if model.variance in LEARNED:
            output, v = output.chunk(2, dim=1)
        self.model, self.x_0, self.t, self.eps, self.x_t, self.v = model, x_0, t, eps, x_t, v
        self.output: Tensor = output if plain else predicted(coordinates, schedule, output, x_t, t)

    def squared_error(self) -> Tensor:
        """Return ‖target − output‖² averaged over pixels, (N,)."""
        model = self.model
        target = from_x0_eps(model.schedule, model.prediction, self.x_0, self.eps, self.x_t, self.t)
        return (target - self.output).square().flatten(1).mean(1)

    def vlb(self, output: Tensor) -> Tensor:
        """Return T · L_{t−1} in bits per dimension, (N,). The mean of p_θ follows from `output`."""
        schedule, prediction, x_t, t = self.model.schedule, self.model.prediction, self.x_t, self.t
        mean = output
        if prediction != "mu":
            mean = posterior(schedule, to_x0_eps(schedule, prediction, output, x_t, t)[0], x_t, t)[0]
        variance = bound_variance(schedule, t, t - 1, self.model.variance, self.v)
        nats = bound(schedule, self.x_0, x_t, t, t - 1, mean, variance)
        return schedule.T / math.log(2) * nats.flatten(1).mean(1)
