"""Samplers: generators that walk from x_T to x_0, one network evaluation a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, ClassVar, Protocol, cast

import torch
from torch import Tensor

from ddpm_core.model import ModelSpec, check_variance, tensor_text
from ddpm_core.names import LEARNED, Sampler, Variance
from ddpm_core.noise import Noise
from ddpm_core.prediction import Denoised
from ddpm_core.process import gamma_time, posterior_mean, reverse_variance
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.solvers import SOLVERS, check_start, solver
from ddpm_core.timesteps import Pairs

# The last step adds no noise, so what stays visible was added in the step before: there E|σz| is at most 2 of 255
# grey levels, in the units of [−1, 1], as in the code of Analytic-DPM.
MAX_ANALYTIC_SIGMA = 2 * (2 / 255) * math.sqrt(math.pi / 2)


SNR = 0.16  # r of `Langevin` where a model says none: that of the authors' score models of CIFAR-10
CORRECTIONS = 2**33  # from this number on, the noise of a run is that of its corrections; of the second from twice it


# predict(x, t): one evaluation with the run's labels, guidance and clip; keywords, such as grad=True, are those of
# `prediction.predict`.
Predict = Callable[..., Denoised]


@dataclass(frozen=True, eq=False, repr=False)
class Step:
    """One step of a trajectory, from x_t to x_s.

    Attributes:
        index: 0..n−1.
        t, s: the times.
        x: x_s, (N, C, H, W), after the last step x_0.
        x0_hat: x̂_0 as seen from x_t, clipped when clip is on.
        sigma: the standard deviation of the noise really added, 0 at s = 0; a tensor like x for learned variances.
        attention: how much each place of x_t looks at each token of the prompt, float32 (N, L, H, W), if the run was
            asked for it.
    """

    index: int
    t: int
    s: int
    x: Tensor
    x0_hat: Tensor
    sigma: float | Tensor
    attention: Tensor | None = None

    def clone(self) -> Step:
        """The same step with tensors of its own, which may be changed."""
        return self._each(Tensor.clone)

    def cpu(self) -> Step:
        """The same step with its tensors in the memory of the CPU."""
        return self._each(Tensor.cpu)

    def _each(self, copied: Callable[[Tensor], Tensor]) -> Step:
        return replace(self, **{name: copied(x) for name, x in vars(self).items() if isinstance(x, Tensor)})

    def __repr__(self) -> str:
        sigma = f"{self.sigma:.3g}" if isinstance(self.sigma, (int, float)) else "a tensor"
        return f"Step({self.index}: t = {self.t} → s = {self.s}, x {tensor_text(self.x)}, sigma {sigma})"


class SamplerFunction(Protocol):
    """What a sampler is: one `Step` for each pair (t, s), in order, from x = x_t of the first pair.

    predict(x, t) evaluates the network. noise(index, x) is the noise of step `index`, 0 for the first pair. It may ask
    for noise beyond its steps', and gets the same for the same index. A function whose next step depends on more than
    x and t says so by an attribute `memory = True`: its chains can't be continued in the middle.
    """

    def __call__(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]: ...


@dataclass(frozen=True)
class NamedSampler:
    """A sampler that has a name: a frozen dataclass, whose fields are what it takes besides the noise.

    memory: as for `SamplerFunction`. wanders: whether it also evaluates elsewhere than at x_t.
    """

    memory: ClassVar[bool] = False
    wanders: ClassVar[bool] = False

    def check(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> NamedSampler:
        """The same, with what is the model's own. Raises ValueError for what model, pairs or guidance don't allow."""
        return self

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> Sequence[float | None]:
        """σ of every step, None where only the network knows it; 0 where no noise is added, as in the last step."""
        raise NotImplementedError

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        """The sampler itself: a `SamplerFunction`."""
        raise NotImplementedError


@dataclass(frozen=True)
class DDPM(NamedSampler):
    """Ancestral sampling, Algorithm 2, on any pairs (t, s): x_s = μ̃(x_t, x̂_0) + σ z.

    variance: None for the model's own, or "beta" where no model was asked. gamma: Γ_t for "analytic".
    """

    variance: Variance | None = None
    gamma: Tensor | None = None

    def check(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> DDPM:
        return DDPM(check_variance(model, self.variance, pairs, guidance), model.gamma)

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> Sequence[float | None]:
        variance = self.variance or "beta"
        if variance in LEARNED:
            return [None] * (len(pairs) - 1) + [0.0]
        return _known_sigmas(schedule, pairs, variance, self.gamma)

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        known = self.sigmas(schedule, pairs)
        for index, (t, s) in enumerate(pairs):
            x = self._corrected(predict, schedule, index, t, x, noise)
            x_0, _, x0_hat, v = predict(x, t)
            mean = posterior_mean(schedule, x_0, x, t, s)
            sigma = known[index]
            if sigma is None:
                sigma = reverse_variance(schedule, t, s, self.variance or "beta", v).sqrt()
            x = mean + sigma * noise(index, x) if s > 0 else mean
            yield Step(index, t, s, x, x0_hat, sigma)

    def _corrected(
        self, predict: Predict, schedule: NoiseSchedule, index: int, t: int, x: Tensor, noise: Noise
    ) -> Tensor:
        """The x_t from which the step is taken."""
        return x


@dataclass(frozen=True)
class Langevin(DDPM):
    """Predictor and corrector (Song et al. 2021, Algorithm 4): before each step of DDPM some of Langevin dynamics.

    With the score g it is x + δ g + √(2δ) z, δ = 2 (r ‖z‖/‖g‖)², in their coordinates; in ours, where g is
    −ε/√(1 − ᾱ_t), it is x_t + √(1 − ᾱ_t) (2rκ z − 2r²κ² ε) with κ = ‖z‖/‖ε‖, which any model can take. The norms
    are of each image, and not means over a batch as in their code: so no image depends on others. Where ε is 0, as of
    a network that was not trained yet, there is nothing to correct by, and x_t stays.

    snr: r, None for the model's own, or SNR. corrections: how many, None for the model's own, or 1.
    """

    wanders: ClassVar[bool] = True
    snr: float | None = None
    corrections: int | None = None

    def check(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> Langevin:
        own = super().check(model, pairs, guidance)
        return Langevin(own.variance, own.gamma, SNR if model.snr is None else model.snr, model.corrections)

    def _corrected(
        self, predict: Predict, schedule: NoiseSchedule, index: int, t: int, x: Tensor, noise: Noise
    ) -> Tensor:
        for k in range(1 if self.corrections is None else self.corrections):
            eps, z = predict(x, t).eps, noise((k + 1) * CORRECTIONS + index, x)
            length = _norm(eps)
            ratio = (SNR if self.snr is None else self.snr) * _norm(z) / length
            ratio = ratio.where(length > 0, 0.0)
            twice = 2 * math.sqrt(1 - schedule.alpha_bar[t].item()) * ratio
            x = x + twice.to(x.dtype) * z - (twice * ratio).to(x.dtype) * eps
        return x


@dataclass(frozen=True)
class DDIM(NamedSampler):
    """DDIM (Song et al. 2021, Eq. 12): x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε + σ z with σ = η √β̃."""

    eta: float = 0.0

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> list[float]:
        return [self.eta * sigma for sigma in _known_sigmas(schedule, pairs, "beta_tilde")]

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        for index, ((t, s), sigma) in enumerate(zip(pairs, self.sigmas(schedule, pairs), strict=True)):
            x_0, eps, x0_hat, _ = predict(x, t)
            alpha_bar_s = schedule.alpha_bar[s].item()
            x = math.sqrt(alpha_bar_s) * x_0 + math.sqrt(max(1 - alpha_bar_s - sigma**2, 0)) * eps
            if sigma > 0:
                x = x + sigma * noise(index, x)
            yield Step(index, t, s, x, x0_hat, sigma)


@dataclass(frozen=True)
class Solver(NamedSampler):
    """One of diffusers' deterministic multistep solvers: x_s from x_t, this x̂_0 and earlier ones."""

    memory: ClassVar[bool] = True
    name: Sampler

    def check(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> Solver:
        check_start(self.name, model.schedule, pairs)
        return self

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> list[float]:
        return [0.0] * len(pairs)

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        advance = solver(self.name, schedule, pairs)
        for index, (t, s) in enumerate(pairs):
            x_0, _, x0_hat, _ = predict(x, t)
            x = advance(x_0, t, x)
            yield Step(index, t, s, x, x0_hat, 0.0)


@dataclass(frozen=True)
class Consistency(NamedSampler):
    """Multistep consistency sampling (Song et al. 2023, Algorithm 1): x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s) z.

    Every step leaves x̂_0 alone of what was, so it suits networks that see x_0 in one step: consistency students.

    floor: σ that is in x̂_0 already, as those networks were trained down to their smallest σ and not to 0.
    """

    floor: float = 0.0

    def check(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> Consistency:
        return Consistency(getattr(model.coordinates, "sigma_min", 0.0))

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> list[float]:
        signal = [schedule.alpha_bar[s].item() for _, s in pairs]
        return [math.sqrt(max(1 - alpha_bar - alpha_bar * self.floor**2, 0)) for alpha_bar in signal]

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        for index, ((t, s), sigma) in enumerate(zip(pairs, self.sigmas(schedule, pairs), strict=True)):
            x_0, _, x0_hat, _ = predict(x, t)
            x = math.sqrt(schedule.alpha_bar[s].item()) * x_0
            if s > 0:
                x = x + sigma * noise(index, x)
            yield Step(index, t, s, x, x0_hat, sigma)


def _norm(x: Tensor) -> Tensor:
    """‖x‖ of each image, (N, 1, 1, 1), with more digits than x has where the device can."""
    dtype = torch.float32 if x.device.type == "mps" else torch.float64
    return torch.linalg.vector_norm(x.flatten(1), dim=1, dtype=dtype).reshape(-1, 1, 1, 1)


def _known_sigmas(
    schedule: NoiseSchedule, pairs: Pairs, variance: Variance, gamma: Tensor | None = None
) -> list[float]:
    """σ of every step for a variance that is not learned."""
    t, s = (torch.tensor(times) for times in zip(*pairs, strict=True))
    sigma2 = reverse_variance(schedule, t, s, variance, gamma=None if gamma is None else gamma[gamma_time(schedule, t)])
    sigma = sigma2.sqrt().flatten().tolist()
    if variance == "analytic" and len(sigma) > 1:
        sigma[-2] = min(sigma[-2], MAX_ANALYTIC_SIGMA)
    return [*sigma[:-1], 0.0]


NAMED: dict[Sampler, NamedSampler] = {
    "ddpm": DDPM(),
    "ddim": DDIM(),
    **{name: Solver(name) for name in SOLVERS},
    "langevin": Langevin(),
    "consistency": Consistency(),
}


def find(text: str) -> Sampler | SamplerFunction:
    """The sampler of a command line: a name, or "module:function" of one's own. ValueError for another text."""
    module, colon, attribute = text.partition(":")
    if not colon:
        if text not in NAMED:
            raise ValueError(
                f"unknown sampler {text!r}: choose from {', '.join(NAMED)}, or give your own as module:function"
            )
        return cast(Sampler, text)
    try:
        found = import_module(module)
    except (ImportError, ValueError) as error:
        raise ValueError(f"the sampler {text!r} can't be imported: {error}") from None
    function: Any = getattr(found, attribute, None)
    if not callable(function):
        raise ValueError(f"{found.__file__ or module} has no function {attribute!r}")
    return cast(SamplerFunction, function)
