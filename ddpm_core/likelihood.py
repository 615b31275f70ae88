"""Likelihood: the bound of Eq. 5 in bits/dim, the discrete decoder of Eq. 13, rate and distortion (Fig. 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ddpm_core import imaging
from ddpm_core.model import Model, ModelSpec, check_pixels, check_variance, is_whole
from ddpm_core.names import CDFS, LEARNED, Cdf, Spacing, Variance
from ddpm_core.noise import Noise, gaussian_batch, own_noise
from ddpm_core.prediction import Denoised, Labels, label_tensor, network_device, predict
from ddpm_core.process import decoder_variance, gamma_at, posterior, q_sample, reverse_variance, to_device
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import Pairs, Steps, timestep_pairs, whole_pairs

BATCH = 32  # number of pairs of an image and a time in a batch on a CPU
_ON_GPU, _PIXELS = 256, 2**19  # maximum number of such pairs, and of pixels, in a batch on a GPU
HALF_BIN = 1 / 255  # half the distance of two neighbouring grey levels in [−1, 1]
FLOOR = 1e-12  # minimum probability of a pixel, as in the paper's code, so that its logarithm is finite


@dataclass(frozen=True, eq=False)
class BitsPerDim:
    """The variational bound on −log₂ p(x_0) per dimension, Eq. 5, for N images and a chain of n steps.

    Attributes:
        times: the n visited t, ascending.
        prior: L_T of each image, float64 (N,).
        terms: the other terms, float64 (N, n), in the order of times. For the full chain, terms[:, t − 1] is L_{t−1}.
        mse: the mean of (x̂_0 − x_0)² at each time, float64 (N, n), in the units of [−1, 1].
    """

    times: tuple[int, ...]
    prior: Tensor
    terms: Tensor
    mse: Tensor

    @property
    def total(self) -> Tensor:
        """Return the bits per dimension of each image, (N,)."""
        return self.prior + self.terms.sum(1)

    def rate(self, t: int) -> Tensor:
        """Return the bits per dimension that are sent until the receiver has x_t, (N,): see Algorithm 3.

        These bits are L_T and the terms of the times above t.
        """
        return self.prior + self.terms[:, self._index(t) + 1 :].sum(1)

    def distortion(self, t: int) -> Tensor:
        """Return the root mean squared error of the receiver's x̂_0 given x_t, (N,), on the scale 0..255."""
        return 127.5 * self.mse[:, self._index(t)].sqrt()

    def with_images(self, other: BitsPerDim) -> BitsPerDim:
        """Return the bound for these images and then the images of `other`. Raise ValueError if the times differ."""
        if other.times != self.times:
            raise ValueError("bounds of chains with different times can't be put together")
        parts = zip((self.prior, self.terms, self.mse), (other.prior, other.terms, other.mse), strict=True)
        return BitsPerDim(self.times, *map(torch.cat, parts))

    def _index(self, t: int) -> int:
        """Return the position of t in `times`. Raise ValueError if the chain does not visit it."""
        if t not in self.times:
            raise ValueError(f"the chain does not visit t = {t}")
        return self.times.index(t)


def bits_per_dim(
    model: Model,
    images: np.ndarray | Tensor,
    variance: Variance | None = None,
    steps: Steps | None = None,
    spacing: Spacing = "linspace",
    labels: Labels = None,
    clip: bool | None = None,
    cdf: Cdf = "tanh",
    noise: Noise | None = None,
    dtype: torch.dtype = torch.float64,
    progress: Callable[[int, int], None] | None = None,
) -> BitsPerDim:
    """Return the variational bound of images (Eq. 5), estimated from one draw of x_t for each image and time.

    `bound` defines the terms, and `bound_variance` the variances of p_θ.

    Arguments:
        model: a model from `load`, or your own Model.
        images: uint8 (N, H, W, C).
        variance: one of names.VARIANCES; None for the checkpoint's own.
        steps: the number of steps, None for all T; fewer need a spacing that visits t = 1. Or the times themselves,
            down to 1.
        spacing: one of names.SPACINGS but "optimised".
        labels: a class for all images or one for each, as for `trajectory`; None for no class.
        clip: whether to clip x̂_0 to [−1, 1], as the paper's evaluation does. If None, the checkpoint decides.
        cdf: "tanh" or "exact", see `discretized_log_likelihood`.
        noise: noise(index, x) -> ε of x_t for all N images at step `index`; index 0 is the largest t. Without it, image
            i has the seed i.
        dtype: the dtype of the state.
        progress: progress(done, total) counts evaluations.

    Raises:
        ValueError: for images that are not uint8 or not of the model's size; for steps outside 1..T or a chain that
            misses t = 1; for an unknown variance, spacing or cdf; for labels that the model does not have; for latent
            models and students.
    """
    pairs, variance = chain(model, variance, model.schedule.T if steps is None else steps, spacing)
    _check_cdf(cdf)
    x_0 = image_state(model, images, dtype)
    terms, mse = [], []
    for prediction, x_0_part, x_t, t, s in evaluations(model, x_0, pairs, labels, clip, noise, progress):
        mean, _ = posterior(model.schedule, prediction.x0, x_t, t, s)
        sigma2 = bound_variance(model.schedule, t, s, variance, prediction.v, model.gamma)
        terms.append(_mean(bound(model.schedule, x_0_part, x_t, t, s, mean, sigma2, cdf)) / math.log(2))
        mse.append(_mean((prediction.x0_hat - x_0_part).square()))
    of_terms, of_mse = (torch.cat(parts).reshape(len(pairs), len(x_0)).flip(0).T for parts in (terms, mse))
    return BitsPerDim(tuple(t for t, _ in reversed(pairs)), _prior(model.schedule, x_0, pairs[0][0]), of_terms, of_mse)


def progressive_decoding(
    model: Model,
    images: np.ndarray | Tensor,
    times: Sequence[int],
    labels: Labels = None,
    clip: bool | None = None,
    noise: Noise | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Return the receiver's estimates x̂_0 during lossless decoding (section 4.3 of the paper, Algorithm 4).

    Arguments:
        model: a model from `load`, or your own Model.
        images: uint8 (N, H, W, C).
        times: whole times 1..T. At each of them, the receiver has x_t ~ q(x_t | x_0).
        labels, clip: as for `trajectory`.
        noise: noise(index, x) -> ε of x_t at times[index], for all N images. Without it, image i has the seed i.
        progress: progress(done, total) counts evaluations.

    Returns:
        float32 (len(times), N, C, H, W).

    Raises:
        ValueError: for images of another size or dtype, times outside 1..T, and labels that the model does not have.
    """
    x_0 = image_state(model, images, torch.float32)
    pairs = [(t, t - 1) for t in checked_times(times, model.schedule.T)]
    found = evaluations(model, x_0, pairs, labels, clip, noise, progress)
    parts = [prediction.x0_hat.cpu() for prediction, *_ in found]
    return torch.cat(parts).reshape(len(pairs), *x_0.shape)


def checked_times(times: Iterable[int], T: int) -> list[int]:
    """Return the times as a list. Raise ValueError if there are none, or one is not a whole number from 1 to T."""
    values = getattr(times, "tolist", lambda: times)()  # converts an array or a tensor to a list
    each = list(values) if isinstance(values, Iterable) else []
    if not each or not all(is_whole(t, 1, T) for t in each):
        raise ValueError(f"times are a list of whole numbers from 1 to {T}, got {times!r}")
    return [int(t) for t in each]


def rechain(
    full: BitsPerDim, model: Model, images: np.ndarray | Tensor, variance: Variance | None, steps: int, spacing: Spacing
) -> BitsPerDim:
    """Return the bound for another variance and fewer steps, from a result for the same images.

    The network is not evaluated again: each term depends on the network only through the mean of (x̂_0 − x_0)².

    Arguments:
        full: the result for the full chain, or for any chain that visits all times of the new chain.
        model: the model of this result.
        images: the images of this result, uint8 (N, H, W, C).
        variance: a variance that is not learned; None for the checkpoint's own.
        steps, spacing: the new chain, as for `bits_per_dim`.

    Raises:
        ValueError: for learned variances, μ̃-prediction, and a chain that misses t = 1 or visits other times.
    """
    schedule, (pairs, variance) = model.schedule, chain(model, variance, steps, spacing)
    column = {t: i for i, t in enumerate(full.times)}
    if variance in LEARNED or model.prediction == "mu" or any(t not in column for t, _ in pairs):
        raise ValueError("this needs a full chain with a fixed or analytic variance; μ̃-prediction is not supported")
    t, s = torch.tensor(pairs[::-1]).T
    mse = full.mse[:, [column[t] for t, _ in reversed(pairs)]]
    one = torch.ones(len(t), dtype=torch.float64)
    of_x_0, true = posterior(schedule, one, 0 * one, t, s)
    sigma2 = bound_variance(schedule, t, s, variance, None, model.gamma).flatten()[1:]
    of_mean = of_x_0[1:] ** 2 * mse[:, 1:]
    later = gaussian_kl(of_mean.sqrt(), true[1:], torch.zeros_like(of_mean), sigma2) / math.log(2)
    prior = _prior(schedule, image_state(model, images, torch.float64), pairs[0][0])
    return BitsPerDim(tuple(t.tolist()), prior, torch.cat([full.terms[:, :1], later], 1), mse)


def bound(
    schedule: NoiseSchedule,
    x_0: Tensor,
    x_t: Tensor,
    t: Tensor,
    s: Tensor,
    mean: Tensor,
    variance: Tensor,
    cdf: Cdf = "tanh",
) -> Tensor:
    """Return the term of Eq. 5 for the step from x_t to x_s, in nats for each pixel, like x_0.

    With p_θ(x_s | x_t) = N(mean, variance), it is KL(q(x_s | x_t, x_0) ‖ p_θ(x_s | x_t)) (Eq. 8), and at s = 0
    −log p_θ(x_0 | x_1) (Eq. 13). The term has gradients with respect to mean and variance.

    Arguments:
        schedule: the noise schedule.
        x_0, x_t, mean: (N, C, H, W).
        t, s: int64 (N,), best on the CPU.
        variance: the result of `bound_variance`.
        cdf: as for `discretized_log_likelihood`.
    """
    variance = to_device(variance, x_0.device, x_0.dtype)
    last = to_device((s == 0).reshape(-1, *[1] * (x_0.ndim - 1)), x_0.device)
    decoder = divergence = torch.zeros_like(x_0)
    if bool((s == 0).any()):
        decoder = -discretized_log_likelihood(x_0, mean, variance, cdf)
    if bool((s > 0).any()):
        true_mean, true_variance = posterior(schedule, x_0, x_t, t, s)
        # At s = 0, β̃ is 0, and the divergence is not used. With another value there, it and its gradient are finite.
        true_variance = torch.where(last, variance.detach(), true_variance)
        divergence = gaussian_kl(true_mean, true_variance, mean, variance)
    return torch.where(last, decoder, divergence)


def bound_variance(
    schedule: NoiseSchedule, t: Tensor, s: Tensor, kind: Variance, v: Tensor | None, gamma: Tensor | None = None
) -> Tensor:
    """Return σ² of p_θ(x_s | x_t) in the bound, (N, 1, 1, 1), or like v for learned kinds.

    σ² is `process.reverse_variance`, except that at s = 0, kinds that are not learned have `process.decoder_variance`.
    gamma: the table of Γ_t, (T + 1,), for "analytic".
    """
    known = None if gamma is None else gamma_at(schedule, gamma, t)
    variance = reverse_variance(schedule, t, s, kind, v=v, gamma=known)
    if kind in LEARNED:
        return variance
    return torch.where((s == 0).reshape(variance.shape).to(variance.device), decoder_variance(schedule), variance)


def gaussian_kl(mean_1: Tensor, variance_1: Tensor, mean_2: Tensor, variance_2: Tensor) -> Tensor:
    """Return KL(N(mean_1, variance_1) ‖ N(mean_2, variance_2)) of each pixel, in nats. All shapes broadcast."""
    ratio = variance_1 / variance_2
    return 0.5 * (ratio - 1 - ratio.log() + (mean_1 - mean_2).square() / variance_2)


def discretized_log_likelihood(x_0: Tensor, mean: Tensor, variance: Tensor | float, cdf: Cdf = "tanh") -> Tensor:
    """Return log p_θ(x_0 | x_1) for each pixel, in nats, like x_0 (Eq. 13).

    p_θ is the integral of N(mean, variance) over the bin of width 2/255 around x_0. The lowest and the highest bin are
    open. The result is at least log(1e-12).

    Arguments:
        x_0: grey levels in [−1, 1].
        mean, variance: tensors that broadcast against x_0; variance can also be a number.
        cdf: "tanh" for the paper's approximation of the normal CDF, "exact" for the CDF itself.

    Raises:
        ValueError: for an unknown cdf.
    """
    _check_cdf(cdf)
    normal = _tanh_cdf if cdf == "tanh" else _normal_cdf
    sigma = torch.as_tensor(variance, dtype=x_0.dtype, device=x_0.device).sqrt()
    # Φ(b) − Φ(a) = Φ(−a) − Φ(−b). Use the side where Φ is small, because differences near Φ = 1 would lose digits.
    distance = (x_0 - mean).abs()
    near, far = (HALF_BIN - distance) / sigma, (-HALF_BIN - distance) / sigma
    inside = normal(near) - normal(far)
    below = normal((x_0 - mean + HALF_BIN) / sigma)
    above = normal((mean - x_0 + HALF_BIN) / sigma)
    probability = torch.where(x_0 < -0.999, below, torch.where(x_0 > 0.999, above, inside))
    return probability.clamp(min=FLOOR).log()


def chain(
    model: ModelSpec, variance: Variance | None, steps: Steps, spacing: Spacing
) -> tuple[list[tuple[int, int]], Variance]:
    """Return the pairs (t, s) and the variance of a bound.

    Raise ValueError if `bits_per_dim` is not possible for this model, variance and chain.
    """
    check_pixels(model, "the likelihood")
    pairs = whole_pairs(timestep_pairs(model.schedule.T, steps, spacing), "the bound")
    if pairs[-1][0] != 1:
        raise ValueError(
            f"the likelihood needs a chain that visits t = 1, and these {len(pairs)} steps end at t = {pairs[-1][0]}: "
            "use at least 2 steps, and another spacing than trailing"
        )
    if model.student is not None:
        model.student.check_times((t for t, _ in pairs), "measure its teacher")
        if model.student.method == "consistency":
            raise ValueError("this model is a consistency student, which has no steps to measure: choose another")
    return pairs, check_variance(model, variance, pairs)


def _prior(schedule: NoiseSchedule, x_0: Tensor, t: int) -> Tensor:
    """Return L_T in bits per dimension, (N,): KL(q(x_t | x_0) ‖ N(0, I)) at the first time t of the chain.

    The formula is written so that no digits cancel.
    """
    alpha_bar = schedule.alpha_bar[t].item()
    return _mean(0.5 * (alpha_bar * (x_0.square() - 1) - math.log1p(-alpha_bar))) / math.log(2)


def evaluations(
    model: Model,
    x_0: Tensor,
    pairs: Pairs,
    labels: Labels,
    clip: bool | None,
    noise: Noise | None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[Denoised, Tensor, Tensor, Tensor, Tensor]]:
    """Evaluate the network for all steps and images. Yield (Denoised, x_0, x_t, t, s) for one batch after the other.

    The order is: all images of the first pair, then all images of the second pair, and so on. A batch may contain
    several pairs, but the last pair never shares a batch with others. t and s are int64 (batch,) on the CPU.

    x_0: a result of `image_state`, (N, C, H, W). noise, labels, clip, progress: as for `bits_per_dim`.
    """
    n, total = len(x_0), len(x_0) * len(pairs)
    noise = None if noise is None else own_noise(noise)
    label_ids = label_tensor(model, labels, n, None)
    times, batch = torch.tensor(pairs), batch_size(model, x_0)
    per_group = max(1, batch // n)  # number of steps whose noise is in memory at the same time
    starts = [*range(0, len(pairs) - 1, per_group), len(pairs) - 1]
    for first, end in zip(starts, [*starts[1:], len(pairs)], strict=True):
        eps = torch.cat([_noise(noise, index, x_0) for index in range(first, end)])
        for rows in torch.arange(len(eps)).split(batch):
            t, s = times[first + rows // n].unbind(1)
            image = to_device(rows % n, x_0.device)
            x_0_part = x_0[image]
            x_t = q_sample(model.schedule, x_0_part, t, eps[rows[0] : rows[-1] + 1])
            part_labels = None if label_ids is None else label_ids[rows % n]
            yield predict(model, x_t, t, part_labels, clip=clip), x_0_part, x_t, t, s
            if progress:
                progress(first * n + int(rows[-1]) + 1, total)


def batch_size(model: Model, x_0: Tensor) -> int:
    """Return a batch size that uses the model's device fully for images like x_0, (N, C, H, W)."""
    if (network_device(model.network) or x_0.device).type == "cpu":
        return BATCH
    return max(BATCH, min(_ON_GPU, _PIXELS // x_0[0, 0].numel()))


def _noise(noise: Noise | None, index: int, x_0: Tensor) -> Tensor:
    """Return ε of step `index`, like x_0: from the user's function, or from the seeds 0..N − 1."""
    if noise is not None:
        return noise(index, x_0)
    return to_device(gaussian_batch(range(len(x_0)), index + 1, x_0.shape[1:]), x_0.device, x_0.dtype)


def image_state(model: Model, images: np.ndarray | Tensor, dtype: torch.dtype) -> Tensor:
    """Return uint8 images (N, H, W, C) as x_0, (N, C, H, W): in [−1, 1], or as latents for a latent model.

    x_0 is on the network's device, or on the CPU if the network is on Apple's GPU. Raise ValueError if the images do
    not have the model's size and channels.
    """
    x_0 = imaging.from_uint8(images, dtype)
    shape = (model.picture_channels, model.picture_size, model.picture_size)
    if len(x_0) == 0 or x_0.shape[1:] != shape:
        raise ValueError(f"images must be uint8 (N, {shape[1]}, {shape[2]}, {shape[0]}), got {tuple(images.shape)}")
    if model.decoder is not None:
        x_0 = model.decoder.encode(x_0)
    device = network_device(model.network)
    return x_0 if device is None or device.type == "mps" else x_0.to(device)  # Apple's GPUs have no float64


def _mean(x: Tensor) -> Tensor:
    """Return the mean of each image, float64 (N,) on the CPU."""
    return x.double().flatten(1).mean(1).cpu()


def _check_cdf(cdf: Cdf) -> None:
    """Raise ValueError for an unknown cdf."""
    if cdf not in CDFS:
        raise ValueError(f"unknown cdf {cdf!r}: choose from {', '.join(CDFS)}")


def _tanh_cdf(z: Tensor) -> Tensor:
    """Return ½(1 + tanh(√(2/π)(z + 0.044715 z³))), written as a sigmoid so that small results keep their digits."""
    return torch.sigmoid(2 * math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))


def _normal_cdf(z: Tensor) -> Tensor:
    """Return Φ(z), computed with erfc so that small results keep their digits; torch.special.ndtr would lose them."""
    return 0.5 * torch.special.erfc(-z / math.sqrt(2))
