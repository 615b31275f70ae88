"""The discrete decoder of the last reverse step: the probability of a pixel's grey level under a Gaussian, Eq. 13."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CDFS = ("tanh", "exact")
HALF_BIN = 1 / 255  # 256 grey levels in [−1, 1] are 2/255 apart
FLOOR = 1e-12  # a probability below counts as this much, as in the paper's code


def discretized_log_likelihood(x_0: Tensor, mean: Tensor, variance: Tensor | float, cdf: str = "tanh") -> Tensor:
    """log p_θ(x_0 | x_1) of every pixel, in nats: N(mean, variance) over the bin of width 2/255 around x_0, Eq. 13.

    x_0: grey levels in [−1, 1]; the lowest and the highest bin are open. mean and variance broadcast against it.
    cdf: "tanh" is the paper's approximation of the normal CDF, "exact" the CDF itself. Returns a tensor like x_0, at
    least log(1e-12). Raises ValueError for another cdf.
    """
    if cdf not in CDFS:
        raise ValueError(f"unknown cdf {cdf!r}: choose from {', '.join(CDFS)}")
    normal = _tanh_cdf if cdf == "tanh" else _normal_cdf
    sigma = torch.as_tensor(variance, dtype=x_0.dtype, device=x_0.device).sqrt()
    # Both tails are measured from below, where a float keeps its digits: Φ(b) − Φ(a) = Φ(−a) − Φ(−b).
    distance = (x_0 - mean).abs()
    near, far = (HALF_BIN - distance) / sigma, (-HALF_BIN - distance) / sigma
    inside = normal(near) - normal(far)
    below = normal((x_0 - mean + HALF_BIN) / sigma)
    above = normal((mean - x_0 + HALF_BIN) / sigma)
    probability = torch.where(x_0 < -0.999, below, torch.where(x_0 > 0.999, above, inside))
    return probability.clamp(min=FLOOR).log()


def _tanh_cdf(z: Tensor) -> Tensor:
    """½(1 + tanh(√(2/π)(z + .044715 z³))), written as a sigmoid, which does not cancel in the lower tail."""
    return torch.sigmoid(2 * math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))


def _normal_cdf(z: Tensor) -> Tensor:
    """Φ by erfc, which keeps its digits in the lower tail; torch.special.ndtr computes ½(1 + erf) and cancels there."""
    return 0.5 * torch.special.erfc(-z / math.sqrt(2))
