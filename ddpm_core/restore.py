"""Restore pictures from a measurement y = A x_0 + σ_y n with a known linear A. The model is the prior of x_0.

A `Measurement` has A, its adjoint Aᵀ and, if it is known, its pseudo-inverse A⁺. A method is a frozen dataclass that
uses one of the library's samplers. In each step it evaluates the network, changes x̂_0 or the state so that it fits y,
and lets the sampler compute x_s. docs/restoration.md compares the methods with known posteriors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal, Protocol, Unpack

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_core.arguments import RestoreOptions, arguments, check_options, completes
from ddpm_core.errors import first_line
from ddpm_core.model import Model, check_pixels, is_number, is_whole
from ddpm_core.names import Spacing, Variance
from ddpm_core.noise import Noise, Seeds, check_seeds, gaussian_batch
from ddpm_core.prediction import Denoised, check_gradients, network_device
from ddpm_core.process import posterior_mean, q_sample, to_device, to_x0_eps
from ddpm_core.runs import Chain, Condition, Lane, follow, make_chain
from ddpm_core.samplers import DEFAULTS, AnySampler, Predict, Step, StepSampler
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.timesteps import Pairs, Steps

MethodName = Literal["replacement", "repaint", "ddnm", "pigdm", "dps"]
Linear = Callable[[Tensor], Tensor]

# Step i needs several draws of noise. Draw j = 0, 1, 2, … has the index i + j · 2^20. No run has 2^20 steps.
_EXTRA = 2**20
_OBSERVED = 2**62  # noise stream of `Measurement.observe`; runs use other streams
_SOLVED = 1e-6  # relative error at which conjugate gradients stop
# Singular values of a blur below this fraction of the largest are set to 0, because rounding y to 8 bits hides their
# effect.
_LEAST_BLUR = 0.01


# --- Measurements


def _unknown(y: Tensor) -> Tensor:
    """Raise ValueError. This is the default of `Measurement.pseudoinverse`, for a measurement whose A⁺ is unknown."""
    raise ValueError("this measurement has no pseudo-inverse: give it to Measurement as pseudoinverse")


@dataclass(frozen=True, eq=False)
class Measurement:
    """A linear measurement y = A x_0 + σ_y n with n ~ N(0, I).

    `mask`, `downsample`, `grey` and `blur` make measurements. You can also define your own.

    Attributes:
        forward: A, from (N, C, H, W) to (N, ...), the same for each image; in PyTorch, if gradients are needed.
        pseudoinverse: A⁺, from (N, ...) to (N, C, H, W), with A A⁺ A = A. DPS and ΠGDM do not need it.
        sigma: σ_y >= 0, the standard deviation of the noise, in the units of [−1, 1].
        name: the name for the user.
        gram: gram(f, y) = f(A Aᵀ) y, where f maps a tensor of eigenvalues; None if they are not known.
        gram_scale: c if A Aᵀ = c I on every y, else None. With c, another measurement can follow this one: see `then`.

    Raises:
        ValueError: for a sigma that is not a number of at least 0.
    """

    forward: Linear
    pseudoinverse: Linear = _unknown
    sigma: float = 0.0
    name: str = "own"
    gram: Callable[[Linear, Tensor], Tensor] | None = None
    gram_scale: float | None = None

    def __post_init__(self) -> None:
        if not is_number(self.sigma, 0):
            raise ValueError(f"sigma is the deviation of the noise in y, a number of at least 0, got {self.sigma!r}")

    def __repr__(self) -> str:
        return f"Measurement({self.name}, sigma {self.sigma:g})"

    @property
    def has_inverse(self) -> bool:
        """Return whether A⁺ is known."""
        return self.pseudoinverse is not _unknown

    def __call__(self, x_0: Tensor) -> Tensor:
        """Return A x_0, (N, ...), without noise. x_0: pictures, (N, C, H, W)."""
        return self.forward(x_0)

    def adjoint(self, y: Tensor, like: Tensor) -> Tensor:
        """Return Aᵀ y, in the shape of `like`: the gradient of ⟨A x, y⟩, because A is linear."""
        check_gradients()
        with torch.enable_grad():
            x = torch.zeros_like(like).requires_grad_()
            (found,) = torch.autograd.grad(self.forward(x), x, y)
        return found

    def project(self, x: Tensor) -> Tensor:
        """Return A⁺A x, like x (N, C, H, W): the part of x that a measurement determines."""
        return self.pseudoinverse(self.forward(x))

    def observe(self, x_0: Tensor, seeds: Seeds | None = None) -> Tensor:
        """Return y for pictures (N, C, H, W) in [−1, 1], with noise if sigma is above 0.

        seeds: the seeds of the noise. Raise ValueError if sigma is above 0 and there is not one seed for each picture.
        """
        y = self.forward(x_0)
        if not self.sigma:
            return y
        each = [] if seeds is None else check_seeds(seeds)
        if len(each) != len(x_0):
            raise ValueError(f"a measurement with noise needs a seed for each of the {len(x_0)} pictures")
        noise = gaussian_batch(each, _OBSERVED, y.shape[1:]).to(y)
        if self.has_inverse:
            noise = self.forward(self.pseudoinverse(noise))  # removes noise where y must be 0, as at masked pixels
        return y + self.sigma * noise

    def solve(self, y: Tensor, of_gram: float, of_identity: float, like: Tensor) -> Tensor:
        """Return (of_gram A Aᵀ + of_identity I)⁻¹ y on the range of A, like y (N, ...).

        If `gram` is not known, this uses conjugate gradients. like: any pictures to which A applies, (N, C, H, W).
        """
        if self.gram is not None:
            return self.gram(lambda values: (of_gram * values + of_identity).reciprocal(), y)
        # Each image is solved alone, so that its number of iterations does not depend on the batch.
        rows = zip(y.split(1), like.split(1), strict=True)
        return torch.cat([self._conjugate_gradients(one, of_gram, of_identity, its) for one, its in rows])

    def _conjugate_gradients(self, y: Tensor, of_gram: float, of_identity: float, like: Tensor) -> Tensor:
        """Return the result of `solve` for one image, by conjugate gradients."""
        found, rest = torch.zeros_like(y), y
        direction, size = rest, _dot(rest, rest)
        enough = _SOLVED**2 * size
        for _ in range(min(y[0].numel(), 1000)):
            if bool(size <= enough):
                break
            product = of_gram * self.forward(self.adjoint(direction, like)) + of_identity * direction
            step = size / _dot(direction, product).clamp(min=torch.finfo(y.dtype).tiny)
            found, rest = found + step * direction, rest - step * product
            before, size = size, _dot(rest, rest)
            direction = rest + size / before.clamp(min=torch.finfo(y.dtype).tiny) * direction
        return found


def mask(known: Tensor | np.ndarray, sigma: float = 0.0) -> Measurement:
    """Return a measurement of some pixels only. y is the picture with 0 at all other pixels.

    Arguments:
        known: bool or 0 and 1, (H, W) or (C, H, W); 1 at the pixels that are measured.
        sigma: σ_y, as for `Measurement`.

    Raises:
        ValueError: for a mask of another shape or with other values, or without any 1. When the measurement is used,
            for pictures of another size.
    """
    keep = known.clone() if isinstance(known, Tensor) else torch.from_numpy(np.array(known))
    if keep.ndim not in (2, 3) or not bool(((keep == 0) | (keep == 1)).all()) or not bool((keep == 1).any()):
        raise ValueError(f"a mask is (H, W) or (C, H, W), 1 where a pixel is known and 0 elsewhere, got {keep.shape}")

    def forward(x: Tensor) -> Tensor:
        """Return pictures with 0 at unknown pixels."""
        if x.shape[-2:] != keep.shape[-2:] or (keep.ndim == 3 and len(keep) not in (1, x.shape[1])):
            raise ValueError(f"a mask of {tuple(keep.shape)} doesn't fit pictures of {tuple(x.shape[1:])}")
        return x * to_device(keep, x.device, x.dtype)

    return Measurement(forward, forward, sigma, "mask", _scalar(1.0))


def downsample(factor: int, sigma: float = 0.0) -> Measurement:
    """Return a measurement of the mean of each block of factor × factor pixels. y: (N, C, H/factor, W/factor).

    A Aᵀ is I/factor². sigma: σ_y, as for `Measurement`.

    Raises:
        ValueError: unless factor is a whole number of at least 1. When the measurement is used, for pictures whose
            sides are no multiples of factor.
    """
    if not is_whole(factor, 1):
        raise ValueError(f"factor is a whole number of at least 1, got {factor!r}")

    def forward(x: Tensor) -> Tensor:
        """Return the mean of each block."""
        if x.shape[-1] % factor or x.shape[-2] % factor:
            raise ValueError(f"{x.shape[-2]}×{x.shape[-1]} pixels can't be divided into blocks of {factor}×{factor}")
        return F.avg_pool2d(x, factor)

    def back(y: Tensor) -> Tensor:
        """Return A⁺ y: each number repeated in its block."""
        return y.repeat_interleave(factor, -2).repeat_interleave(factor, -1)

    return Measurement(forward, back, sigma, f"downsample {factor}", _scalar(factor**-2), factor**-2)


def grey(sigma: float = 0.0, channels: int = 3) -> Measurement:
    """Return a measurement of the mean of the channels of each pixel. y: (N, 1, H, W).

    A Aᵀ is I/channels. sigma: σ_y, as for `Measurement`.

    Raises:
        ValueError: unless channels is a whole number of at least 1. When the measurement is used, for pictures with
            another number of channels.
    """
    if not is_whole(channels, 1):
        raise ValueError(f"channels is a whole number of at least 1, got {channels!r}")

    def forward(x: Tensor) -> Tensor:
        """Return the mean of the channels."""
        if x.shape[1] != channels:
            raise ValueError(
                f"grey(channels={channels}) doesn't fit pictures of {tuple(x.shape[1:])}: give their number of channels"
            )
        return x.mean(1, keepdim=True)

    def back(y: Tensor) -> Tensor:
        """Return A⁺ y: y repeated in each channel."""
        return y.expand(-1, channels, *y.shape[2:])

    return Measurement(forward, back, sigma, "grey", _scalar(1 / channels), 1 / channels)


def blur(kernel: Sequence[float], size: int, sigma: float = 0.0) -> Measurement:
    """Return a measurement that blurs size × size pictures with the same kernel along both axes.

    The picture is mirrored at its edges. Singular values of the blur below 1 % of the largest are set to 0, because
    rounding to 8 bits would hide their effect. So A A⁺ A = A.

    Arguments:
        kernel: an odd number of weights.
        size: the height and width of the pictures, in pixels.
        sigma: σ_y, as for `Measurement`.

    Raises:
        ValueError: for an even number of weights, or more than 2 · size − 1. When the measurement is used, for pictures
            of another size.
    """
    _check_size(size)
    each = list(kernel) if isinstance(kernel, Iterable) else []
    radius = len(each) // 2
    if len(each) % 2 == 0 or radius >= size or not all(is_number(weight, -math.inf) for weight in each):
        raise ValueError(
            f"a kernel is an odd number of weights, at most {2 * size - 1} for {size} pixels, got {kernel!r}"
        )
    weights = torch.tensor([float(weight) for weight in each], dtype=torch.float64)
    rows = torch.zeros(size, size, dtype=torch.float64)
    for i in range(size):
        for offset, weight in enumerate(weights, -radius):
            j = i + offset
            rows[i, -j - 1 if j < 0 else 2 * size - 1 - j if j >= size else j] += weight
    u, values, vt = torch.linalg.svd(rows)
    both = values[:, None] * values  # the singular values of A = rows ⊗ rows
    both = torch.where(both < _LEAST_BLUR * both.max(), 0, both)
    inverse = torch.where(both > 0, 1 / both, 0)

    def by(left: Tensor, middle: Tensor, right: Tensor) -> Linear:
        """Return the linear map x → L (M ∘ Rᵀ x R) Lᵀ."""

        def apply(x: Tensor) -> Tensor:
            """Return L (M ∘ Rᵀ x R) Lᵀ."""
            L, M, R = (to_device(matrix, x.device, x.dtype) for matrix in (left, middle, right))
            return L @ (M * (R.mT @ x @ R)) @ L.mT

        return apply

    def gram(f: Linear, y: Tensor) -> Tensor:
        """Return f(A Aᵀ) y."""
        return by(u, torch.where(both > 0, f(both.square().clamp(min=1e-30)), 0), u)(y)

    return Measurement(by(u, both, vt.T), by(vt.T, inverse, u), sigma, f"blur {len(weights)}", gram)


def gaussian_kernel(deviation: float, size: int) -> list[float]:
    """Return the weights of a Gaussian kernel for `blur`. Their sum is 1.

    The kernel ends at three standard deviations. deviation: the standard deviation in pixels. size: the height and
    width of the pictures. Raise ValueError for a deviation that is not above 0, and a size below 1.
    """
    _check_size(size)
    if not is_number(deviation, 0) or deviation**2 == 0:
        raise ValueError(f"deviation is a number above 0, in pixels, got {deviation!r}")
    radius = min(math.ceil(3 * deviation), size - 1)
    weights = [math.exp(-(i**2) / (2 * deviation**2)) for i in range(-radius, radius + 1)]
    return [weight / sum(weights) for weight in weights]


def _check_size(size: int) -> None:
    """Raise ValueError unless size is a whole number of at least 1."""
    if not is_whole(size, 1):
        raise ValueError(f"size is the pixels a side, a whole number of at least 1, got {size!r}")


def then(first: Measurement, second: Measurement) -> Measurement:
    """Return the measurement A = A_2 A_1, which measures the result of `first` by `second`. σ_y is that of `second`.

    The pseudo-inverse is A_1⁺ A_2⁺ only if A_1 A_1ᵀ = c I, as for `downsample` and `grey`. Raise ValueError for any
    other `first`, and if `first` has noise.
    """
    if first.gram_scale is None or first.sigma:
        raise ValueError(
            f"the pseudo-inverse of {second.name!r} after {first.name!r} isn't known: begin with downsample or grey"
        )
    scale, inner = first.gram_scale, second.gram

    def gram(f: Linear, y: Tensor) -> Tensor:
        """Return f(A Aᵀ) y for the combined measurement."""
        assert inner is not None
        return inner(lambda values: f(scale * values), y)

    return Measurement(
        lambda x: second(first(x)),
        lambda y: first.pseudoinverse(second.pseudoinverse(y)),
        second.sigma,
        f"{first.name}, {second.name}",
        gram if inner else None,
        None if second.gram_scale is None else scale * second.gram_scale,
    )


def _scalar(value: float) -> Callable[[Linear, Tensor], Tensor]:
    """Return the `gram` of a measurement whose A Aᵀ is this multiple of the identity."""
    return lambda f, y: f(torch.tensor(value, dtype=torch.float64)).item() * y


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return ⟨a, b⟩ of each image, (N, 1, ..., 1)."""
    return (a * b).flatten(1).sum(1).reshape(-1, *[1] * (a.ndim - 1))


# --- Methods


@dataclass(frozen=True)
class Task:
    """A restoration task: the measurement, y (N, ...), the chain, and whether x̂_0 is clipped."""

    measurement: Measurement
    y: Tensor
    chain: Chain
    clip: bool

    def fitted(self, schedule: NoiseSchedule, x_0: Tensor, x_t: Tensor, t: float, v: Tensor | None) -> Denoised:
        """Return a changed x̂_0, clipped if `clip` is on, with the ε that follows from x̂_0 and x_t. v stays as it is."""
        x_0 = x_0.clamp(-1, 1) if self.clip else x_0
        x_0, eps = to_x0_eps(schedule, "x0", x_0, x_t, t)
        return Denoised(x_0, eps, x_0, v)

    def check_steps(self) -> None:
        """Raise ValueError for a sampler whose steps can't start from a state that the method has changed."""
        self.chain.check_no_memory()
        if self.chain.sampler.evaluations != 1:
            raise ValueError("this method takes samplers that evaluate at their own state: ddpm, ddim or consistency")


class Method(Protocol):
    """A method of restoration."""

    def check(self, task: Task) -> None:
        """Raise ValueError for a task that the method can't solve."""

    def steps(
        self, task: Task, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, noise: Noise
    ) -> Iterator[Step]:
        """Yield the steps of one run from x = x_T (N, C, H, W). `SamplerFunction` explains the other arguments."""
        ...


@dataclass(frozen=True)
class _Restoring(StepSampler):
    """A method with its task, as a sampler for `follow`."""

    memory: ClassVar[bool] = True
    evaluations: ClassVar[int | None] = None
    method: Method
    task: Task

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The sampler's name."""
        return self.task.chain.name

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        """Yield the method's steps from x."""
        return self.method.steps(self.task, predict, schedule, pairs, x, noise)


def _check_inverse(name: str, task: Task) -> None:
    """Raise ValueError if the measurement has no pseudo-inverse. name: the method's name for the message."""
    if not task.measurement.has_inverse:
        raise ValueError(f"{name} needs the measurement's pseudoinverse: give it, or choose method='dps' or 'pigdm'")


def _check_no_noise(name: str, task: Task) -> None:
    """Raise ValueError if y has noise. name: the method's name for the message."""
    if task.measurement.sigma:
        raise ValueError(f"{name} takes y as exact, and this y has noise: use ddnm, pigdm or dps")


@dataclass(frozen=True)
class RePaint:
    """RePaint (Lugmayr et al. 2022, Algorithm 1).

    After each step, the part of x_s that y determines is replaced by a draw from q(x_s | x_0):
    x_s ← x_s + A⁺(√ᾱ_s y + √(1 − ᾱ_s) A z − A x_s). Every block of `jump` steps is run `rounds` times, so that the rest
    of the picture adapts; in between, q(x_t | x_s) leads back to the first time of the block. With rounds=1, this is
    replacement (Song et al. 2021, Appendix I.2). The method needs a y without noise.
    """

    jump: int = 10
    rounds: int = 10

    def __post_init__(self) -> None:
        if not (is_whole(self.jump, 1) and is_whole(self.rounds, 1)):
            raise ValueError(f"jump and rounds are whole numbers of at least 1, got {self.jump!r} and {self.rounds!r}")

    def check(self, task: Task) -> None:
        """Raise ValueError for a sampler, measurement or noise that the method does not support."""
        name = "repaint" if self.rounds > 1 else "replacement"
        task.check_steps()
        _check_inverse(name, task)
        _check_no_noise(name, task)

    def steps(
        self, task: Task, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, noise: Noise
    ) -> Iterator[Step]:
        """Run each block of steps `rounds` times, and yield the steps of its last round."""
        A, y, step = task.measurement, task.y, task.chain.sampler.start(schedule, pairs)

        def run_block(block: range, x: Tensor, draw: int) -> Iterator[Step]:
            """Run the steps of a block once from x, and replace the known part after each. Yield the steps.

            block: the indices of the steps. draw: selects the noise, so that each round has new noise: the steps use
            draw number `draw` of their noise, and the replacements draw number draw + 1.
            """
            for k in block:
                t, s = pairs[k]
                found = predict(x, t)
                x, sigma = step(found, k, t, s, x, lambda k, x: noise(k + draw * _EXTRA, x))
                alpha_bar = schedule.alpha_bar_at(s)
                known = math.sqrt(alpha_bar) * y
                if s > 0:
                    known = known + math.sqrt(1 - alpha_bar) * A(noise(k + (draw + 1) * _EXTRA, x))
                x = x + A.pseudoinverse(known - A(x))
                yield Step(k, t, s, x, found.x0_hat, sigma)

        for first in range(0, len(pairs), self.jump):
            block = range(first, min(first + self.jump, len(pairs)))
            for again in range(self.rounds - 1):
                *_, last = run_block(block, x, 3 * again)
                z = noise(first + (3 * again + 2) * _EXTRA, x)
                x = q_sample(schedule, last.x, pairs[first][0], z, last.s)
            for last in run_block(block, x, 3 * (self.rounds - 1)):
                yield last
                x = last.x


@dataclass(frozen=True)
class DDNM:
    """DDNM and DDNM+ (Wang et al. 2023, Eqs. 13, 17 to 19): x̂_0 ← x̂_0 − Σ_t A⁺(A x̂_0 − y), then the sampler's step.

    Without noise in y, Σ_t = I, and any sampler works. With noise, x̂_0 also takes noise from y, so the step adds less
    noise: x_s = μ̃(x_t, x̂_0) + Φ_t^½ z. For a singular value ς of A, with a_t the weight of x̂_0 in μ̃, the factors
    are λ = min(1, σ_t ς/(a_t σ_y)) in Σ_t and φ = σ_t² − (a_t λ σ_y/ς)² in Φ_t.
    """

    def check(self, task: Task) -> None:
        """Raise ValueError for a sampler, measurement or variance that the method does not support."""
        _check_inverse("ddnm", task)
        if task.measurement.sigma and (task.chain.name != "ddpm" or task.measurement.gram is None):
            why = "the sampler 'ddpm'" if task.chain.name != "ddpm" else "a measurement whose gram is known"
            raise ValueError(f"ddnm of a y with noise needs {why}: see restore.Measurement, or use pigdm or dps")
        if task.measurement.sigma and None in task.chain.sigmas:
            raise ValueError("ddnm of a y with noise needs a variance that is not learned: choose beta or beta_tilde")

    def steps(
        self, task: Task, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, noise: Noise
    ) -> Iterator[Step]:
        """Yield the sampler's steps, computed from an x̂_0 that agrees with y."""
        A, y = task.measurement, task.y

        def fitted(x: Tensor, t: float, **options: Any) -> Denoised:
            """Return the prediction with x̂_0 changed so that it agrees with y."""
            found = predict(x, t, **options)
            x_0 = found.x0_hat + A.pseudoinverse(y - A(found.x0_hat))
            x_0, eps = to_x0_eps(schedule, "x0", x_0, x, t)
            return Denoised(x_0, eps, x_0, found.v)

        if not A.sigma:
            return task.chain.sampler.steps(fitted, schedule, pairs, x, noise=noise)
        return self._noisy_steps(task, predict, schedule, pairs, x, noise)

    def _noisy_steps(
        self, task: Task, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, noise: Noise
    ) -> Iterator[Step]:
        """Yield the steps of DDNM+, for a y with noise."""
        A, y = task.measurement, task.y
        assert A.gram is not None
        for k, (t, s) in enumerate(pairs):
            sigma = task.chain.sigmas[k] or 0.0
            one = torch.ones(1, 1, 1, 1, dtype=torch.float64)
            a = posterior_mean(schedule, one, 0 * one, t, s).item()
            found = predict(x, t)
            step = dict(a=a, sigma=sigma, sigma_y=A.sigma)
            x_0 = found.x0_hat + A.adjoint(A.gram(partial(_share, **step), y - A(found.x0_hat)), x)
            x = posterior_mean(schedule, x_0, x, t, s)
            if s > 0:
                z = noise(k, x)
                x = x + sigma * z + A.adjoint(A.gram(partial(_noise_change, **step), A(z)), z)
            yield Step(k, t, s, x, x_0, sigma)


def _lambda(values: Tensor, a: float, sigma: float, sigma_y: float) -> Tensor:
    """Return λ of `DDNM` for each eigenvalue ς² of A Aᵀ."""
    return (sigma * values.sqrt() / (a * sigma_y)).clamp(max=1)


def _share(values: Tensor, **step: float) -> Tensor:
    """Return λ/ς² of `DDNM` for each eigenvalue ς² of A Aᵀ. step: the arguments of `_lambda`."""
    return _lambda(values, **step) / values


def _noise_change(values: Tensor, a: float, sigma: float, sigma_y: float) -> Tensor:
    """Return (√φ − σ)/ς² of `DDNM` for each eigenvalue ς² of A Aᵀ.

    For this function f of the eigenvalues, σ z + Aᵀ f(A Aᵀ) A z is the noise Φ^½ z.
    """
    share = _lambda(values, a, sigma, sigma_y)
    taken = a * (share / values) * values.sqrt() * sigma_y
    left = (sigma**2 - taken**2).clamp(min=0).sqrt()
    # Where λ < 1, φ is exactly 0. A rounding error of φ in float64, about 1e-16, would become 1e-8 in √φ.
    return (torch.where(share < 1, 0, left) - sigma) / values


@dataclass(frozen=True)
class PiGDM:
    """ΠGDM (Song et al. 2023, Eqs. 7 and 8): p(y | x_t) ≈ N(A x̂_0(x_t), r_t² A Aᵀ + σ_y² I), r_t² = 1 − ᾱ_t.

    Adding the gradient of log p(y | x_t) to the score means x̂_0 ← x̂_0 + (1 − ᾱ_t)/√ᾱ_t ∇ log p(y | x_t) (Tweedie's
    formula). Then any sampler takes its step. The method is exact for data N(m, I). ΠGDM needs gradients, in float32 or
    float64, because near T the gradients exceed the range of float16.
    """

    def check(self, task: Task) -> None:
        """Do nothing: the method supports all samplers and measurements."""
        pass

    def steps(
        self, task: Task, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, noise: Noise
    ) -> Iterator[Step]:
        """Yield the sampler's steps, computed from an x̂_0 that the gradient moved towards y."""
        A = task.measurement

        def guided(x: Tensor, t: float, **_: Any) -> Denoised:
            """Return the prediction with x̂_0 changed by the gradient of log p(y | x_t)."""
            alpha_bar, dtype, x = schedule.alpha_bar_at(t), x.dtype, x.to(_wide(x.dtype))
            found, gradient = _gradient(
                predict,
                x,
                t,
                # detach() makes the weights constant, so that the gradient is that of log p(y | x_t).
                lambda x_0: _dot(A.solve(task.y - A(x_0.detach()), 1 - alpha_bar, A.sigma**2, x), A(x_0) - task.y),
            )
            if alpha_bar > 0:  # at ᾱ = 0, x_t is pure noise, so the gradient can't improve x̂_0
                found = found._replace(x0=found.x0 + (1 - alpha_bar) / math.sqrt(alpha_bar) * gradient)
            found = task.fitted(schedule, found.x0, x, t, found.v)
            return Denoised(*(None if part is None else part.to(dtype) for part in found))  # pyright: ignore[reportArgumentType]

        return task.chain.sampler.steps(guided, schedule, pairs, x, noise=noise)


@dataclass(frozen=True)
class DPS:
    """DPS (Chung et al. 2023, Algorithm 1): x_s ← x_s − ζ ∇_{x_t} ‖y − A x̂_0(x_t)‖ after each step.

    DPS needs gradients. zeta: ζ, at least 0.
    """

    zeta: float = 1.0

    def __post_init__(self) -> None:
        if not is_number(self.zeta, 0):
            raise ValueError(f"zeta is a number of at least 0, got {self.zeta!r}")

    def check(self, task: Task) -> None:
        """Raise ValueError for a sampler that the method does not support."""
        task.check_steps()

    def steps(
        self, task: Task, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, noise: Noise
    ) -> Iterator[Step]:
        """Yield the sampler's steps, each followed by a step along the gradient."""
        A, dtype, step = task.measurement, x.dtype, task.chain.sampler.start(schedule, pairs)
        for k, (t, s) in enumerate(pairs):
            x = x.to(_wide(dtype))
            found, gradient = _gradient(predict, x, t, lambda x_0: (task.y - A(x_0)).flatten(1).norm(dim=1))
            found = task.fitted(schedule, found.x0, x, t, found.v)
            x_s, sigma = step(found, k, t, s, x, noise)
            x = (x_s - self.zeta * gradient).to(dtype)
            yield Step(k, t, s, x, found.x0_hat.to(dtype), sigma)


def _wide(dtype: torch.dtype) -> torch.dtype:
    """Return float32 for float16 and bfloat16, else the dtype itself."""
    return torch.promote_types(dtype, torch.float32)


def _gradient(predict: Predict, x: Tensor, t: float, value: Callable[[Tensor], Tensor]) -> tuple[Denoised, Tensor]:
    """Return the prediction at x_t = x without clipping, and the gradient of value(x̂_0) with respect to x_t.

    value: a function of x̂_0 that returns a number for each image.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        found = predict(x, t, clip=False, grad=True)
        (gradient,) = torch.autograd.grad(value(found.x0).sum(), x)
    parts = (None if part is None else part.detach() for part in found)
    return Denoised(*parts), gradient  # pyright: ignore[reportArgumentType]


METHODS: dict[MethodName, Method] = {
    "replacement": RePaint(jump=1, rounds=1),
    "repaint": RePaint(),
    "ddnm": DDNM(),
    "pigdm": PiGDM(),
    "dps": DPS(),
}


@completes(RestoreOptions)
def restore(
    model: Model,
    y: Tensor,
    measurement: Measurement,
    method: MethodName | Method = "ddnm",
    seeds: Seeds | None = None,
    steps: Steps | None = None,
    sampler: AnySampler | None = None,
    variance: Variance | None = None,
    spacing: Spacing | None = None,
    eta: float = 0.0,
    clip: bool | None = None,
    **options: Unpack[RestoreOptions],
) -> Iterator[Step]:
    """Draw pictures from the model that agree with the measurement y. Yield the steps of a run, like `trajectory`.

    A picture depends only on its seed and its y, not on the batch.

    Arguments:
        model: a model from `load`, or your own Model.
        y: float, (1, ...) for all seeds, or (N, ...) with a y for each seed; `Measurement.observe` returns such a y.
        measurement: the measurement that made y.
        method: a name of METHODS, or an instance such as RePaint(jump=5) or DPS(zeta=0.5).
        seeds: one for each picture.
        steps, sampler, variance, spacing, eta: the chain, as for `trajectory`.
        clip: whether to clip x̂_0 to [−1, 1]. If None, the checkpoint decides.
        options: labels, guidance, x_T, noise, stop and the sampler's other options, as for `trajectory`.

    Raises:
        ValueError: before anything is computed, for a y that does not fit the measurement, an unknown method, a
            measurement or sampler that the method does not support; and the errors of `trajectory`.
    """
    check_pixels(model, "restoration")
    chosen = METHODS.get(method) if isinstance(method, str) else method
    if chosen is None or isinstance(chosen, type) or not hasattr(chosen, "steps"):
        raise ValueError(f"unknown method {method!r}: choose from {', '.join(METHODS)}, or give an instance of one")
    if not isinstance(measurement, Measurement):
        raise ValueError(f"measurement must be a Measurement, such as `mask` makes, got a {type(measurement).__name__}")
    for name, value in options.items():
        for own in METHODS.values():
            if name in vars(own):
                raise ValueError(f"{name} belongs to a method: give method={type(own).__name__}({name}={value!r})")
    check_options("restore", options, arguments(restore))
    given: dict[str, Any] = dict(options)
    own = {name: given.pop(name) for name in DEFAULTS if name in given}
    condition = Condition(given.pop("labels", None), guidance=given.pop("guidance", None))
    x_T, seeds = given.get("x_T"), None if seeds is None else check_seeds(seeds)
    own |= {"variance": variance, "eta": eta}
    chain = make_chain(model, steps, sampler, spacing, None, condition, x_T=x_T, **own)
    n = len(check_seeds(seeds or ())) if x_T is None else len(x_T)
    y = _checked(model, measurement, y, n, torch.float32 if x_T is None else x_T.dtype)
    task = Task(measurement, y, chain, model.clip if clip is None else clip)
    chosen.check(task)
    lane = Lane(model, replace(chain, sampler=_Restoring(chosen, task)), stop=given.pop("stop", None))
    return (step for _, step in follow([lane], seeds, clip, **given))


def _checked(model: Model, measurement: Measurement, y: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """Return y for n pictures, in this dtype and on the network's device.

    Raise ValueError unless y fits the measurement, A is linear, and A A⁺ A = A if A⁺ is known.
    """
    if not isinstance(y, Tensor) or not y.is_floating_point():
        raise ValueError(f"y must be a float tensor, got {getattr(y, 'dtype', type(y).__name__)}")
    device = network_device(model.network) or y.device
    x = gaussian_batch([0], _OBSERVED + 1, (model.channels, model.image_size, model.image_size)).to(
        device, _wide(dtype)
    )
    try:
        expected, doubled = measurement(x), measurement(2 * x)
        inverse = measurement.pseudoinverse(expected) if measurement.has_inverse else x
        again = measurement(inverse) if inverse.shape == x.shape else None
    except RuntimeError as error:
        raise ValueError(f"{measurement} doesn't fit pictures of {tuple(x.shape[1:])}: {first_line(error)}") from None
    if again is None:
        raise ValueError(
            f"{measurement} doesn't fit pictures of {tuple(x.shape[1:])}: its pseudo-inverse gives "
            f"{tuple(inverse.shape[1:])}"
        )
    tolerance = 1e-3 * expected.abs().max().item() + 1e-9
    if not torch.allclose(doubled, 2 * expected, atol=tolerance) or bool(measurement(0 * x).abs().max() > tolerance):
        raise ValueError(f"{measurement} is not linear: A(2x) is not 2 A(x)")
    if again.shape != expected.shape or not torch.allclose(again, expected, atol=tolerance):
        raise ValueError(f"the pseudo-inverse of {measurement} is wrong: A A⁺ A x differs from A x")
    if y.shape[1:] != expected.shape[1:]:
        raise ValueError(f"y must have the shape (N, {', '.join(map(str, expected.shape[1:]))}), got {tuple(y.shape)}")
    if len(y) not in (1, n):
        raise ValueError(f"give one y, or one for each of the {n} seeds, got {len(y)}")
    if not bool(y.isfinite().all()):
        raise ValueError("y has NaN or infinite numbers")
    return y.detach().to(device, dtype).expand(n, *y.shape[1:])
