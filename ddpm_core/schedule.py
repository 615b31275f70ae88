"""The noise schedule: β_t, α_t = 1 − β_t and ᾱ_t = ∏ α_i as float64 tables over t = 0..T, with ᾱ_0 = 1.

A schedule is also defined between two whole times. There, ᾱ_t follows the schedule's own formula if it has one; if not,
ln σ_t is linear in t, with σ_t² = (1 − ᾱ_t)/ᾱ_t. The fields of diffusers' `scheduler_config.json` describe a schedule,
so it can be saved and read back.
"""

from __future__ import annotations

import inspect
import json
import math
import pickle
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Maximum β of schedules that are defined by ᾱ, such as the cosine schedule (Nichol & Dhariwal 2021, section 3.2).
MAX_BETA = 0.999
SMALLEST = torch.finfo(torch.float64).tiny  # minimum ᾱ above 0; smaller float64 numbers have fewer digits


@dataclass(frozen=True, eq=False, repr=False)
class NoiseSchedule:
    """Variances of the forward process q(x_t | x_{t−1}) = N(√(1 − β_t) x_{t−1}, β_t I), Eq. 2.

    The class methods make schedules, for example `NoiseSchedule.linear(T=1000)`.

    Attributes:
        beta: float64 CPU tensor of length T + 1 with beta[0] = 0 and 0 < beta[t] < 1. beta[T] = 1 is allowed (zero
            terminal signal-to-noise ratio). ᾱ_t falls with every t. ᾱ_t may be 0 only at T: elsewhere, a step would
            divide 0 by 0.
        config: the `scheduler_config.json` fields from which `from_config` rebuilds the schedule.
        formula: ᾱ as a function of t/T. The formula gives ᾱ between two whole times, if it agrees with the table at
            both times. None if there is no such function, or if the schedule was read from a table.
        alpha: α_t = 1 − β_t, like beta.
        alpha_bar: ᾱ_t = ∏ α_i, like beta, with ᾱ_0 = 1.

    Raises:
        ValueError: for β outside these ranges, or another length.
    """

    beta: Tensor
    config: Mapping
    formula: Callable[[float], float] | None = None
    alpha: Tensor = field(init=False)
    alpha_bar: Tensor = field(init=False)

    def __post_init__(self):
        inner, last = self.beta[1:-1], self.beta[-1]
        if self.beta.ndim != 1 or len(self.beta) < 2 or self.beta.dtype != torch.float64 or self.beta[0] != 0:
            raise ValueError("beta must be a float64 vector of length T + 1 with beta[0] = 0 and T >= 1")
        if not bool(((inner > 0) & (inner < 1)).all() and 0 < last <= 1):  # this also refuses NaN
            raise ValueError("every beta must lie strictly between 0 and 1 (the last one may be 1)")
        object.__setattr__(self, "alpha", 1 - self.beta)
        object.__setattr__(self, "alpha_bar", torch.cumprod(self.alpha, 0))
        before, at_T = self.alpha_bar[-2:].tolist()
        if before < SMALLEST or 0 < at_T < SMALLEST:
            raise ValueError("alpha_bar gets too close to 0 before the last step: take smaller betas, or fewer steps")
        if not bool((self.alpha_bar.diff() < 0).all()):
            raise ValueError("a step adds so little noise that alpha_bar stays as it was: take larger betas")

    def __repr__(self) -> str:
        name = "own β" if self.name == "custom" else self.config.get("beta_schedule", self.name)
        ends = f"β {self.beta[1]:.3g} to {self.beta[-1]:.3g}, ᾱ_T {self.alpha_bar[-1]:.3g}"
        if self.exploding:
            ends = f"σ {self.sigma[1]:.3g} to {self.sigma[-1]:.3g}"
        return f"NoiseSchedule({name}, T = {self.T}, {ends})"

    @property
    def T(self) -> int:
        """The number of steps of the forward process."""
        return len(self.beta) - 1

    @property
    def schedule(self) -> NoiseSchedule:
        """The schedule itself, so that functions can take a schedule or its `Levels` and use the same attribute."""
        return self

    @cached_property
    def t(self) -> Tensor:
        """The whole times 0..T as a float64 tensor (T + 1,)."""
        return torch.arange(self.T + 1, dtype=torch.float64)

    @cached_property
    def sigma(self) -> Tensor:
        """σ_t = √((1 − ᾱ_t)/ᾱ_t), so that x_t/√ᾱ_t = x_0 + σ_t ε: float64 (T + 1,).

        σ_t rises from σ_0 = 0, and is infinite at T if ᾱ_T is 0.
        """
        return ((1 - self.alpha_bar) / self.alpha_bar).sqrt()

    @property
    def exploding(self) -> bool:
        """Whether the process is variance-exploding, as in `from_sigmas`: it adds noise but does not shrink x_0."""
        return bool(self.config.get("variance_exploding")) or self.config.get("_class_name") in _SIGMAS

    @property
    def name(self) -> str:
        """The name for the user: linear, cosine, quadratic, growing noise, custom, or diffusers' name for any other.

        A schedule that was rescaled to ᾱ_T = 0 has " (zero terminal SNR)" behind its name.
        """
        if self.exploding:
            return "growing noise"
        theirs: str = self.config.get("beta_schedule", "custom")
        ours = {"squaredcos_cap_v2": "cosine", "scaled_linear": "quadratic"}.get(theirs, theirs)
        return ours + (" (zero terminal SNR)" if self.config.get("rescale_betas_zero_snr") else "")

    @classmethod
    def linear(cls, T: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
        """Make the paper's schedule, whose β rises linearly (section 4).

        Arguments:
            T: the number of steps of the forward process.
            beta_start: β_1.
            beta_end: β_T.
        """
        return cls._named("linear", T, beta_start=beta_start, beta_end=beta_end)

    @classmethod
    def quadratic(cls, T: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
        """Make a schedule whose √β rises linearly (diffusers' "scaled_linear").

        Arguments:
            T: the number of steps of the forward process.
            beta_start: β_1.
            beta_end: β_T.
        """
        return cls._named("scaled_linear", T, beta_start=beta_start, beta_end=beta_end)

    @classmethod
    def cosine(cls, T: int = 1000) -> NoiseSchedule:
        """Make the cosine schedule (Nichol & Dhariwal 2021, Eq. 17): ᾱ_t ∝ cos²((t/T + 0.008)/1.008 · π/2), β <= 0.999.

        Arguments:
            T: the number of steps of the forward process.
        """
        return cls._named("squaredcos_cap_v2", T)

    @classmethod
    def flow(cls, T: int = 1000) -> NoiseSchedule:
        """Make the schedule of rectified flows, (1 − τ) x_0 + τ ε with τ_t = (t − ½)/T (Liu et al. 2023).

        So σ_t = τ_t/(1 − τ_t). If t is drawn uniformly, so is τ. ᾱ_T is above 0, because the solvers divide by it.

        Arguments:
            T: the number of steps of the forward process.
        """
        tau = (torch.arange(1, _steps(T) + 1, dtype=torch.float64) - 0.5) / T
        table = cls.from_alpha_bar((1 - tau) ** 2 / ((1 - tau) ** 2 + tau**2))
        return cls(table.beta, table.config, _Flow(T))

    @classmethod
    def from_betas(cls, betas: Sequence[float] | Tensor) -> NoiseSchedule:
        """Make a schedule from its β_1..β_T.

        Arguments:
            betas: T numbers in this order, without β_0. All lie above 0 and below 1; only the last one may be 1.

        Raises:
            ValueError: for numbers outside these limits, and for an empty list.
        """
        betas = _numbers(betas, "betas")
        config = {"num_train_timesteps": len(betas), "trained_betas": betas.tolist()}
        return cls(_with_beta_0(betas), config)

    @classmethod
    def from_alpha_bar(
        cls, alpha_bar: Sequence[float] | Tensor | Callable[[float], float], T: int | None = None
    ) -> NoiseSchedule:
        """Make a schedule from its ᾱ_1..ᾱ_T, with β_t = 1 − ᾱ_t/ᾱ_{t−1}.

        Arguments:
            alpha_bar: T falling numbers below 1, without ᾱ_0 = 1; only the last one may be 0. Or a function of time:
                ᾱ_t = alpha_bar(t/T), with t/T a float.
            T: the number of steps of the forward process, if alpha_bar is a function; leave it out with numbers.

        Raises:
            ValueError: for numbers that do not fall or lie outside 0..1, and for T together with a list.
        """
        formula = alpha_bar if callable(alpha_bar) else None
        if callable(alpha_bar):
            T = _steps(T)
            alpha_bar = [float(alpha_bar(t / T)) for t in range(1, T + 1)]
        elif T is not None:
            raise ValueError("T is for a function of time: leave it out if alpha_bar is a list of numbers")
        values = _numbers(alpha_bar, "alpha_bar")
        before = torch.cat([values.new_ones(1), values[:-1]])
        if not bool(((values < before) & (values >= 0)).all()):  # this also refuses NaN
            raise ValueError(
                "alpha_bar must fall with every step, from below 1 (ᾱ_0 = 1 is left out) down to 0 at least"
            )
        table = cls.from_betas(1 - values / before)
        return cls(table.beta, table.config, formula)

    @classmethod
    def from_sigmas(cls, sigmas: Sequence[float] | Tensor) -> NoiseSchedule:
        """Make the schedule of a variance-exploding process, x_0 + σ_t z, which adds noise but does not shrink x_0.

        This library computes with x_t = √ᾱ_t (x_0 + σ_t z), where ᾱ_t = 1/(1 + σ_t²). For such a process, the variance
        "beta" has another meaning: see `process.reverse_variance`.

        Arguments:
            sigmas: σ_1..σ_T, rising and above 0, for data in [−1, 1]. If a network was trained on data in [0, 1], give
                twice its σ.

        Raises:
            ValueError: for numbers that do not rise or are not above 0, and where σ rises too much in one step.
        """
        squares = _numbers(sigmas, "sigmas") ** 2
        before = torch.cat([squares.new_zeros(1), squares[:-1]])
        if not bool(((squares > before) & squares.isfinite()).all()):  # this also refuses NaN
            raise ValueError("sigmas must rise with every step, from above 0 (σ_0 = 0 is left out)")
        betas = (squares - before) / (1 + squares)
        if bool((betas == 1).any()):
            raise ValueError("a sigma is too large for the one before, by a factor of 1e8 or so: take more steps")
        schedule = cls.from_betas(betas)
        return cls(schedule.beta, {**schedule.config, "variance_exploding": True})

    @classmethod
    def from_config(cls, config: Mapping) -> NoiseSchedule:
        """Make the schedule that a `scheduler_config.json` describes.

        Arguments:
            config: the fields of the file. An absent field has diffusers' default.

        Raises:
            ValueError: for a beta_schedule that diffusers' DDPMScheduler does not know.
        """
        kind = config.get("_class_name")
        if kind in _SIGMAS:
            defaults = inspect.signature(_SIGMAS[kind]).parameters.values()
            own = {field.name: config.get(field.name, field.default) for field in defaults}
            beta = cls.from_sigmas(_SIGMAS[kind](**own)).beta
            return cls(beta, {"_class_name": kind, **own}, _Karras(**own) if "rho" in own else None)
        if config.get("trained_betas") is not None:
            schedule = cls.from_betas(config["trained_betas"])
            more = {name: config[name] for name in ("variance_exploding", "_function") if config.get(name)}
            schedule = cls(schedule.beta, {**schedule.config, **more})
        else:
            schedule = cls._named(
                config.get("beta_schedule", "linear"),
                config.get("num_train_timesteps", 1000),
                beta_start=config.get("beta_start", 1e-4),
                beta_end=config.get("beta_end", 0.02),
            )
        if config.get("rescale_betas_zero_snr"):
            beta = _with_beta_0(_zero_terminal_snr(schedule.alpha_bar[1:]))
            schedule = cls(beta, {**schedule.config, "rescale_betas_zero_snr": True})
        return schedule

    @classmethod
    def _named(cls, name: str, T: int, **ends: float) -> NoiseSchedule:
        """Make the schedule that diffusers calls by this name. ends: beta_start and beta_end, if it has them."""
        T = _steps(T)
        if not isinstance(name, str) or name not in _BETAS:
            raise ValueError(f"unknown beta_schedule {reprlib.repr(name)}: choose from {', '.join(_BETAS)}")
        config = {"num_train_timesteps": T, "beta_schedule": name, **ends}
        return cls(_with_beta_0(_BETAS[name](T, **ends)), config, _FORMULAS.get(name))

    def at(self, t: float | Tensor) -> Levels:
        """Return ᾱ and σ at real times, as `Levels`, which is defined below.

        Arguments:
            t: 0..T, a number or a tensor of any shape. At a whole number, ᾱ_t is exactly the table's.
        """
        found = torch.as_tensor(t).cpu()
        times = torch.as_tensor(t, dtype=torch.float64).cpu()
        if not found.is_floating_point():
            return Levels(self, times, self.alpha_bar[found.long()])
        values = [self.alpha_bar_at(one) for one in times.flatten().tolist()]
        return Levels(self, times, torch.tensor(values, dtype=torch.float64).reshape(times.shape))

    def alpha_bar_at(self, t: float) -> float:
        """Return ᾱ_t at a real time as a number.

        Arguments:
            t: 0..T. At a whole t, ᾱ_t is exactly the table's.
        """
        k = min(int(t), self.T - 1)
        if t == k or t == k + 1:
            return self.alpha_bar[int(t)].item()
        if self.formula is not None and self._has_formula(k):
            return float(self.formula(t / self.T))
        low, high, share = self.sigma[k].item(), self.sigma[k + 1].item(), t - k
        if k == 0:  # ln σ_0 is −∞, so that σ itself is linear between t = 0 and 1
            sigma = share * (high if high < math.inf else 1 / (1 - share))
        elif high < math.inf:
            sigma = math.exp((1 - share) * math.log(low) + share * math.log(high))
        else:  # σ_T is infinite, so that 1/σ is linear between t = T − 1 and T
            sigma = low / (1 - share)
        return 1 / (1 + sigma * sigma)

    def _has_formula(self, k: int) -> bool:
        """Return whether the formula agrees with the table at k and k + 1.

        The formula does not agree where β was limited to MAX_BETA. At k = 0, it does not agree if it isn't 1 at t = 0.
        """
        assert self.formula is not None
        ends = [float(self.formula(t / self.T)) for t in (k, k + 1)]
        known = self.alpha_bar[k : k + 2].tolist()
        return all(abs(a - b) <= 1e-6 * min(b, 1 - b) for a, b in zip(ends, known, strict=True))

    def time_at(self, sigma: float) -> float:
        """Return the real time t at which the noise of x_t/√ᾱ_t has this standard deviation: the inverse of `sigma`.

        Arguments:
            sigma: at least 0, for data in [−1, 1]. If it is above σ_T or infinite, the result is T.

        Returns:
            An int if sigma is exactly the σ of a whole time, else a float.

        Raises:
            ValueError: for a number below 0, and NaN.
        """
        if not sigma >= 0:
            raise ValueError(f"sigma must be a number of at least 0, got {sigma!r}")
        k = int(torch.searchsorted(self.sigma, float(sigma), right=True)) - 1  # σ_k <= σ
        if k == self.T:
            return self.T
        low, high = self.sigma[k].item(), self.sigma[k + 1].item()
        if sigma == low:
            return k
        if self.formula is not None and self._has_formula(k):
            return self._time_of_formula(k, sigma)
        if k == 0:
            return sigma / high if high < math.inf else sigma / (1 + sigma)
        if high < math.inf:
            return k + math.log(sigma / low) / math.log(high / low)
        return k + 1 - low / sigma

    def _time_of_formula(self, k: int, sigma: float) -> float:
        """Return the t between k and k + 1 at which the formula has this σ, by bisection to the last float64 digit."""
        low, high, wanted = float(k), k + 1.0, 1 / (1 + sigma * sigma)
        while low < (middle := (low + high) / 2) < high:
            low, high = (middle, high) if self.alpha_bar_at(middle) > wanted else (low, middle)
        return low

    def times_at(self, sigmas: Sequence[float] | Tensor, whole: bool = False) -> list[float]:
        """Return the times at which the noise of x_t/√ᾱ_t has these standard deviations: `steps` for `trajectory`.

        Two σ with the same t give one time. σ = 0, which ends many lists, gives no time: every chain ends at t = 0.

        Arguments:
            sigmas: falling numbers, for data in [−1, 1]. If one is above σ_T or infinite, its time is T.
            whole: return the whole times 1..T whose ln σ_t is nearest, for a network that takes only whole times.

        Returns:
            Falling numbers, at most T.

        Raises:
            ValueError: for sigmas that rise, or none above 0.
        """
        values = _numbers(sigmas, "sigmas")
        if not bool((values[1:] <= values[:-1]).all() and values[0] > 0 and values[-1] >= 0):  # this also refuses NaN
            raise ValueError("sigmas must fall, from above 0; the last ones may be 0")
        if not whole:
            return list(dict.fromkeys(map(self.time_at, values[values > 0].tolist())))
        # ln σ of an infinite σ becomes 1000. Every finite ln σ is smaller, so an infinite σ is nearest to the largest.
        wanted, own = (each.log().clamp(max=1000) for each in (values[values > 0], self.sigma[1:]))
        distance = (wanted[:, None] - own).abs()
        return list(dict.fromkeys((1 + distance.argmin(1)).tolist()))

    def times_of_diffusers(self, timesteps: Sequence[int] | Tensor) -> list[int]:
        """Return the times that belong to diffusers' timesteps. `trajectory` takes them as `steps`.

        diffusers counts from 0, so t is its timestep + 1. For consistency models, its timesteps are positions in a list
        that begins with the largest σ, so t is T minus its timestep: for T = 40, [22, 0] becomes [40, 18].

        Arguments:
            timesteps: whole numbers 0..T − 1, in any order.

        Returns:
            Falling whole numbers, at most T.

        Raises:
            ValueError: for numbers that are not whole or outside 0..T − 1, and for schedules whose timesteps in
                diffusers aren't whole.
        """
        kind = self.config.get("_class_name")
        given: Any = timesteps.tolist() if isinstance(timesteps, (Tensor, np.ndarray)) else timesteps
        each = list(given) if isinstance(given, Iterable) else []
        if not each or not all(isinstance(i, (int, np.integer)) and 0 <= i < self.T for i in each):
            raise ValueError(f"timesteps of diffusers are a list of whole numbers from 0 to {self.T - 1}, got {given}")
        if kind in ("ScoreSdeVeScheduler", "EDMEulerScheduler"):
            raise ValueError(f"the timesteps of diffusers' {kind} aren't whole: give its sigmas to times_at")
        counted_down = kind == "CMStochasticIterativeScheduler"
        return sorted({self.T - int(i) if counted_down else int(i) + 1 for i in each}, reverse=True)

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickle stores: all attributes, but without the formula if it can't be pickled."""
        try:
            pickle.dumps(self.formula)
        except (pickle.PicklingError, AttributeError, TypeError):
            return {**vars(self), "formula": None}
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class Levels:
    """ᾱ_t and σ_t at some real times of a schedule. `NoiseSchedule` has attributes of the same names for t = 0..T."""

    schedule: NoiseSchedule
    t: Tensor
    """the times, float64 on the CPU, of any shape"""
    alpha_bar: Tensor
    """ᾱ_t at each time, float64, of the shape of t"""

    @property
    def sigma(self) -> Tensor:
        """Return σ_t = √((1 − ᾱ_t)/ᾱ_t), of the shape of t."""
        return ((1 - self.alpha_bar) / self.alpha_bar).sqrt()


def _steps(T: object) -> int:
    """Return T as an int. Raise ValueError unless it is a whole number of at least 1."""
    if isinstance(T, bool) or not isinstance(T, (int, np.integer)) or T < 1:
        raise ValueError(f"T must be a whole number of at least 1, got {T!r}")
    return int(T)


def _numbers(values: Sequence[float] | Tensor, name: str) -> Tensor:
    """Return the values as a float64 tensor (T,) on the CPU.

    name: their name for the message. Raise ValueError unless they are a list of at least one number.
    """
    # The copy has positive strides: torch refuses NumPy arrays with negative strides, such as values[::-1].
    given: object = values.copy() if isinstance(values, np.ndarray) else values
    found = torch.as_tensor(given, dtype=torch.float64).cpu()
    if found.ndim != 1 or len(found) == 0:
        raise ValueError(f"{name} must be a list of at least one number, got shape {tuple(found.shape)}")
    return found


def _with_beta_0(betas: Tensor) -> Tensor:
    """Return β_0..β_T for β_1..β_T, with β_0 = 0."""
    return torch.cat([betas.new_zeros(1), betas])


def _linspace(T: int, first: float, last: float) -> Tensor:
    """Return T float64 numbers at equal distances from first to last."""
    return torch.linspace(first, last, T, dtype=torch.float64)


def _linear(T: int, beta_start: float, beta_end: float) -> Tensor:
    """Return β_1..β_T that rise linearly."""
    return _linspace(T, beta_start, beta_end)


def _scaled_linear(T: int, beta_start: float, beta_end: float) -> Tensor:
    """Return β_1..β_T whose square roots rise linearly."""
    if beta_start < 0 or beta_end < 0:
        raise ValueError(f"beta_start and beta_end must not be negative, got {beta_start} and {beta_end}")
    return _linspace(T, beta_start**0.5, beta_end**0.5) ** 2


def _sigmoid(T: int, beta_start: float, beta_end: float) -> Tensor:
    """Return β_1..β_T that rise from beta_start to beta_end like the sigmoid between −6 and 6."""
    return torch.sigmoid(_linspace(T, -6, 6)) * (beta_end - beta_start) + beta_start


def _from_alpha_bar(alpha_bar: Callable[[float], float]) -> Callable[..., Tensor]:
    """Return a function of T that computes β_t = min(1 − ᾱ(t/T)/ᾱ((t − 1)/T), 0.999) for t = 1..T."""

    def betas(T: int, **_: float) -> Tensor:
        """Return β_1..β_T."""
        values = [alpha_bar(t / T) for t in range(T + 1)]
        return torch.tensor(
            [min(1 - values[t] / values[t - 1], MAX_BETA) for t in range(1, T + 1)], dtype=torch.float64
        )

    return betas


def _laplace_alpha_bar(u: float) -> float:
    """Return √(SNR/(1 + SNR)) at u = t/T with a Laplace-distributed log-SNR: diffusers' "laplace" schedule."""
    log_snr = -0.5 * math.copysign(1, 0.5 - u) * math.log(1 - 2 * abs(0.5 - u) + 1e-6)
    snr = math.exp(log_snr)
    return math.sqrt(snr / (1 + snr))


def _cosine_alpha_bar(u: float) -> float:
    """Return f(t) of Nichol & Dhariwal 2021, Eq. 17, at u = t/T. ᾱ_t is f(t)/f(0)."""
    return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2


@dataclass(frozen=True)
class _Share:
    """ᾱ(u) = curve(u)/curve(0), which is 1 at u = 0 for any curve."""

    curve: Callable[[float], float]

    def __call__(self, u: float) -> float:
        """Return ᾱ(u)."""
        return self.curve(u) / self.curve(0)


@dataclass(frozen=True)
class _Flow:
    """ᾱ at u = t/T of the schedule `NoiseSchedule.flow`, for t of at least 1."""

    T: int

    def __call__(self, u: float) -> float:
        """Return ᾱ(u)."""
        tau = u - 0.5 / self.T
        return (1 - tau) ** 2 / ((1 - tau) ** 2 + tau**2)


@dataclass(frozen=True)
class _Karras:
    """ᾱ at u = t/T of the schedule whose σ `_karras` returns, for t of at least 1."""

    num_train_timesteps: int
    sigma_min: float
    sigma_max: float
    rho: float

    def __call__(self, u: float) -> float:
        """Return ᾱ(u)."""
        share = (u * self.num_train_timesteps - 1) / max(self.num_train_timesteps - 1, 1)
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return 1 / (1 + (low + share * (high - low)) ** (2 * self.rho))


_BETAS: dict[str, Callable[..., Tensor]] = {
    "linear": _linear,
    "scaled_linear": _scaled_linear,
    "squaredcos_cap_v2": _from_alpha_bar(_cosine_alpha_bar),
    "sigmoid": _sigmoid,
    "laplace": _from_alpha_bar(_laplace_alpha_bar),
}
_FORMULAS = {"squaredcos_cap_v2": _Share(_cosine_alpha_bar), "laplace": _Share(_laplace_alpha_bar)}


def _geometric(num_train_timesteps: int = 2000, sigma_min: float = 0.01, sigma_max: float = 1348.0) -> Tensor:
    """Return σ_1..σ_T that grow by the same factor in every step (Song et al. 2021).

    sigma_min and sigma_max are for data in [0, 1]; the results are for data in [−1, 1], and so twice as large.
    """
    return 2 * _linspace(num_train_timesteps, math.log(sigma_min), math.log(sigma_max)).exp()


def _karras(
    num_train_timesteps: int = 40, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> Tensor:
    """Return σ_1..σ_T whose σ^(1/ρ) rise linearly (Karras et al. 2022, Eq. 5)."""
    return _linspace(num_train_timesteps, sigma_min ** (1 / rho), sigma_max ** (1 / rho)) ** rho


# {class of diffusers' scheduler: function that returns σ_1..σ_T}, for schedulers that add noise without shrinking x_0.
# The function's arguments are fields of the scheduler's configuration.
_SIGMAS: dict[str | None, Callable[..., Tensor]] = {
    "ScoreSdeVeScheduler": _geometric,
    "CMStochasticIterativeScheduler": _karras,
    "EDMEulerScheduler": partial(_karras, num_train_timesteps=1000),
}


def _zero_terminal_snr(alpha_bar: Tensor) -> Tensor:
    """Return β_1..β_T after √ᾱ_1..√ᾱ_T were shifted and scaled to ᾱ_T = 0 (Lin et al. 2023, Algorithm 1).

    ᾱ_1 keeps its value.
    """
    root = alpha_bar.sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    squared = torch.cat([root.new_ones(1), root]) ** 2
    return 1 - squared[1:] / squared[:-1]


# {name on the command line: function that makes a schedule of T steps}.
NAMED: dict[str, Callable[..., NoiseSchedule]] = {
    "linear": NoiseSchedule.linear,
    "cosine": NoiseSchedule.cosine,
    "quadratic": NoiseSchedule.quadratic,
    "flow": NoiseSchedule.flow,
}
# {name of a table in a file: (constructor, the table's value at t = 0)}. The table may begin at t = 0 or t = 1.
_TABLES = {
    **dict.fromkeys(("beta", "betas", "trained_betas"), (NoiseSchedule.from_betas, 0.0)),
    **dict.fromkeys(("alpha_bar", "alphas_cumprod"), (NoiseSchedule.from_alpha_bar, 1.0)),
    **dict.fromkeys(("sigma", "sigmas"), (NoiseSchedule.from_sigmas, 0.0)),
}


def find(text: str, T: int) -> NoiseSchedule:
    """Return the schedule that a text of the command line means.

    Arguments:
        text: a name of `NAMED`; a file that ends in .json or .npz; or "module:function", where function(T) returns a
            NoiseSchedule. A .json file is a scheduler_config.json, or has a list named betas, alpha_bar or sigmas; an
            .npz file has an array of this name. The list or array may begin at t = 0 or t = 1.
        T: the number of steps of the forward process, for names and functions. A file determines its own T.

    Raises:
        ValueError: for an unknown text, and for a file or a function that gives no schedule.
    """
    if text in NAMED:
        return NAMED[text](T)
    if text.endswith((".json", ".npz")):
        return _from_file(Path(text).expanduser())
    module, colon, attribute = text.partition(":")
    if not colon:
        known = ", ".join(NAMED)
        raise ValueError(
            f"unknown schedule {text!r}: choose from {known}, or give a .json or .npz file, or your own as "
            "module:function"
        )
    try:
        function = getattr(import_module(module), attribute)
        found = function(T)
    except Exception as error:  # the user's code may raise any error
        raise ValueError(f"the schedule {text!r} can't be made: {error}") from error
    if not isinstance(found, NoiseSchedule):
        raise ValueError(f"{text}({T}) must return a NoiseSchedule, got a {type(found).__name__}")
    # A checkpoint stores the numbers, because the user may change this function later. The function's name is only
    # information.
    table = NoiseSchedule.from_betas(found.beta[1:])
    exploding = {"variance_exploding": True} if found.exploding else {}
    return replace(found, config={**table.config, **exploding, "_function": text})


def _from_file(path: Path) -> NoiseSchedule:
    """Return the schedule of a .json or .npz file. Raise ValueError, with the reason, if the file has none."""
    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                content: Any = {name: file[name] for name in file.files if name in _TABLES}
        else:
            content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise ValueError(f"the schedule {path} can't be read: {reason}") from None
    tables = [name for name in _TABLES if isinstance(content, Mapping) and content.get(name) is not None]
    try:
        if tables and "num_train_timesteps" not in content:
            make, at_0 = _TABLES[tables[0]]
            values = _numbers(content[tables[0]], tables[0])
            return make(values[1:] if values[0] == at_0 else values)
        if isinstance(content, Mapping) and content.keys() & {"num_train_timesteps", "beta_schedule"}:
            return NoiseSchedule.from_config(content)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is no schedule: {error}") from None
    raise ValueError(f"{path} is no schedule: it needs a list named betas, alpha_bar or sigmas")
