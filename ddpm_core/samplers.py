"""Samplers. Most of them define one step: it computes x_s from x_t and the network's prediction at x_t.

`runs.follow` evaluates the network, and takes one step after the other. Other samplers evaluate the network themselves,
and yield their steps: "langevin", "heun", the methods of `restore`, and your own functions. `as_step` makes such a
generator look like a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from importlib import import_module
from typing import Any, ClassVar, Protocol, cast

import torch
from torch import Tensor

from ddpm_core.model import ModelSpec, check_langevin, check_variance, is_number, tensor_text
from ddpm_core.names import LEARNED, Sampler, Variance
from ddpm_core.noise import Noise
from ddpm_core.prediction import Denoised
from ddpm_core.process import gamma_at, posterior_mean, q_sample, reverse_variance
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.solvers import SOLVERS, check_start, solver
from ddpm_core.timesteps import Pairs

# predict(x, t) evaluates the network once at any real t, with the labels, guidance and clip of the run. It also takes
# the keywords of `prediction.predict`, such as grad=True or sigma.
Predict = Callable[..., Denoised]
Sigma = float | Tensor
# step(found, k, t, s, x, noise) takes step k, from t to s. x is x_t, and `found` is the network's prediction at x_t.
# The result is x_s and σ of the noise that was added. If the sampler has memory, the steps must be taken in order.
TakeStep = Callable[[Denoised, int, float, float, Tensor, Noise], tuple[Tensor, Sigma]]


@dataclass(frozen=True, eq=False, repr=False)
class Step:
    """One step of a trajectory, from x_t to x_s."""

    index: int
    """number of the step, 0..n − 1"""
    t: float
    """the time where the step begins; an int if it is whole"""
    s: float
    """the time where the step ends; an int if it is whole"""
    x: Tensor
    """x_s, (N, C, H, W); after the last step it is x_0"""
    x0_hat: Tensor
    """x̂_0 as predicted at x_t, clipped if clip is on"""
    sigma: float | Tensor
    """standard deviation of the noise that the step added, 0 at s = 0 except for "heun" with churn; a tensor like x for
    learned variances"""
    attention: Tensor | None = None
    """attention of each pixel of x_t to each token of the prompt, float32 (N, L, H, W); None without
    `attention=True`"""

    def clone(self) -> Step:
        """Return a copy whose tensors can be changed without changing the original."""
        return self._each(Tensor.clone)

    def cpu(self) -> Step:
        """Return the same step with its tensors in the memory of the CPU."""
        return self._each(Tensor.cpu)

    def _each(self, copied: Callable[[Tensor], Tensor]) -> Step:
        """Return the same step with copied(tensor) for each of its tensors."""
        return replace(self, **{name: copied(x) for name, x in vars(self).items() if isinstance(x, Tensor)})

    def __repr__(self) -> str:
        sigma = f"{self.sigma:.3g}" if isinstance(self.sigma, (int, float)) else "a tensor"
        return f"Step({self.index}: t = {self.t:.6g} → s = {self.s:.6g}, x {tensor_text(self.x)}, sigma {sigma})"

    def _repr_html_(self) -> str | None:
        """Return the pictures of x_s and x̂_0 for a notebook; None for latents."""
        if self.x.shape[1] > 4:  # these are latents, not pictures: a notebook then shows the text
            return None
        from ddpm_core.imaging.show import show  # imported here, because only notebooks need it

        return show(self).html


class SamplerFunction(Protocol):
    """Your own sampler as a generator function. It yields one `Step` for each pair (t, s), in order.

    x is the state x_t of the first pair. predict(x, t) evaluates the network at any real t, and predict(x, sigma=σ) at
    a noise level, as often as the function needs. noise(index, x) is the noise of step `index`, 0 for the first pair;
    the same index always gives the same noise. If a step depends on more than x and t, set `memory` of the
    function to True: then its chains can't be continued in the middle.
    """

    def __call__(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        """Yield one `Step` for each pair (t, s)."""
        ...


@dataclass(frozen=True, eq=False)
class StepSampler:
    """The base class of all samplers.

    A subclass defines `start`, which returns its step: a function that computes x_s from x_t and the network's
    prediction at x_t. A sampler that evaluates the network itself defines `steps` and `evaluations` instead.

    The options of a sampler are its fields with a default. Every function that takes a sampler also takes these options
    by name. A field with repr=False is not an option: only `bind` sets it.
    """

    name: ClassVar[str] = "of your own"
    """the name in messages"""
    memory: ClassVar[bool] = False
    """whether a step depends on earlier steps"""
    evaluations: ClassVar[int | None] = 1
    """number of evaluations of the network in a step, None if it is not known before the run; 1 means that only the
    prediction at x_t is needed, so that runs side by side can share it"""

    @property
    def options(self) -> dict[str, Any]:
        """Return the sampler's options with their values."""
        own = (row for row in fields(self) if row.repr and row.default is not MISSING)
        return {row.name: getattr(self, row.name) for row in own}

    def bind(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> StepSampler:
        """Return this sampler with the model's value for each option that is None.

        Raise ValueError if the model, the pairs (t, s) or the guidance don't allow this sampler.
        """
        return self

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> Sequence[float | None]:
        """Return σ of the noise that each step adds: 0 for no noise, None if σ is not known before the run."""
        return [None] * len(pairs)

    def visited(self, schedule: NoiseSchedule, pairs: Pairs) -> Sequence[float]:
        """Return the times at which the network is evaluated, as far as they are known before the run."""
        return [t for t, _ in pairs]

    def start(self, schedule: NoiseSchedule, pairs: Pairs) -> TakeStep:
        """Return the function that takes the steps of one chain, a `TakeStep`."""
        raise NotImplementedError

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        """Yield the steps of one chain from x (N, C, H, W). The arguments are those of `SamplerFunction`."""
        step = self.start(schedule, pairs)
        for k, (t, s) in enumerate(pairs):
            found = predict(x, t)
            x, sigma = step(found, k, t, s, x, noise)
            yield Step(k, t, s, x, found.x0_hat, sigma)


@dataclass(frozen=True)
class DDPM(StepSampler):
    """Ancestral sampling, Algorithm 2 of the paper, on any pairs (t, s): x_s = μ̃(x_t, x̂_0) + σ z."""

    name: ClassVar[str] = "ddpm"
    variance: Variance | None = None
    """None for the model's own, or "beta" without a model"""
    gamma: Tensor | None = field(default=None, compare=False, repr=False)
    """Γ_t of the model, which the variance "analytic" needs"""

    def bind(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> DDPM:
        """Return this sampler with the model's variance if none is chosen, and with the model's Γ."""
        return replace(self, variance=check_variance(model, self.variance, pairs, guidance), gamma=model.gamma)

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> Sequence[float | None]:
        """Return σ of each step; None for learned variances, except for 0 in the last step."""
        variance = self.variance or "beta"
        if variance in LEARNED:
            return [None] * (len(pairs) - 1) + [0.0]
        return _known_sigmas(schedule, pairs, variance, self.gamma)

    def start(self, schedule: NoiseSchedule, pairs: Pairs) -> TakeStep:
        """Return the function that takes the steps of one chain."""
        sigmas = self.sigmas(schedule, pairs)

        def step(found: Denoised, k: int, t: float, s: float, x: Tensor, noise: Noise) -> tuple[Tensor, Sigma]:
            """Return x_s = μ̃(x_t, x̂_0) + σ z, and σ."""
            mean, sigma = posterior_mean(schedule, found.x0, x, t, s), sigmas[k]
            if sigma is None:
                sigma = reverse_variance(schedule, t, s, self.variance or "beta", found.v).sqrt()
            return (mean + sigma * noise(k, x) if s > 0 else mean), sigma

        return step


SNR = 0.16  # default signal-to-noise ratio r of `Langevin`, from the authors' CIFAR-10 models
# Correction j = 1, 2, … of step k uses the noise with index j · CORRECTIONS + k. The step itself has index k.
CORRECTIONS = 2**33


@dataclass(frozen=True)
class Langevin(DDPM):
    """Predictor and corrector (Song et al. 2021, Algorithm 4): Langevin corrections before each step of DDPM.

    In the authors' coordinates, with the score g, a correction is x + δ g + √(2δ) z with δ = 2 (r ‖z‖/‖g‖)². In ours, g
    is −ε/√(1 − ᾱ_t), and the correction is x_t + √(1 − ᾱ_t) (2rκ z − 2r²κ² ε) with κ = ‖z‖/‖ε‖. The correction works
    for any model. Each image has its own norms, so that no image depends on others; the authors' code takes means over
    the batch. If ε is 0, as for an untrained network, x_t does not change.
    """

    name: ClassVar[str] = "langevin"
    snr: float | None = None
    """r, the signal-to-noise ratio of a correction; None for the model's own, or SNR"""
    corrections: int | None = None
    """number of corrections before each step; None for the model's own, or 1"""

    @property
    def evaluations(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The number of evaluations of the network in a step: one for each correction, and one for the step."""
        return 1 + (1 if self.corrections is None else self.corrections)

    def __post_init__(self) -> None:
        check_langevin(self.snr, self.corrections)

    def bind(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> Langevin:
        """Return this sampler with the model's values for r and corrections if none are chosen."""
        own = {name: getattr(model, name) for name in ("snr", "corrections") if getattr(self, name) is None}
        return replace(cast(Langevin, super().bind(model, pairs, guidance)), **own)

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        """Yield the steps of one chain, each after its corrections."""
        step, r = self.start(schedule, pairs), SNR if self.snr is None else self.snr
        for k, (t, s) in enumerate(pairs):
            for number in range(1, self.evaluations):
                eps, z = predict(x, t).eps, noise(number * CORRECTIONS + k, x)
                length = _norm(eps)
                ratio = (r * _norm(z) / length).where(length > 0, 0.0)
                twice = 2 * math.sqrt(1 - schedule.alpha_bar_at(t)) * ratio
                x = x + twice.to(x.dtype) * z - (twice * ratio).to(x.dtype) * eps
            found = predict(x, t)
            x, sigma = step(found, k, t, s, x, noise)
            yield Step(k, t, s, x, found.x0_hat, sigma)


@dataclass(frozen=True)
class DDIM(StepSampler):
    """DDIM (Song et al. 2021, Eq. 12): x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε + σ z with σ = η √β̃."""

    name: ClassVar[str] = "ddim"
    eta: float = 0.0
    """η, 0..1: with 0 the sampler adds no noise, and with 1 noise of variance β̃"""

    def __post_init__(self) -> None:
        if not is_number(self.eta, 0, 1):
            raise ValueError(f"eta must lie between 0 and 1, got {self.eta!r}")

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> list[float]:
        """Return σ = η √β̃ of each step."""
        return [self.eta * sigma for sigma in _known_sigmas(schedule, pairs, "beta_tilde")]

    def start(self, schedule: NoiseSchedule, pairs: Pairs) -> TakeStep:
        """Return the function that takes the steps of one chain."""
        sigmas = self.sigmas(schedule, pairs)

        def step(found: Denoised, k: int, t: float, s: float, x: Tensor, noise: Noise) -> tuple[Tensor, float]:
            """Return x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε + σ z, and σ."""
            alpha_bar, sigma = schedule.alpha_bar_at(s), sigmas[k]
            x_s = math.sqrt(alpha_bar) * found.x0 + math.sqrt(max(1 - alpha_bar - sigma**2, 0)) * found.eps
            return (x_s + sigma * noise(k, x) if sigma > 0 else x_s), sigma

        return step


@dataclass(frozen=True)
class Heun(StepSampler):
    """Heun's method with churn (Karras et al. 2022, Algorithm 2).

    Each step first adds noise to x_t, which raises its time to t̂ >= t and gives x̂: a draw from q(x_t̂ | x_t). Then a
    second-order step goes from t̂ down to s. Let ε be the prediction at (x̂, t̂), and ε' the prediction at the end of
    Euler's step to s. With u = x/√ᾱ = x_0 + σ ε, as in the paper, the step is u_s = û + (σ_s − σ̂)(ε + ε')/2. In our
    coordinates, this is x_s = a x̂ + b (ε + ε')/2 with a = √(ᾱ_s/ᾱ_t̂) and b = √(1 − ᾱ_s) − a √(1 − ᾱ_t̂). The last
    step, to s = 0, is Euler's step, with ε alone.
    """

    name: ClassVar[str] = "heun"
    evaluations: ClassVar[int | None] = 2
    S_churn: float = 0.0
    """amount of added noise in the whole chain: in each of the N steps, σ̂ = (1 + γ) σ_t, γ = min(S_churn/N, √2 − 1)"""
    S_min: float = 0.0
    """smallest σ_t at which noise is added, for data in [−1, 1]"""
    S_max: float | None = None
    """largest σ_t at which noise is added, for data in [−1, 1]; None for no limit"""
    S_noise: float = 1.0
    """factor of the added noise"""
    count: int | None = field(default=None, repr=False)
    """N, the number of steps of the whole chain"""

    def __post_init__(self) -> None:
        for name in ("S_churn", "S_min", "S_max", "S_noise"):
            if (value := getattr(self, name)) is not None and not is_number(value, 0):
                raise ValueError(f"{name} must be a number of at least 0, got {value!r}")

    def bind(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> Heun:
        """Return this sampler with the number of steps. Raise ValueError for a chain that starts at ᾱ = 0."""
        check_start("heun", model.schedule, pairs)
        return replace(self, count=len(pairs))

    def visited(self, schedule: NoiseSchedule, pairs: Pairs) -> list[float]:
        """Return t̂ of each step, at most T: the time of the state after noise was added."""
        gamma = min(self.S_churn / (self.count or len(pairs)), math.sqrt(2) - 1)
        most = math.inf if self.S_max is None else self.S_max

        def up(t: float) -> float:
            """Return t̂ for t."""
            sigma = math.sqrt(1 / schedule.alpha_bar_at(t) - 1)
            return schedule.time_at((1 + gamma) * sigma) if gamma and self.S_min <= sigma <= most else t

        return [up(t) for t, _ in pairs]

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> list[float]:
        """Return the standard deviation of the noise that leads from t to t̂ in each step."""
        times = zip(self.visited(schedule, pairs), (t for t, _ in pairs), strict=True)
        return [self.S_noise * math.sqrt(1 - schedule.alpha_bar_at(up) / schedule.alpha_bar_at(t)) for up, t in times]

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        """Yield the steps of one chain."""
        sigmas, times = self.sigmas(schedule, pairs), self.visited(schedule, pairs)
        for k, ((t, s), up) in enumerate(zip(pairs, times, strict=True)):
            if up > t:
                x = q_sample(schedule, x, up, self.S_noise * noise(k, x), t)
            found = predict(x, up)
            at, to = schedule.alpha_bar_at(up), schedule.alpha_bar_at(s)
            a = math.sqrt(to / at)
            b = math.sqrt(1 - to) - a * math.sqrt(1 - at)
            x_s = a * x + b * found.eps
            if s > 0:
                x_s = a * x + 0.5 * b * (found.eps + predict(x_s, s).eps)
            x = x_s
            yield Step(k, t, s, x, found.x0_hat, sigmas[k])


@dataclass(frozen=True)
class Solver(StepSampler):
    """One of diffusers' deterministic multistep solvers: it computes x_s from x_t, its x̂_0 and earlier x̂_0."""

    memory: ClassVar[bool] = True
    name: Sampler = field()  # pyright: ignore[reportIncompatibleVariableOverride]  # no default, so it is no option

    def bind(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> Solver:
        """Return this sampler. Raise ValueError for a chain that starts at ᾱ = 0."""
        check_start(self.name, model.schedule, pairs)
        return self

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> list[float]:
        """Return 0 for each step, because a solver adds no noise."""
        return [0.0] * len(pairs)

    def start(self, schedule: NoiseSchedule, pairs: Pairs) -> TakeStep:
        """Return the function that takes the steps of one chain."""
        solve = solver(self.name, schedule, pairs)
        return lambda found, k, t, s, x, noise: (solve(found.x0, t, x), 0.0)


@dataclass(frozen=True)
class Consistency(StepSampler):
    """Multistep consistency sampling (Song et al. 2023, Algorithm 1): x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s) z.

    A step uses only x̂_0 of its state. So the sampler is for networks that predict x_0 in one step: consistency models.
    """

    name: ClassVar[str] = "consistency"
    floor: float = field(default=0.0, repr=False)
    """the σ of the noise that x̂_0 still has: the smallest σ of the network's training, which is not 0"""

    def bind(self, model: ModelSpec, pairs: Pairs, guidance: float | None) -> Consistency:
        """Return this sampler with the smallest σ of the model's training."""
        # A model that runs on another schedule than in training has coordinates `TrainedOn`. Their `inner` has
        # sigma_min.
        trained_in = getattr(model.coordinates, "inner", model.coordinates)
        return Consistency(getattr(trained_in, "sigma_min", 0.0))

    def sigmas(self, schedule: NoiseSchedule, pairs: Pairs) -> list[float]:
        """Return σ of each step."""
        signal = [schedule.alpha_bar_at(s) for _, s in pairs]
        return [math.sqrt(max(1 - alpha_bar - alpha_bar * self.floor**2, 0)) for alpha_bar in signal]

    def start(self, schedule: NoiseSchedule, pairs: Pairs) -> TakeStep:
        """Return the function that takes the steps of one chain."""
        sigmas = self.sigmas(schedule, pairs)

        def step(found: Denoised, k: int, t: float, s: float, x: Tensor, noise: Noise) -> tuple[Tensor, float]:
            """Return x_s = √ᾱ_s x̂_0 + σ z, and σ."""
            x_s = math.sqrt(schedule.alpha_bar_at(s)) * found.x0
            return (x_s + sigmas[k] * noise(k, x) if s > 0 else x_s), sigmas[k]

        return step


@dataclass(frozen=True)
class FunctionSampler(StepSampler):
    """A user's sampler function, with checks of the steps that it yields."""

    evaluations: ClassVar[int | None] = None
    function: SamplerFunction

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The name of the function, for messages."""
        return getattr(self.function, "__name__", StepSampler.name)

    @property
    def memory(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The function's attribute `memory`, by default False."""
        return getattr(self.function, "memory", False)

    def steps(
        self, predict: Predict, schedule: NoiseSchedule, pairs: Pairs, x: Tensor, *, noise: Noise
    ) -> Iterator[Step]:
        """Yield the function's steps.

        Raise ValueError if the function fails, or does not yield exactly one `Step` for each pair.
        """
        done, name = 0, self.name
        try:
            steps: Iterator[Any] = iter(self.function(predict, schedule, list(pairs), x.clone(), noise=noise))
            for step in steps:
                if not isinstance(step, Step):
                    raise ValueError(f"the sampler {name!r} must yield ddpm_core.Step, got {type(step).__name__}")
                done += 1
                if done == len(pairs) and next(steps, None) is not None:
                    raise ValueError(f"the sampler {name!r} gives more steps than the {len(pairs)} that it was given")
                yield step
        except (ValueError, GeneratorExit):
            raise
        except Exception as error:  # the user's code may raise any error
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ValueError(f"the sampler {name!r} failed in step {done} ({reason})") from error
        if done < len(pairs):
            raise ValueError(f"the sampler {name!r} gives {done} of {len(pairs)} steps")


def as_sampler(given: Any) -> StepSampler:
    """Return the sampler that a name, a `StepSampler` or a function means. Raise ValueError for anything else."""
    if isinstance(given, type):
        raise ValueError(f"the sampler {given.__name__} is a class: give an instance, as {given.__name__}() makes it")
    if isinstance(given, StepSampler):
        return given
    if isinstance(given, str) and given in NAMED:
        return NAMED[cast(Sampler, given)]
    if not callable(given):
        raise ValueError(f"unknown sampler {given!r}: choose from {', '.join(NAMED)}, or give a function")
    return FunctionSampler(cast(SamplerFunction, given))


def as_step(sampler: StepSampler, predict: Predict, schedule: NoiseSchedule, pairs: Pairs) -> Callable[..., Step]:
    """Return a function with the arguments of `TakeStep` for a sampler that evaluates the network itself.

    The function ignores `found`, and returns the next `Step` of the sampler's generator. If x is not the state after
    the previous `Step`, the function starts a new generator for the rest of the pairs. This happens when the run begins
    and when the state was changed.
    """
    steps: Iterator[Step] = iter(())
    first, own = 0, None

    def step(found: Denoised | None, k: int, t: float, s: float, x: Tensor, noise: Noise) -> Step:
        """Return step k from the state x: the next step of the generator, or the first step of a new generator."""
        nonlocal steps, first, own
        if x is not own:
            first = k
            later = noise if k == 0 else lambda index, x: noise(k + index, x)
            steps = sampler.steps(predict, schedule, pairs[k:], x, noise=later)
        made = next(steps)
        own = getattr(made, "x", None)
        return replace(made, index=k) if first and isinstance(made, Step) and made.index == k - first else made

    return step


def check_step(
    made: Any, found: Denoised | None, expected: tuple[int, float, float], x: Tensor, sampler: StepSampler
) -> Step:
    """Return a sampler's result for x (N, C, H, W) as a `Step`.

    Arguments:
        made: a `Step`, or (x_s, σ).
        found: the prediction at x; None if the sampler evaluates the network itself.
        expected: the step's index, t and s.
        x: the state before the step.
        sampler: for its name in messages.

    Raises:
        ValueError: for a step with another index, t or s, for tensors of another shape, dtype or device than x, and for
            a result that is no step.
    """
    step = made
    if found is not None and isinstance(made, tuple) and len(made) == 2:
        step = Step(*expected, made[0], found.x0_hat, made[1])
    if not isinstance(step, Step):
        raise ValueError(f"a step of the sampler {sampler.name!r} must return (x_s, σ), got a {type(step).__name__}")
    if (step.index, step.t, step.s) != expected:
        gave, wanted = (f"step {i} from t = {t} to s = {s}" for i, t, s in ((step.index, step.t, step.s), expected))
        raise ValueError(f"the sampler {sampler.name!r} must give {wanted}, and gave {gave}")
    for name, value in (("x", step.x), ("x0_hat", step.x0_hat)):
        if not isinstance(value, Tensor) or (value.shape, value.dtype, value.device) != (x.shape, x.dtype, x.device):
            text = tensor_text(value) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{name} of the sampler {sampler.name!r} must be like x, {tensor_text(x)}, got {text}")
    return step


def _norm(x: Tensor) -> Tensor:
    """Return ‖x‖ of each image, (N, 1, 1, 1): float64, or float32 on Apple's GPUs, which have no float64."""
    dtype = torch.float32 if x.device.type == "mps" else torch.float64
    return torch.linalg.vector_norm(x.flatten(1), dim=1, dtype=dtype).reshape(-1, 1, 1, 1)


# Maximum σ of the analytic variance in the second-last step. Its noise stays visible, because the last step adds
# no noise. With this maximum, E|σz| is at most 2 of 255 grey levels, as in the code of Analytic-DPM.
MAX_ANALYTIC_SIGMA = 2 * (2 / 255) * math.sqrt(math.pi / 2)


def _known_sigmas(
    schedule: NoiseSchedule, pairs: Pairs, variance: Variance, gamma: Tensor | None = None
) -> list[float]:
    """Return σ of each step for a variance that is not learned. gamma: the table of Γ_t, for "analytic"."""
    t, s = (torch.tensor(times, dtype=torch.float64) for times in zip(*pairs, strict=True))
    known = gamma_at(schedule, gamma, t) if variance == "analytic" and gamma is not None else None
    sigma2 = reverse_variance(schedule, t, s, variance, gamma=known)
    sigma = sigma2.sqrt().flatten().tolist()
    if variance == "analytic" and len(sigma) > 1:
        sigma[-2] = min(sigma[-2], MAX_ANALYTIC_SIGMA)
    return [*sigma[:-1], 0.0]


NAMED: dict[Sampler, StepSampler] = {
    "ddpm": DDPM(),
    "ddim": DDIM(),
    **{name: Solver(name) for name in SOLVERS},
    "langevin": Langevin(),
    "consistency": Consistency(),
    "heun": Heun(),
}
AnySampler = Sampler | StepSampler | SamplerFunction
# {sampler: {option: default}}.
OPTIONS: dict[Sampler, dict[str, Any]] = {name: its.options for name, its in NAMED.items()}
DEFAULTS: dict[str, Any] = {option: usual for own in OPTIONS.values() for option, usual in own.items()}

SWITCHES: dict[str, bool] = {option: usual for option, usual in DEFAULTS.items() if isinstance(usual, bool)}


def find(text: str) -> AnySampler:
    """Return the sampler that a text of the command line means: a name, or "module:sampler" for a user's own.

    Raise ValueError for any other text, and if the module has no such sampler.
    """
    module, colon, attribute = text.partition(":")
    if not colon:
        if text not in NAMED:
            raise ValueError(
                f"unknown sampler {text!r}: choose from {', '.join(NAMED)}, or give your own as module:sampler"
            )
        return cast(Sampler, text)
    try:
        found = import_module(module)
    except (ImportError, ValueError) as error:
        raise ValueError(f"the sampler {text!r} can't be imported: {error}") from None
    sampler: Any = getattr(found, attribute, None)
    if not (isinstance(sampler, StepSampler) or callable(sampler)):
        raise ValueError(f"{found.__file__ or module} has no sampler {attribute!r}: it is a StepSampler or a function")
    return cast(AnySampler, sampler)
