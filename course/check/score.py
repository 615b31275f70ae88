"""Notebook 5, how good is it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.check.exercise import Case, Exercise
from course.check.hidden import noise
from ddpm_core import likelihood

# --- gaussian_kl


def _kl(
    ratio: Callable[[Tensor, Tensor], Tensor] = lambda v_1, v_2: v_1 / v_2,
    distance: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda d, v_1, v_2: d**2 / v_2,
    half: float = 0.5,
    one: float = 1.0,
) -> Callable:
    def gaussian_kl(mean_1: Tensor, variance_1: Tensor, mean_2: Tensor, variance_2: Tensor) -> Tensor:
        r = ratio(variance_1, variance_2)
        return half * (r - one - r.log() + distance(mean_1 - mean_2, variance_1, variance_2))

    return gaussian_kl


def _kl_cases() -> list[Case]:
    mean_1, mean_2 = noise(0), noise(1)
    variance_1, variance_2 = noise(2) ** 2 + 0.1, noise(3) ** 2 + 0.1
    return [
        Case("equal variances", (mean_1, variance_1, mean_2, variance_1), "equal variances"),
        Case("equal means", (mean_1, variance_1, mean_1, variance_2), "equal means"),
        Case("two different Gaussians", (mean_1, variance_1, mean_2, variance_2), "both"),
    ]


gaussian_kl = Exercise(
    name="gaussian_kl",
    right=likelihood.gaussian_kl,
    cases=_kl_cases,
    mistakes={
        "The two Gaussians are swapped: KL is not symmetric, and the first one is the truth.": lambda a, b, c, d: _kl()(
            c, d, a, b
        ),
        "The factor ½ is missing.": _kl(half=1.0),
        "You use standard deviations where variances are given.": lambda a, b, c, d: _kl()(a, b.sqrt(), c, d.sqrt()),
        "The distance between the means is not squared.": _kl(distance=lambda d, v_1, v_2: d.abs() / v_2),
        "The −1 is missing: for two equal Gaussians the result must be 0.": _kl(one=0.0),
        "That is in bits: here take the natural logarithm, the result is in nats.": _kl(half=0.5 / math.log(2)),
        "The distance between the means is divided by the first variance: it is measured on the scale of the second.": (
            _kl(distance=lambda d, v_1, v_2: d**2 / v_1)
        ),
        "The sign of the logarithm is wrong: for equal means the result can't be negative.": lambda a, b, c, d: (
            0.5 * (b / d - 1 + (b / d).log() + (a - c) ** 2 / d)
        ),
    },
    hint="½ (r − 1 − log r + (μ₁ − μ₂)² / v₂) with r = v₁ / v₂, for each pixel.",
)


# --- pixel_bits


def _cdf(x: Tensor) -> Tensor:
    return torch.special.ndtr(x)


def _bits(
    width: float = 1 / 255,
    scale: Callable[[Tensor], Tensor] = lambda sigma: sigma,
    open_ends: bool = True,
    unit: Callable[[Tensor], Tensor] = lambda p: -p.log2(),
) -> Callable:
    def pixel_bits(x_0: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
        upper, lower = _cdf((x_0 + width - mean) / scale(sigma)), _cdf((x_0 - width - mean) / scale(sigma))
        if open_ends:
            upper, lower = torch.where(x_0 > 0.999, 1.0, upper), torch.where(x_0 < -0.999, 0.0, lower)
        return unit(upper - lower)

    return pixel_bits


def _bits_cases() -> list[Case]:
    levels = torch.tensor([[0.0, 254, 255], [100, 1, 200]], dtype=torch.float64) / 127.5 - 1
    mean = levels + 0.01 * noise(0, levels.shape)
    sigmas = torch.full_like(levels, 0.02), torch.full_like(levels, 0.1)
    return [Case(f"σ = {sigma[0, 0]:g}", (levels, mean, sigma)) for sigma in sigmas]


pixel_bits = Exercise(
    name="pixel_bits",
    right=lambda x_0, mean, sigma: (
        -likelihood.discretized_log_likelihood(x_0, mean, sigma**2, cdf="exact") / math.log(2)
    ),
    cases=_bits_cases,
    mistakes={
        "That is in nats: divide by log 2 for bits.": _bits(unit=lambda p: -p.log()),
        "The bins of the lowest and the highest grey level are open: everything below −1 counts as black, everything "
        "above 1 as white.": _bits(open_ends=False),
        "Your bins are twice as wide as they should be: 256 levels from −1 to 1 are 2/255 apart, so each bin reaches "
        "1/255 to both sides.": _bits(width=2 / 255),
        "Your bins are half as wide as they should be: each reaches 1/255 to both sides.": _bits(width=0.5 / 255),
        "You divide by the variance. The normal CDF takes (x − mean) / σ.": _bits(scale=lambda sigma: sigma**2),
        "The sign is wrong: a code has a positive length, −log₂ p.": _bits(unit=torch.log2),
        "You return the probability. Its code has the length −log₂ p.": _bits(unit=lambda p: p),
        "You take the density at the grey level. A density is no probability: take the mass of the whole bin.": (
            lambda x_0, mean, sigma: -torch.distributions.Normal(mean, sigma).log_prob(x_0) / math.log(2)
        ),
    },
    hint="p = Φ((x_0 + 1/255 − mean) / σ) − Φ((x_0 − 1/255 − mean) / σ), open at both ends, and −log₂ p.",
)


# --- rate


def _rate_cases() -> list[Case]:
    terms = noise(0, (20,)) ** 2 + 0.1
    return [Case(f"t = {t}", (torch.tensor(0.3, dtype=torch.float64), terms, t)) for t in (1, 7, 19, 20)]


rate = Exercise(
    name="rate",
    right=lambda prior, terms, t: prior + terms[t:].sum(),
    cases=_rate_cases,
    mistakes={
        "Wrong by one: you count L_{t−1} too. That term is sent after x_t, to get x_{t−1}.": (
            lambda prior, terms, t: prior + terms[t - 1 :].sum()
        ),
        "Wrong by one: the term L_t is missing. It is sent to get x_t from x_{t+1}.": (
            lambda prior, terms, t: prior + terms[t + 1 :].sum()
        ),
        "You add up the terms below t. They are sent later: the code begins with x_T.": (
            lambda prior, terms, t: prior + terms[:t].sum()
        ),
        "L_T is missing: x_T costs something too.": lambda prior, terms, t: terms[t:].sum(),
        "You take the mean. The parts of a message add up.": (
            lambda prior, terms, t: prior + (terms[t:].mean() if t < len(terms) else 0)
        ),
        "You always add up all terms: until x_t only a part is sent.": lambda prior, terms, t: prior + terms.sum(),
    },
    hint="L_T and then L_{T−1}, …, L_t are sent until x_t is there; terms[i] is L_i.",
)


# --- distortion


def _rms(scale: float = 127.5, mean: Callable[[Tensor], Tensor] = lambda x: x.square().flatten(1).mean(1).sqrt()):
    return lambda x_0, x0_hat: scale * mean(x_0 - x0_hat)


distortion = Exercise(
    name="distortion",
    right=_rms(),
    cases=lambda: [Case("three images", (noise(0).clamp(-1, 1), noise(1).clamp(-1, 1)))],
    mistakes={
        "The root is missing: that is a mean squared error.": _rms(mean=lambda x: x.square().flatten(1).mean(1)),
        "The root is missing, and the scale must be squared with the error.": _rms(
            127.5**2, lambda x: x.square().flatten(1).mean(1)
        ),
        "The scale is wrong: from −1 to 1 are 2, and from 0 to 255 are 255.": _rms(255.0),
        "That is on the scale from −1 to 1. In grey levels the whole range is 255.": _rms(1.0),
        "That is one number for all images: give one for each.": _rms(mean=lambda x: x.square().mean().sqrt()),
        "You take the mean of absolute values: the paper's distortion is the root of the mean square.": _rms(
            mean=lambda x: x.abs().flatten(1).mean(1)
        ),
        "The root comes before the mean: first the mean of the squares, then the root.": _rms(
            mean=lambda x: x.square().sum((1, 2, 3)).sqrt() / x[0].numel()
        ),
    },
    hint="The root of the mean of (x_0 − x̂_0)² over all pixels of an image, times 127.5.",
)


# --- frechet_distance


def _frechet(
    means: Callable[[Tensor], Tensor] = lambda d: d.square().sum(),
    cross: Callable[[Tensor, Tensor], Tensor] = lambda a, b: torch.linalg.eigvals(a @ b).real.clamp(min=0).sqrt().sum(),
    two: float = 2.0,
    covariance: Callable[[Tensor], Tensor] = lambda x: x.T.cov(),
) -> Callable:
    def frechet_distance(features_1: Tensor, features_2: Tensor) -> Tensor:
        a, b = covariance(features_1), covariance(features_2)
        return means(features_1.mean(0) - features_2.mean(0)) + a.trace() + b.trace() - two * cross(a, b)

    return frechet_distance


frechet_distance = Exercise(
    name="frechet_distance",
    right=_frechet(),
    cases=lambda: [Case("two sets of features", (noise(0, (40, 3)), 1.5 * noise(1, (40, 3)) + noise(2, (3,))))],
    mistakes={
        "The distance between the means is not squared.": _frechet(means=lambda d: d.norm()),
        "The factor 2 is missing in front of the root: two equal sets should have distance 0.": _frechet(two=1.0),
        "You take the root of each entry. The root of a matrix is another matrix: take the eigenvalues of the product, "
        "and the sum of their roots.": _frechet(cross=lambda a, b: (a @ b).abs().sqrt().trace()),
        "The root is missing: you take the trace of the product itself.": _frechet(cross=lambda a, b: (a @ b).trace()),
        "The covariances are between images, not between features: torch.cov wants a feature in each row.": _frechet(
            covariance=lambda x: x.cov()
        ),
        "You compare the means only. A model that always draws the same digit could have the right mean.": (
            lambda f, g: (f.mean(0) - g.mean(0)).square().sum()
        ),
        "You take the root of the whole. FID and its like are squared distances.": lambda f, g: _frechet()(f, g).sqrt(),
        "The part of the means is missing.": _frechet(means=lambda d: 0 * d.sum()),
    },
    hint="‖μ₁ − μ₂‖² + tr C₁ + tr C₂ − 2 Σ √λ, where λ are the eigenvalues of C₁ C₂.",
)

EXERCISES = (gaussian_kl, pixel_bits, rate, distortion, frechet_distance)
